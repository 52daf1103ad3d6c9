"""Messages against their schemas."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator

from diar.connectors.kafka.errors import PoisonError
from diar.connectors.kafka.messages.schemas import SCHEMAS

_SHOWN = 200  # characters


def check(value: Any, schema: str) -> None:
    """Raise PoisonError `schema` if a value is not as a schema says."""
    error = next(iter(_validator(schema).iter_errors(value)), None)
    if error is not None:
        where = "".join(f"/{part}" for part in error.absolute_path)
        raise PoisonError("schema", f"{schema}{where}: {error.message[:_SHOWN]}")


def parse(value: bytes | None, schema: str) -> dict[str, Any]:
    """Return the JSON object of a message; raises PoisonError `schema`."""
    try:
        found = json.loads((value or b"").decode())
    except (ValueError, RecursionError) as error:
        raise PoisonError("schema", f"{schema}: the value is not JSON: {str(error)[:_SHOWN]}") from None
    check(found, schema)
    parsed: dict[str, Any] = found
    return parsed


def headers_of(message: Any) -> dict[str, str]:
    """Return a message's headers as texts; of several of one name the last."""
    return {name: (value or b"").decode(errors="replace") for name, value in message.headers() or ()}


@cache
def _validator(schema: str) -> Draft202012Validator:
    return Draft202012Validator(SCHEMAS[schema])
