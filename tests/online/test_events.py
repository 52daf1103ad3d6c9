"""Events as JSON, and the schema that describes them."""

import dataclasses
import json
import types
import typing
from pathlib import Path
from typing import Any

import pytest

from diar.online import events
from diar.online.events import EVENTS, SCHEMA_VERSION, Event, FinalTurn, LiveTurn, LiveWord
from diar.online.stream import Stream

SCHEMA = Path(__file__).resolve().parents[2] / "docs" / "live-schema.json"


def schema_of(kind: Any) -> dict[str, Any]:
    simple = {float: "number", int: "integer", bool: "boolean", str: "string"}
    if kind in simple:
        return {"type": simple[kind]}
    if typing.get_origin(kind) is types.UnionType:
        some, none = typing.get_args(kind)
        assert none is type(None)
        return {"type": [simple[some], "null"]}
    if typing.get_origin(kind) is tuple:
        return {"type": "array", "items": schema_of(typing.get_args(kind)[0])}
    if typing.get_origin(kind) is dict:
        return {"type": "object", "additionalProperties": schema_of(typing.get_args(kind)[1])}
    return {"$ref": f"#/$defs/{kind.__name__}"}


def object_of(kind: Any, more: dict[str, Any]) -> dict[str, Any]:
    hints = typing.get_type_hints(kind)
    properties = more | {field.name: schema_of(hints[field.name]) for field in dataclasses.fields(kind)}
    if "schema_version" in properties:
        properties["schema_version"] = {"type": "string", "pattern": "^1\\.[0-9]+$"}
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def test_the_schema_is_that_of_the_events() -> None:
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    assert schema["title"] == f"diar.live {SCHEMA_VERSION}"
    assert schema["oneOf"] == [object_of(kind, {"type": {"const": kind.type}}) for kind in EVENTS]
    assert schema["$defs"] == {kind.__name__: object_of(kind, {}) for kind in (LiveTurn, LiveWord, FinalTurn)}


def test_what_a_stream_tells_fits_the_schema(told: tuple[Stream, list[Event]]) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    validator = jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8")))
    for event in told[1]:
        line = event.to_json()
        assert "\n" not in line
        validator.validate(json.loads(line))


def test_every_event_is_described() -> None:
    page = SCHEMA.with_name("live.md").read_text(encoding="utf-8")
    for kind in EVENTS:
        assert f"`{kind.type}`" in page
        assert kind.__name__ in vars(events)
