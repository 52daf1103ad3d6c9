"""Write docs/schemas/ from the schemas that workers check: `python docs/generate_stream_schemas.py`.

A test compares the files with what this makes.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import yaml

from diar.connectors.kafka.messages import schemas

FOLDER = Path(__file__).resolve().parent / "schemas"
ASYNCAPI = "asyncapi.yaml"

# Topic → what it is for, schema of its values (a file beside), schema of its headers
TOPICS = {
    "references": ("recordings by reference, to be diarized", schemas.REFERENCE, None),
    "retries": (
        "references that failed and are tried again; headers `attempts` and `due`",
        schemas.REFERENCE,
        None,
    ),
    "results": ("what each recording holds: turns, and words where asked for", schemas.RESULT, None),
    "done": ("finished references by id; compacted", schemas.DONE, None),
    "audio": ("live streams: samples", None, schemas.AUDIO),
    "events": ("what live streams tell, in order", "../live-schema.json", None),
    "state": ("where live streams go on: a line of JSON, then bytes; compacted", schemas.STATE, None),
    "dead": ("messages that failed for good, as they came", None, schemas.DEAD),
}
SENT_BY_OTHERS = ("references", "audio")


def main() -> None:
    """Write all files."""
    FOLDER.mkdir(exist_ok=True)
    for name, text in files().items():
        (FOLDER / name).write_text(text, encoding="utf-8")


def files() -> dict[str, str]:
    """Return the content of each file, by name."""
    made = {file_name(name): json.dumps(schema, indent=2) + "\n" for name, schema in schemas.SCHEMAS.items()}
    return {**made, ASYNCAPI: yaml.safe_dump(asyncapi(), sort_keys=False, width=110, allow_unicode=True)}


def file_name(schema: str) -> str:
    """Return the file of a schema such as `diar.reference/1`."""
    return f"{schema.replace('diar.', 'stream-').replace('/', '-')}.json"


def asyncapi() -> dict[str, Any]:
    """Return the AsyncAPI document, from a worker's point of view."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "diar stream",
            "version": "1.0.0",
            "description": "Topics of `diar stream work`; the prefix is its `--topics`. See docs/streams.md",
        },
        "defaultContentType": "application/json",
        "channels": {kind: _channel(kind, *TOPICS[kind]) for kind in TOPICS},
        "operations": {
            f"{_action(kind)}_{kind}": {"action": _action(kind), "channel": {"$ref": f"#/channels/{kind}"}}
            for kind in TOPICS
        },
    }


def _action(kind: str) -> str:
    return "receive" if kind in SENT_BY_OTHERS else "send"


def _channel(kind: str, purpose: str, value: str | None, headers: str | None) -> dict[str, Any]:
    message: dict[str, Any] = {"name": kind}
    key = "id of the stream" if kind in ("audio", "events", "state") else "id of the recording"
    if value is None:
        message["contentType"] = "application/octet-stream"
    else:
        message["payload"] = {"$ref": value if value.endswith(".json") else file_name(value)}
    if headers is not None:
        message["headers"] = {"$ref": file_name(headers)}
    message["bindings"] = {"kafka": {"key": {"type": "string", "description": key}}}
    return {
        "address": f"{{prefix}}.{kind}",
        "description": purpose,
        "parameters": {"prefix": {"default": "diar"}},
        "messages": {kind: message},
    }


if __name__ == "__main__":
    main()
