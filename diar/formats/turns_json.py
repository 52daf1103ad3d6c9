"""The turns of one recording: records and their JSON (docs/turns-schema.md)."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from diar.formats.document import ResultError, parse_document, read_document, record_of, typed_metadata
from diar.formats.speech_time import SpeechAmounts
from diar.records import MIXED, SpeakerTurns, Turn

TURNS_NAME = "turns.json"
SCHEMA = "diar.turns"
SCHEMA_VERSION = "2.2"
_DECIMALS = 3  # of a second, as in RTTM
_LISTS = ("turns", "exclusive")

Times = Literal["part", "file"]


@dataclass(frozen=True)
class SpeakerInRecording:
    """One speaker of the recording, under the name of the person across the archive."""

    name: str
    local: str  # label within the recording, before linking
    speech_seconds: float
    overlap_seconds: float  # of them, while others speak too
    turns: int
    similarity: float | None  # cosine to the person's voice in other recordings; None where there are none
    confidence: float | None  # probability that it is the same person's
    channel: int | None = None  # where it is heard, if channels are read apart


@dataclass(frozen=True)
class Clustering:
    """How speakers were clustered."""

    method: str  # that was used
    requested: str  # that was asked for
    num_speakers: int | None  # asked for; None = found in the data
    fallback: str | None = None  # why `method` is not the one asked for, or was constrained
    num_speakers_from: str | None = None  # who asked: `--num_speakers` or `manifest`


@dataclass(frozen=True)
class EstimatedQuality:
    """How wrong the turns may be, told without a reference (docs/turns-schema.md)."""

    estimated_der: float  # share of speech
    misheard: float
    unsure: float
    unstable: float
    noisy: float = 0.0  # since 2.2


@dataclass(frozen=True)
class RecordingTurns:
    """All that stage 2 found in one recording; times in seconds from where `times` says."""

    program: str
    recording_id: str
    path: str  # URL of the audio
    duration: float
    speech_seconds: float
    overlap_seconds: float
    speakers: list[SpeakerInRecording]
    turns: Sequence[Turn]  # those of different speakers may overlap
    exclusive: Sequence[Turn] | None  # turns without overlap, if asked for
    clustering: Clustering
    parameters: dict[str, Any]
    thresholds: dict[str, float]
    model: dict[str, Any]  # stage 1's metadata
    warnings: list[str] = field(default_factory=list)
    label: str | None = None  # speaker by the manifest
    times: Times = "part"  # turns and gaps count from the start of the recording ("part") or of its file
    offset: float = 0.0  # seconds of the file before the recording starts
    audio_start: float = 0.0  # where the audio begins on the file's own clock
    audio_track: int = 0  # that was read, from 0 …
    audio_tracks: int = 1  # … of so many
    channel: str = ""  # what was read: `mix`, the number of a channel, or `each`
    channels: list[int] = field(default_factory=list)  # that are read apart; empty where it is one signal
    gaps: list[tuple[float, float]] = field(default_factory=list)  # damaged or missing
    quality: EstimatedQuality | None = None  # None where nobody speaks


def on_file_clock(result: RecordingTurns) -> RecordingTurns:
    """Return `result` with turns and gaps counted from the file's start."""
    if result.times == "file":
        return result

    exclusive = result.exclusive
    return replace(
        result,
        times="file",
        turns=SpeakerTurns.of(result.turns).shifted(result.offset),
        exclusive=None if exclusive is None else SpeakerTurns.of(exclusive).shifted(result.offset),
        gaps=[(start + result.offset, end + result.offset) for start, end in result.gaps],
    )


