"""Fill a command's configuration from the command line, environment variables and a YAML file.

Precedence: command line > environment variable > YAML file (`--config`) > default. An unknown key or a bad
value is an error that names it and where it came from.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NoReturn, TypeVar, get_args, get_origin

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from diar.errors import explain
from diar.options.base import CommandConfig, ConfigError, describe_option, options_of
from diar.options.unknown import explain_arguments, explain_key, misspelt_variable
from diar.texts import read_yaml
from diar.wording import did_you_mean

ConfigT = TypeVar("ConfigT", bound=CommandConfig)

_SHOWN = 200  # characters of a value
_METAVARS = {str: "TEXT", int: "N", float: "X", Path: "PATH"}


def parse_arguments(
    config_class: type[ConfigT],
    arguments: Sequence[str],
    *,
    prog: str,
    description: str,
    epilog: str = "",
    environment: Mapping[str, str] = os.environ,
) -> ConfigT:
    """Fill `config_class` from the command line, environment and YAML.

    Raises:
        ConfigError: an unknown option or key, a bad value, an unreadable YAML file.
        SystemExit: `--help` (0).
    """
    parser = _build_parser(config_class, prog, description, epilog)
    given = [_underscored(argument) for argument in arguments]
    # intermixed: `diar status --failures OUT` as well as `diar status OUT --failures`
    known, left = parser.parse_known_intermixed_args(given)
    if left:
        raise ConfigError(explain_arguments(left, given, options_of(config_class), prog))
    flags = vars(known)
    yaml_file = flags.pop("config", None)
    sources = {
        "YAML": _read_yaml(config_class, yaml_file) if yaml_file else {},
        "environment": _read_environment(config_class, environment),
        "flag": flags,
    }
    values = {name: value for source in sources.values() for name, value in source.items()}
    try:
        config = config_class.model_validate(values)
    except ValidationError as error:
        raise ConfigError(_explain(config_class, error, sources)) from None
    config.check_sources(sources)
    return config


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are those of the command, without a page of usage before them."""

    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"{message.removeprefix('argument ')}\n`{self.prog} --help` lists all options")


