"""Reading the JSON documents of stage 2: schema and version."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from diar.errors import DiarError, explain

DocumentT = TypeVar("DocumentT")


class ResultError(DiarError):
    """A result file that cannot be read."""


def parse_document(text: str, name: str, schema: str, version: str, what: str) -> dict[str, Any]:
    """Parse a document into its fields.

    Args:
        text: of the document.
        name: what errors call it.
        schema: that it must have.
        version: of the schema; the major version must be the same.
        what: ends the error message about another schema.

    Raises:
        ResultError: not JSON, of another schema, or of another major version.
    """
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        raise ResultError(f"{name} is not JSON: {error}") from None
    if not isinstance(document, dict) or document.get("schema") != schema:
        raise ResultError(f"{name} {what}")
    found = str(document.pop("schema_version", "none"))
    if found.split(".")[0] != version.split(".")[0]:
        raise ResultError(f"{name} has schema version {found}, this program reads {version}")
    return document


def read_document(path: Path, parse: Callable[[str, str], DocumentT]) -> DocumentT:
    """Return what `parse` makes of a file's text and name.

    Raises:
        ResultError: the file is missing or unreadable; what `parse` raises.
    """
    try:
        return parse(path.read_text(encoding="utf-8"), str(path))
    except OSError as error:
        raise ResultError(explain(error)) from None
    except UnicodeDecodeError as error:
        raise ResultError(f"{path} is not UTF-8 text (byte {error.start}), so no result of diar") from None