def describe_speakers(
    turns: Sequence[Turn],
    amounts: SpeechAmounts,
    *,
    local: Mapping[str, str],
    similarity: Mapping[str, float],
    confidence: Mapping[str, float],
    channel: Mapping[str, int] | None = None,
) -> list[SpeakerInRecording]:
    """Describe the speakers of `turns`, by first turn; the keys of the mappings are names of people.

    Args:
        turns: of one recording.
        amounts: what `speech_time.measure(turns)` returned.
        local: label within the recording; where it is missing, the name itself.
        similarity: cosine to the person's voice in other recordings, where there are any.
        confidence: probability that it is the same person's, where there are any.
        channel: where each is heard; MIXED, or None, where the recording is one signal.
    """
    counts = Counter(turn.speaker for turn in turns)
    return [
        SpeakerInRecording(
            name=name,
            local=local.get(name, name),
            speech_seconds=round(speech, _DECIMALS),
            overlap_seconds=round(amounts.overlap_of_speaker[name], _DECIMALS),
            turns=counts[name],
            similarity=similarity.get(name),
            confidence=confidence.get(name),
            channel=_of_channel((channel or {}).get(name, MIXED)),
        )
        for name, speech in amounts.of_speaker.items()
    ]


def _of_channel(number: int) -> int | None:
    return None if number == MIXED else number


def to_json(result: RecordingTurns) -> str:
    """Format the JSON that docs/turns-schema.md describes: one line a turn, in milliseconds.

    Turns that round to nothing are left out, as in the RTTM.
    """
    fields = {
        name: getattr(result, name) for name in RecordingTurns.__dataclass_fields__ if name not in _LISTS
    }
    fields["speakers"] = [asdict(speaker) for speaker in result.speakers]
    fields["clustering"] = asdict(result.clustering)
    fields["gaps"] = [
        {"start": round(start, _DECIMALS), "end": round(end, _DECIMALS)} for start, end in result.gaps
    ]
    fields["quality"] = None if result.quality is None else asdict(result.quality)
    document = {"schema": SCHEMA, "schema_version": SCHEMA_VERSION, **fields}
    text = json.dumps(document, ensure_ascii=False, indent=1, allow_nan=False)
    lists = [f' "turns": {_turn_lines(result.turns)}']
    lists.append(f' "exclusive": {"null" if result.exclusive is None else _turn_lines(result.exclusive)}')
    return ",\n".join([text.removesuffix("\n}"), *lists]) + "\n}\n"


def from_json(text: str, name: str) -> RecordingTurns:
    """Parse a recording's turns; `name` is what errors call it.

    Raises:
        ResultError: not JSON, not such a result, or of a later major schema version.
    """
    what = f"holds no turns of a recording (its 'schema' is not {SCHEMA!r}); give a {TURNS_NAME}"
    document = parse_document(text, name, SCHEMA, SCHEMA_VERSION, what)
    try:
        known = {key: document[key] for key in RecordingTurns.__dataclass_fields__ if key in document}
        known["model"] = typed_metadata(known["model"])
        known["speakers"] = [record_of(SpeakerInRecording, speaker) for speaker in known["speakers"]]
        known["clustering"] = record_of(Clustering, known["clustering"])
        if known.get("quality") is not None:
            known["quality"] = record_of(EstimatedQuality, known["quality"])
        known["gaps"] = [(gap["start"], gap["end"]) for gap in known.get("gaps", ())]
        for key in _LISTS:
            if known[key] is not None:
                known[key] = SpeakerTurns(Turn(known["recording_id"], **turn) for turn in known[key])
        return RecordingTurns(**known)
    except (TypeError, KeyError) as error:
        raise ResultError(f"{name} does not follow schema {SCHEMA} {SCHEMA_VERSION}: {error}") from None


def read_recording_turns(path: Path) -> RecordingTurns:
    """Read a `turns.json`.

    Raises:
        ResultError: the file is missing, unreadable or no such result.
    """
    return read_document(path, from_json)


def _turn_lines(turns: Iterable[Turn]) -> str:
    lines = []
    for turn in turns:
        start, end = round(turn.start, _DECIMALS), round(turn.end, _DECIMALS)
        if end > start:
            record = {"start": start, "end": end, "speaker": turn.speaker}
            if turn.channel != MIXED:
                record["channel"] = turn.channel
            lines.append("  " + json.dumps(record, ensure_ascii=False, allow_nan=False))
    return "[\n" + ",\n".join(lines) + "\n ]" if lines else "[]"
