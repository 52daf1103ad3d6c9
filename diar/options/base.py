"""What the commands' configurations have in common."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, ClassVar, cast

from pydantic import BaseModel, ConfigDict, Field
from pydantic.fields import FieldInfo

from diar.errors import DiarError


class ConfigError(DiarError):
    """A flag, environment variable or YAML key that does not exist or has a bad value."""


def option(
    default: Any,
    group: str,
    help: str,
    *,
    result: bool = False,
    positional: bool = False,
    several: bool = False,
    metavar: str | None = None,
    short: str | None = None,
    off: str = "",
    **constraints: Any,
) -> Any:
    """Declare one option.

    Args:
        default: its default, `...` where the user must give a value.
        group: the heading under which `--help` lists it.
        help: what it does, with its unit.
        result: whether it changes the numbers written, and so belongs to the fingerprint.
        positional: whether its value may also be given without its flag.
        several: of a tuple, whether its flag takes several words; one that is positional does anyhow.
        metavar: what `--help` calls its value; by default this follows from the type.
        short: its flag of one letter, such as `-o`.
        off: of a switch that is on: what `--no_NAME` does.
        constraints: pydantic's, such as `gt=0`; `alias` is the option's name where the field has another.
    """
    notes: dict[str, Any] = {"group": group, "result": result, "positional": positional, "metavar": metavar}
    notes["short"], notes["off"], notes["several"] = short, off, several
    return Field(default, description=help, json_schema_extra=notes, **constraints)


def describe_option(field: FieldInfo) -> dict[str, Any]:
    """Return what `option` noted about a field."""
    return cast(dict[str, Any], field.json_schema_extra)


def no_effect(name: str, reason: str) -> str:
    """Return what is said of an option that another one makes void, such as "without --join"."""
    return f"--{name} has no effect {reason}"


def refuse_void(config: CommandConfig, void: Mapping[str, str]) -> None:
    """Refuse options that were given although they do nothing.

    Args:
        config: of the command.
        void: why, by the option's name.

    Raises:
        ValueError: names the first; pydantic shows it as an error of the options.
    """
    for name, reason in void.items():
        if name in config.model_fields_set:
            raise ValueError(no_effect(name, reason))


class CommandConfig(BaseModel):
    """Base of the commands' configurations.

    Attributes:
        environment_prefix: of the variables that hold its options.
        withheld: inherited fields that nobody may give.
        in_help: options that `--help` lists; None = all.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=(), allow_inf_nan=False)
    environment_prefix: ClassVar[str]
    withheld: ClassVar[frozenset[str]] = frozenset()
    in_help: ClassVar[frozenset[str] | None] = None

    def check_sources(self, sources: Mapping[str, Collection[str]]) -> None:
        """Check where options come from.

        Args:
            sources: names of the options that `YAML`, `environment` and `flag` give.

        Raises:
            ConfigError: one may not be given there.
        """

    @classmethod
    def result_fields(cls) -> list[str]:
        """Return the names of the options that change the numbers written."""
        return [name for name, field in cls.model_fields.items() if describe_option(field)["result"]]


def options_of(config_class: type[CommandConfig]) -> dict[str, FieldInfo]:
    """Return a configuration's options by name, those that it does not inherit first."""
    fields = config_class.model_fields
    given = [name for name in fields if name not in config_class.withheld]
    own = list(config_class.__annotations__)
    own_first = sorted(given, key=lambda name: own.index(name) if name in own else len(own))
    return {fields[name].alias or name: fields[name] for name in own_first}


def spelled(config: type[CommandConfig], name: str, source: str) -> str:
    """Return an option as its source spells it: what is on by default has the flag `--no_…`."""
    if source == "environment":
        return f"{config.environment_prefix}{name.upper()}"
    negated = source == "flag" and config.model_fields[name].default is True
    return f"--no_{name}" if negated else f"--{name}"
