"""Reading the JSON documents of stage 2: schema and version."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from diar.errors import DiarError, explain
from diar.texts import from_json

DocumentT = TypeVar("DocumentT")


# What Parquet footers hold as text, in stage 1's metadata
_NOT_TEXT: dict[str, Callable[[str], Any]] = {
    "settings": json.loads,
    "embedding_dim": int,
    "activity_first_center": float,
    "activity_step": float,
}


_VERSION = 40  # characters of a version that are looked at


class ResultError(DiarError):
    """A result file that cannot be read."""


def parse_document(text: str, name: str, schema: str, version: str, what: str) -> dict[str, Any]:
    """Parse a document into its fields.

    Args:
        text: of the document.
        name: what errors call it.
        schema: that it must have.
        version: of the schema; a later major version is refused, earlier ones are read.
        what: ends the error message about another schema.

    Raises:
        ResultError: not JSON, of another schema, or of a later major version.
    """
    try:
        document = from_json(text)
    except ValueError as error:
        raise ResultError(f"{name} is not JSON: {error}") from None
    if not isinstance(document, dict) or document.get("schema") != schema:
        raise ResultError(f"{name} {what}")
    found = str(document.pop("schema_version", "none"))[:_VERSION]
    major = found.partition(".")[0]
    if not (major.isdecimal() and 1 <= int(major) <= int(version.partition(".")[0])):
        raise ResultError(f"{name} has schema version {found}, this program reads up to {version}")
    return document


def typed_metadata(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return stage 1's metadata as JSON: numbers as numbers, settings as an object.

    Parquet footers hold text only. So did schema versions 1.x of the documents.
    """
    return {
        key: _NOT_TEXT[key](value) if key in _NOT_TEXT and isinstance(value, str) else value
        for key, value in metadata.items()
    }


def record_of(kind: type, fields: Mapping[str, Any]) -> Any:
    """Return a record from its JSON, without fields that another minor version added."""
    names = kind.__dataclass_fields__  # type: ignore[attr-defined]
    return kind(**{name: fields[name] for name in names if name in fields})


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