def _build_parser(
    config_class: type[CommandConfig], prog: str, description: str, epilog: str
) -> argparse.ArgumentParser:
    parser = _Parser(
        prog=prog,
        description=description,
        epilog=epilog,
        allow_abbrev=False,
        argument_default=argparse.SUPPRESS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--config", metavar="FILE", help="YAML file with any of the options below")
    groups: dict[str, argparse._ArgumentGroup] = {}
    for name, field in options_of(config_class).items():
        title = describe_option(field)["group"]
        group = groups.get(title) or groups.setdefault(title, parser.add_argument_group(title))
        listed = config_class.in_help is None or name in config_class.in_help
        if field.annotation is bool:
            _add_switch(group, name, field, listed)
        else:
            _add_value(group, name, field, listed)
    return parser


def _add_switch(group: argparse._ArgumentGroup, name: str, field: FieldInfo, listed: bool) -> None:
    """Add `--name`, or `--no_name` for what is on by default."""
    text = _escaped(describe_option(field)["off"] if field.default else field.description)
    group.add_argument(
        f"--no_{name}" if field.default else f"--{name}",
        dest=name,
        action="store_const",
        const=not field.default,
        help=text if listed else argparse.SUPPRESS,
    )


def _add_value(group: argparse._ArgumentGroup, name: str, field: FieldInfo, listed: bool) -> None:
    """Add `--name VALUE`, and for a positional option `NAME` as well, or several where it is a tuple."""
    notes = describe_option(field)
    several = (notes["positional"] or notes["several"]) and get_origin(field.annotation) is tuple
    help_text, default = _escaped(field.description), _default_suffix(field)
    metavar = notes["metavar"] or _metavar(field.annotation)
    if notes["positional"]:
        # Not required by argparse, since its flag, the environment or the YAML file may give it
        both = f"{help_text} (or --{name} {metavar}){default}"
        group.add_argument(name, nargs="*" if several else "?", metavar=name.upper(), help=both)
    help_text = help_text + default if listed and not notes["positional"] else argparse.SUPPRESS
    flags = [flag for flag in (notes["short"], f"--{name}") if flag is not None]
    group.add_argument(*flags, dest=name, nargs="+" if several else None, metavar=metavar, help=help_text)


def _escaped(description: str | None) -> str:
    """Escape a help text for argparse."""
    return (description or "").replace("%", "%%")


def _default_suffix(field: FieldInfo) -> str:
    if field.is_required():
        return " [required]"
    default = field.default
    if isinstance(default, tuple):
        default = ",".join(map(str, default))
    elif isinstance(default, float):
        default = f"{default:g}"
    return "" if default in (None, "") else f" [{default}]"


def _underscored(argument: str) -> str:
    """Turn `--input-dir=a-b` into `--input_dir=a-b`, so that both spellings of a flag work."""
    if not argument.startswith("--"):
        return argument
    flag, equals, value = argument.partition("=")
    return "--" + flag[2:].replace("-", "_") + equals + value


def _metavar(annotation: Any) -> str:
    if get_origin(annotation) is Literal:
        return "{" + ",".join(map(str, get_args(annotation))) + "}"
    if get_origin(annotation) is tuple:
        return "N,N" if get_args(annotation)[0] is not str else "PATH"
    parts = [part for part in get_args(annotation) if part is not type(None)]
    return "|".join(
        _METAVARS.get(part) or ("N,N" if get_origin(part) is tuple else "|".join(map(str, get_args(part))))
        for part in parts or [annotation]
    )


def read_options(config_class: type[CommandConfig], file: str) -> dict[str, Any]:
    """Return the options of a command that a YAML file gives.

    Raises:
        ConfigError: it cannot be read, or names what is no option.
    """
    return _read_yaml(config_class, file)


def _read_yaml(config_class: type[CommandConfig], file: str) -> dict[str, Any]:
    try:
        content = read_yaml(Path(file)) or {}
    except OSError as error:
        raise ConfigError(f"--config {explain(error)}") from None
    except ValueError as error:
        raise ConfigError(f"--config {file} is not YAML: {error}") from None
    if not isinstance(content, dict):
        raise ConfigError(f"--config {file} must hold `option: value` lines, found {type(content).__name__}")
    values = {str(key).replace("-", "_"): value for key, value in content.items()}
    _check_known(config_class, values, f"--config {file}")
    return values


def _read_environment(config_class: type[CommandConfig], environment: Mapping[str, str]) -> dict[str, Any]:
    """Read variables named prefix + OPTION, also those of a configuration that this one extends."""
    values: dict[str, Any] = {}
    known = options_of(config_class)
    for owner in reversed(config_class.__mro__):
        prefix = vars(owner).get("environment_prefix")
        if prefix is None:
            continue
        if complaint := misspelt_variable(prefix, environment):
            raise ConfigError(complaint)
        found = {k.removeprefix(prefix).lower(): v for k, v in environment.items() if k.startswith(prefix)}
        _check_known(owner, found, "environment", prefix)
        values.update({key: value for key, value in found.items() if key in known})
    return values


def _check_known(
    config_class: type[CommandConfig], keys: Iterable[str], where: str, prefix: str = ""
) -> None:
    """Refuse a key that is no option; `prefix` is that of variables."""
    known = options_of(config_class)
    for key in keys:
        if key not in known:
            raise ConfigError(explain_key(key, known, where, prefix))


def _explain(
    config_class: type[CommandConfig], error: ValidationError, sources: Mapping[str, Mapping[str, Any]]
) -> str:
    """Say what is wrong, one line for each option."""
    lines: dict[str, str] = {}
    for detail in error.errors(include_url=False):
        name = str(detail["loc"][0]) if detail["loc"] else ""
        message = _message(detail)
        if detail["type"] == "missing":
            field = options_of(config_class)[name]
            spelling = name.upper() if describe_option(field)["positional"] else f"--{name}"
            lines[name] = f"{spelling} is required: {field.description}"
        elif name:
            origin = next(label for label, values in reversed(list(sources.items())) if name in values)
            value = sources[origin][name]
            near = did_you_mean(str(value), _choices(options_of(config_class)[name].annotation))
            lines.setdefault(name, f"--{name} {_shown(value)} (from {origin}): {message}{near}")
        else:
            lines[message] = message
    return "\n".join(lines.values())


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"


def _message(detail: Mapping[str, Any]) -> str:
    """Return what pydantic says of a value, in plain words where they are known."""
    context = detail.get("ctx", {})
    limit = next((f"{context[name]:g}" for name in ("ge", "gt", "le", "lt") if name in context), "")
    plain = {
        "int_parsing": "a whole number is needed",
        "int_from_float": "a whole number is needed",
        "float_parsing": "a number is needed",
        "bool_parsing": "true or false is needed",
        "literal_error": f"{context.get('expected')} is needed",
        "greater_than_equal": f"at least {limit} is needed",
        "greater_than": f"more than {limit} is needed",
        "less_than_equal": f"at most {limit} is needed",
        "less_than": f"less than {limit} is needed",
    }
    return plain.get(detail["type"]) or str(detail["msg"]).removeprefix("Value error, ")


def _choices(annotation: Any) -> list[str]:
    """Return the words that an option takes."""
    if get_origin(annotation) is Literal:
        return [word for word in get_args(annotation) if isinstance(word, str)]
    return [word for part in get_args(annotation) for word in _choices(part)]
