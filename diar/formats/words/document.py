"""The words of one recording: the record and its JSON (docs/words-schema.md)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from diar.formats.document import ResultError, parse_document, read_document, record_of
from diar.records import MIXED, Word

WORDS_NAME = "words.json"
SCHEMA = "diar.words"
SCHEMA_VERSION = "1.0"
_DECIMALS = 3  # of a second


@dataclass(frozen=True)
class Recogniser:
    """Who heard the words."""

    engine: str  # `faster-whisper`, `import`, …
    model: str  # its name or path; of imported words, the file
    sha256: str | None = None  # of the weights, where they are a file
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Dropped:
    """Words that were recognised and left out."""

    outside_speech: int = 0  # nobody speaks there
    repeated: int = 0  # said again and again by a recogniser in a loop


@dataclass(frozen=True)
class RecordingWords:
    """The words of one recording, with speakers; times in seconds from its start."""

    program: str
    recording_id: str
    path: str  # URL of the audio
    duration: float
    language: str | None  # ISO 639-1, such as `en`; None where nobody knows
    language_probability: float | None  # None where the language was given
    recogniser: Recogniser
    words: Sequence[Word]  # ascending by start
    dropped: Dropped = Dropped()
    warnings: list[str] = field(default_factory=list)
    parameters: dict[str, Any] = field(default_factory=dict)  # every option as used

    @property
    def without_speaker(self) -> int:
        """How many words are nobody's."""
        return sum(word.speaker is None for word in self.words)

    @property
    def speakers(self) -> list[str]:
        """The speakers of the words, by first word."""
        return list(dict.fromkeys(word.speaker for word in self.words if word.speaker is not None))


def to_json(result: RecordingWords) -> str:
    """Format the JSON that docs/words-schema.md describes: one line a word, in milliseconds."""
    fields = {name: getattr(result, name) for name in RecordingWords.__dataclass_fields__ if name != "words"}
    fields["recogniser"], fields["dropped"] = asdict(result.recogniser), asdict(result.dropped)
    counts = {"speakers": result.speakers, "without_speaker": result.without_speaker}
    document = {"schema": SCHEMA, "schema_version": SCHEMA_VERSION, **fields, **counts}
    text = json.dumps(document, ensure_ascii=False, indent=1, allow_nan=False).removesuffix("\n}")
    lines = ",\n".join("  " + _line(word) for word in result.words)
    return f'{text},\n "words": ' + (f"[\n{lines}\n ]" if lines else "[]") + "\n}\n"


def _line(word: Word) -> str:
    record: dict[str, Any] = {"start": round(word.start, _DECIMALS), "end": round(word.end, _DECIMALS)}
    record |= {"text": word.text, "speaker": word.speaker}
    if word.probability is not None:
        record["probability"] = round(word.probability, _DECIMALS)
    if word.overlap:
        record["overlap"] = True
    if word.channel != MIXED:
        record["channel"] = word.channel
    return json.dumps(record, ensure_ascii=False, allow_nan=False)


def from_json(text: str, name: str) -> RecordingWords:
    """Parse a recording's words; `name` is what errors call it.

    Raises:
        ResultError: not JSON, not such a result, or of a later major schema version.
    """
    what = f"holds no words of a recording (its 'schema' is not {SCHEMA!r}); give a {WORDS_NAME}"
    document = parse_document(text, name, SCHEMA, SCHEMA_VERSION, what)
    try:
        known = {key: document[key] for key in RecordingWords.__dataclass_fields__ if key in document}
        known["recogniser"] = record_of(Recogniser, known["recogniser"])
        known["dropped"] = record_of(Dropped, known.get("dropped", {}))
        known["words"] = [record_of(Word, word) for word in known["words"]]
        return RecordingWords(**known)
    except (AttributeError, TypeError, KeyError) as error:
        raise ResultError(f"{name} does not follow schema {SCHEMA} {SCHEMA_VERSION}: {error}") from None


def read_recording_words(path: Path) -> RecordingWords:
    """Read a `words.json`.

    Raises:
        ResultError: the file is missing, unreadable or no such result.
    """
    return read_document(path, from_json)
