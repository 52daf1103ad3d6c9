"""One typed, frozen, validated configuration a command; `diar/arguments.py` fills it."""

from diar.config.base import CommandConfig, ConfigError, describe_option, option
from diar.config.detect import DetectConfig
from diar.config.extract import ExtractConfig
from diar.config.plan import PlannedExtractConfig

__all__ = [
    "CommandConfig",
    "ConfigError",
    "DetectConfig",
    "ExtractConfig",
    "PlannedExtractConfig",
    "describe_option",
    "option",
]
