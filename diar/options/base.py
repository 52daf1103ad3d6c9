"""What the commands' configurations have in common."""

from __future__ import annotations

from typing import Any, ClassVar, cast

from pydantic import BaseModel, ConfigDict, Field
from pydantic.fields import FieldInfo

from diar.errors import DiarError


class ConfigError(DiarError):
    """A flag, environment variable or YAML key that does not exist or has a bad value."""


def option(default: Any, group: str, help: str, *, result: bool = False, **constraints: Any) -> Any:
    """Declare one option.

    Args:
        default: its default, `...` where the user must give a value.
        group: the heading under which `--help` lists it.
        help: what it does, with its unit.
        result: whether it changes the numbers written (and so belongs to the fingerprint).
        constraints: pydantic's, such as `gt=0`.
    """
    return Field(
        default, description=help, json_schema_extra={"group": group, "result": result}, **constraints
    )


def describe_option(field: FieldInfo) -> dict[str, Any]:
    """What `option` noted about a field."""
    return cast(dict[str, Any], field.json_schema_extra)


class CommandConfig(BaseModel):
    """Base of the commands' configurations."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())
    environment_prefix: ClassVar[str]

    @classmethod
    def result_fields(cls) -> list[str]:
        """Names of the options that change the numbers written."""
        return [name for name, field in cls.model_fields.items() if describe_option(field)["result"]]
