"""One typed, frozen, validated configuration a command; `diar/arguments.py` fills it."""

from diar.config.base import CommandConfig, ConfigError, describe_option, option
from diar.config.detect import DetectConfig
from diar.config.extract import ExtractConfig

__all__ = ["CommandConfig", "ConfigError", "DetectConfig", "ExtractConfig", "describe_option", "option"]
