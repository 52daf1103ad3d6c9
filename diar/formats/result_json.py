"""The result of `task=files`: its records and their JSON (docs/result-schema.md)."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from diar.formats.document import ResultError, parse_document, read_document, typed_metadata
from diar.wording import counted

RESULT_NAME = "speaker_boundary_detection_result.json"
SCHEMA = "diar.speaker_boundaries"
SCHEMA_VERSION = "2.0"
LOW_CONFIDENCE = 0.8


@dataclass(frozen=True)
class Boundary:
    """The cut between two segments of one sequence; `index` is the position of its right-hand file."""

    index: int
    before: str  # recording id of the last file of the left segment
    after: str  # recording id of the first file of the right segment
    expected: int | None  # position that segment_size predicts; None in automatic mode
    score: float  # between-sides scatter n1·n2/(n1+n2)·‖m1 - m2‖², unit vectors
    confidence: float  # probability that the cut is exactly here
    method: str  # that placed it: "cosine", "gmm" or "changepoint"
    fallback: str | None = None  # why `method` is not the one asked for, or why there is no separation


@dataclass(frozen=True)
class Segment:
    """Consecutive files of one speaker; positions `start` (inclusive) to `end` (exclusive)."""

    id: int
    speaker: str
    sequence: str  # folder with --sequence_by folder, else ""
    start: int
    end: int
    first: str
    last: str
    count: int  # files used
    cohesion: float  # mean cosine of a file to the rest of its segment


@dataclass(frozen=True)
class Speaker:
    """One speaker of the archive, numbered by first appearance."""

    id: str
    segments: list[int]
    count: int  # files used


@dataclass(frozen=True)
class OddFile:
    """A file that fits its segment badly."""

    index: int
    path: str
    segment: int
    speaker: str  # of the segment it lies in
    kind: str  # "foreign": another voice; "unclear": like other odd files of the archive (silence, noise, …)
    score: float  # probability that it does not belong, 0 to 1
    similarity: float  # cosine to the rest of its segment
    resembles: str | None  # another speaker of the archive whom it resembles
    resembles_similarity: float | None


@dataclass(frozen=True)
class NotUsed:
    """A recording without an embedding."""

    path: str
    status: str
    error: str


@dataclass(frozen=True)
class NoSpeech:
    """A recording in which stage 1 heard nobody: it belongs to no segment and no speaker."""

    index: int
    path: str
    reason: str


@dataclass(frozen=True)
class DetectionResult:
    """All that stage 2 found; positions count the files in the order of `files.csv`, from 0."""

    program: str
    input: str
    embeddings_dir: str
    parameters: dict[str, Any]
    model: dict[str, Any]  # stage 1's metadata
    recordings: int
    segments: list[Segment]
    boundaries: list[Boundary]
    speakers: list[Speaker]
    odd_files: list[OddFile]
    not_used: list[NotUsed]
    thresholds: dict[str, float] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    no_speech: list[NoSpeech] = field(default_factory=list)

    def counts(self) -> dict[str, int]:
        """Return the figures of the summary."""
        return {
            "recordings": self.recordings,
            "not_used": len(self.not_used),
            "no_speech": len(self.no_speech),
            "segments": len(self.segments),
            "boundaries": len(self.boundaries),
            "low_confidence_boundaries": sum(b.confidence < LOW_CONFIDENCE for b in self.boundaries),
            "fallbacks": sum(b.fallback is not None for b in self.boundaries),
            "speakers": len(self.speakers),
            "odd_files": sum(o.kind == "foreign" for o in self.odd_files),
            "unclear_files": sum(o.kind == "unclear" for o in self.odd_files),
        }

    def summary(self) -> str:
        """Return the result in a few lines."""
        counts = self.counts()
        sizes = sorted(segment.count for segment in self.segments)
        lines = [
            f"{counted(counts['recordings'], 'recording')}, {counts['not_used']:,} without embedding, "
            f"{counts['no_speech']:,} without speech",
            f"{counted(counts['segments'], 'segment')} of {_range(sizes)}, "
            f"{counted(counts['speakers'], 'speaker')}",
            f"{counted(counts['boundaries'], 'boundary')}, {counts['low_confidence_boundaries']:,} of them "
            f"with confidence below {LOW_CONFIDENCE}",
            f"{counted(counts['odd_files'], 'file')} of another voice, "
            f"{counted(counts['unclear_files'], 'unclear file')}",
        ]
        return "\n".join([*lines, *(f"warning: {warning}" for warning in self.warnings)])


def _range(sizes: list[int]) -> str:
    """Return ascending numbers of files in words."""
    if sizes[0] == sizes[-1]:
        return counted(sizes[0], "file")
    middle = f"{median(sizes):,.1f}".removesuffix(".0")
    return f"{sizes[0]:,} to {sizes[-1]:,} files (median {middle})"


def to_json(result: DetectionResult) -> str:
    """Format the JSON that docs/result-schema.md describes."""
    fields = asdict(result)
    document = {"schema": SCHEMA, "schema_version": SCHEMA_VERSION, "summary": result.counts(), **fields}
    return json.dumps(document, ensure_ascii=False, indent=1, allow_nan=False) + "\n"


def from_json(text: str, name: str) -> DetectionResult:
    """Parse a result; `name` is what errors call it.

    Raises:
        ResultError: not JSON, not such a result, or of a later major schema version.
    """
    what = f"is no boundary result (its 'schema' is not {SCHEMA!r}); give a {RESULT_NAME}"
    document = parse_document(text, name, SCHEMA, SCHEMA_VERSION, what)
    records: dict[str, Any] = {
        "segments": Segment,
        "boundaries": Boundary,
        "speakers": Speaker,
        "odd_files": OddFile,
        "not_used": NotUsed,
        "no_speech": NoSpeech,
    }
    document.setdefault("no_speech", [])  # version 1.0
    known: dict[str, Any] = {key: document.get(key) for key in DetectionResult.__dataclass_fields__}
    try:
        known.update({key: [record(**item) for item in document[key]] for key, record in records.items()})
        known["model"] = typed_metadata(document["model"])
        return DetectionResult(**known)
    except (TypeError, KeyError) as error:
        raise ResultError(f"{name} does not follow schema {SCHEMA} {SCHEMA_VERSION}: {error}") from None


def read_result(path: Path) -> DetectionResult:
    """Read a result file.

    Raises:
        ResultError: the file is missing, unreadable or no such result.
    """
    return read_document(path, from_json)
