"""Filling a command's configuration from flags, environment variables and a YAML file.

Precedence: flag > environment variable > YAML file (`--config`) > default. An unknown key or a bad value is
an error that names it and where it came from.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin

import yaml
from pydantic import ValidationError

from diar.options.base import CommandConfig, ConfigError, describe_option

ConfigT = TypeVar("ConfigT", bound=CommandConfig)


def parse_arguments(
    config_class: type[ConfigT],
    arguments: Sequence[str],
    *,
    prog: str,
    description: str,
    epilog: str = "",
    environment: Mapping[str, str] = os.environ,
) -> ConfigT:
    """Fill `config_class` from flags, environment and YAML.

    Raises:
        ConfigError: an unknown key, a bad value, an unreadable YAML file.
        SystemExit: `--help` (0) or flags that argparse refuses (2).
    """
    parser = _build_parser(config_class, prog, description, epilog)
    flags = vars(parser.parse_args([underscored(argument) for argument in arguments]))
    yaml_file = flags.pop("config", None)
    sources = {
        "YAML": _read_yaml(config_class, yaml_file) if yaml_file else {},
        "environment": _read_environment(config_class, environment),
        "flag": flags,
    }
    values = {name: value for source in sources.values() for name, value in source.items()}
    try:
        return config_class.model_validate(values)
    except ValidationError as error:
        raise ConfigError(_explain(config_class, error, sources)) from None


def _build_parser(
    config_class: type[CommandConfig], prog: str, description: str, epilog: str
) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=prog,
        description=description,
        epilog=epilog,
        allow_abbrev=False,
        argument_default=argparse.SUPPRESS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--config", metavar="FILE", help="YAML file with any of the options below")
    groups: dict[str, argparse._ArgumentGroup] = {}
    for name, field in config_class.model_fields.items():
        title = describe_option(field)["group"]
        group = groups.get(title) or groups.setdefault(title, parser.add_argument_group(title))
        help_text = (field.description or "").replace("%", "%%")
        if field.annotation is bool:
            group.add_argument(
                f"--no_{name}" if field.default else f"--{name}",
                dest=name,
                action="store_const",
                const=not field.default,
                help=f"switch off: {help_text}" if field.default else help_text,
            )
            continue
        default = "required" if field.is_required() else field.default
        suffix = "" if default is None else f" [{default}]"
        group.add_argument(
            f"--{name}", dest=name, metavar=_metavar(field.annotation), help=help_text + suffix
        )
    return parser


def underscored(argument: str) -> str:
    """`--input-dir=a-b` → `--input_dir=a-b`, so that both spellings of a flag work."""
    if not argument.startswith("--"):
        return argument
    flag, equals, value = argument.partition("=")
    return "--" + flag[2:].replace("-", "_") + equals + value


def _metavar(annotation: Any) -> str:
    if get_origin(annotation) is Literal:
        return "{" + ",".join(map(str, get_args(annotation))) + "}"
    parts = [part for part in get_args(annotation) if part is not type(None)] or [annotation]
    names = {str: "TEXT", int: "N", float: "X"}
    return "|".join(
        names.get(part) or ("N,N" if get_origin(part) is tuple else "|".join(map(str, get_args(part))))
        for part in parts
    )


def _read_yaml(config_class: type[CommandConfig], file: str) -> dict[str, Any]:
    try:
        content = yaml.safe_load(Path(file).read_text(encoding="utf-8")) or {}
    except OSError as error:
        raise ConfigError(f"--config {file}: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"--config {file} is not YAML: {error}") from None
    if not isinstance(content, dict):
        raise ConfigError(f"--config {file} must hold `option: value` lines, found {type(content).__name__}")
    values = {str(key).replace("-", "_"): value for key, value in content.items()}
    for key in values:
        _check_known(config_class, key, f"--config {file}")
    return values


def _read_environment(config_class: type[CommandConfig], environment: Mapping[str, str]) -> dict[str, Any]:
    prefix = config_class.environment_prefix
    values = {k.removeprefix(prefix).lower(): v for k, v in environment.items() if k.startswith(prefix)}
    for key in values:
        _check_known(config_class, key, f"environment variable {prefix}{key.upper()}")
    return values


def _check_known(config_class: type[CommandConfig], key: str, where: str) -> None:
    if key not in config_class.model_fields:
        raise ConfigError(f"{where}: unknown option {key!r}; known: {', '.join(config_class.model_fields)}")


def _explain(
    config_class: type[CommandConfig], error: ValidationError, sources: Mapping[str, Mapping[str, Any]]
) -> str:
    lines: dict[str, str] = {}
    for detail in error.errors(include_url=False):
        name = str(detail["loc"][0]) if detail["loc"] else ""
        message = detail["msg"].removeprefix("Value error, ")
        if detail["type"] == "missing":
            lines[name] = f"--{name} is required: {config_class.model_fields[name].description}"
        elif name:
            origin = next(label for label, values in reversed(list(sources.items())) if name in values)
            value = sources[origin][name]
            lines.setdefault(name, f"--{name} {value!r} (from {origin}): {message}")
        else:
            lines[message] = message
    return "\n".join(lines.values())
