"""JSON Schemas of the topics' messages; docs/generate_stream_schemas.py writes them to docs/schemas/."""

from __future__ import annotations

from typing import Any

REFERENCE, RESULT, AUDIO, DEAD = "diar.reference/1", "diar.result/1", "diar.audio/1", "diar.dead/1"
DONE, STATE = "diar.done/1", "diar.state/1"
EVENT = "diar.event/1"  # the value is docs/live-schema.json

Schema = dict[str, Any]

_DRAFT = "https://json-schema.org/draft/2020-12/schema"
_COUNT = {"type": "integer", "minimum": 1, "maximum": 200}
_TEXT = {"type": "string", "minLength": 1, "maxLength": 2000}
_DIGITS = {"type": "string", "pattern": "^[0-9]{1,15}$"}

REFERENCE_SCHEMA: Schema = {
    "$schema": _DRAFT,
    "title": "A recording by reference: value of PREFIX.references; the key is `id`",
    "type": "object",
    "required": ["schema", "id", "audio"],
    "additionalProperties": False,
    "properties": {
        "schema": {"const": REFERENCE},
        "id": {
            **_TEXT,
            "description": "relative path that names the recording's outputs; key of all messages",
        },
        "audio": {**_TEXT, "description": "path or URL that the workers can read"},
        "revision": {**_TEXT, "description": "another one has the recording computed again"},
        "num_speakers": {**_COUNT, "description": "how many speak"},
        "min_speakers": _COUNT,
        "max_speakers": _COUNT,
        "preset": {"enum": ["auto", "general", "telephone"]},
        "channel": {"type": "string", "pattern": "^(auto|mix|each|[0-9]{1,3})$"},
        "track": {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,20}$"},
        "words": {"type": "boolean", "description": "what is said, too; the worker needs `--asr`"},
        "language": {"type": "string", "pattern": "^[a-z]{2,3}$"},
    },
    "dependentSchemas": {
        "num_speakers": {"not": {"anyOf": [{"required": ["min_speakers"]}, {"required": ["max_speakers"]}]}},
        "language": {"required": ["words"], "properties": {"words": {"const": True}}},
    },
}

RESULT_SCHEMA: Schema = {
    "$schema": _DRAFT,
    "title": "What a recording holds: value of PREFIX.results; the key is `id`",
    "type": "object",
    "required": ["schema", "id", "audio", "fingerprint", "tracks", "document", "versions", "seconds"],
    "properties": {
        "schema": {"const": RESULT},
        "id": _TEXT,
        "audio": _TEXT,
        "fingerprint": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
        "tracks": {**_TEXT, "description": "URL of the Parquet file with the recording's tracks"},
        "document": {**_TEXT, "description": "URL of this message's content as a file, never shortened"},
        "shortened": {
            "type": "boolean",
            "description": "too large: `turns` and `words` are in `document` only",
        },
        "turns": {"type": "object", "description": "turns.json, see docs/turns-schema.json"},
        "words": {
            "type": "object",
            "description": "words.json, see docs/words-schema.json; where the reference asks for words",
            "required": ["schema", "schema_version", "recording_id", "language", "recogniser", "words"],
            "properties": {"schema": {"const": "diar.words"}, "words": {"type": "array"}},
        },
        "people": {
            "type": "object",
            "description": "speakers of `turns` and the seconds that each talks",
            "additionalProperties": {"type": "number"},
        },
        "versions": {"type": "object", "description": "of program, networks and thresholds"},
        "seconds": {
            "type": "object",
            "required": ["audio", "computing"],
            "properties": {"audio": {"type": "number"}, "computing": {"type": "number"}},
        },
    },
}

AUDIO_SCHEMA: Schema = {
    "$schema": _DRAFT,
    "title": "Headers of a message of PREFIX.audio, as texts; the key is the stream's id, the value samples",
    "type": "object",
    "required": ["schema", "format", "rate", "channels", "sequence"],
    "properties": {
        "schema": {"const": AUDIO},
        "format": {"enum": ["pcm_s16le", "pcm_f32le"]},
        "rate": {**_DIGITS, "description": "Hz, 8000 to 48000"},
        "channels": {**_DIGITS, "description": "interleaved, 1 to 64"},
        "sequence": {**_DIGITS, "description": "number of the message in its stream, from 0"},
        "end": {"enum": ["true", "false"], "description": "the stream ends with this message"},
    },
}

DEAD_SCHEMA: Schema = {
    "$schema": _DRAFT,
    "title": "Headers of a message of PREFIX.dead, as texts; key and value are those of what failed",
    "type": "object",
    "required": ["schema", "reason", "message", "attempts", "topic", "partition", "offset", "time"],
    "properties": {
        "schema": {"const": DEAD},
        "reason": {**_TEXT, "description": "schema, forbidden, words, audio or another kind, in one word"},
        "message": {"type": "string"},
        "attempts": _DIGITS,
        "topic": _TEXT,
        "partition": _DIGITS,
        "offset": _DIGITS,
        "time": {"type": "string", "description": "seconds since the epoch"},
        "cut_from": {**_DIGITS, "description": "bytes of an original that is too large; the first are kept"},
    },
}

DONE_SCHEMA: Schema = {
    "$schema": _DRAFT,
    "title": "A finished reference: value of PREFIX.done (compacted); the key is `id`",
    "type": "object",
    "required": ["schema", "fingerprint"],
    "properties": {
        "schema": {"const": DONE},
        "fingerprint": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
    },
}

STATE_SCHEMA: Schema = {
    "$schema": _DRAFT,
    "title": "First line of a message of PREFIX.state (compacted): where a stream goes on; bytes follow",
    "type": "object",
    "required": [
        "schema",
        "offset",
        "format",
        "rate",
        "channels",
        "sequence",
        "samples",
        "made",
        "seq",
        "chunks",
        "tail",
        "bytes",
    ],
    "properties": {
        "schema": {"const": STATE},
        "offset": {"type": "integer", "description": "of the first message that is not in the state"},
        "format": {"enum": ["pcm_s16le", "pcm_f32le"]},
        "rate": {"type": "integer"},
        "channels": {"type": "integer"},
        "sequence": {"type": "integer", "description": "of the next message"},
        "samples": {"type": "integer", "description": "at the stream's own rate, so far"},
        "made": {"type": "integer", "description": "samples at 16 kHz of them"},
        "seq": {"type": "integer", "description": "of the last event"},
        "chunks": {"type": "array", "items": {"type": "integer"}},
        "tail": {"type": "integer", "description": "bytes of the last samples, which the resampler needs"},
        "bytes": {"type": "integer", "description": "of the state after them, in parts if it is large"},
    },
}

SCHEMAS: dict[str, Schema] = {
    REFERENCE: REFERENCE_SCHEMA,
    RESULT: RESULT_SCHEMA,
    AUDIO: AUDIO_SCHEMA,
    DEAD: DEAD_SCHEMA,
    DONE: DONE_SCHEMA,
    STATE: STATE_SCHEMA,
}
