"""Score of a stage 2 result against a truth: boundaries, odd files, speakers.

The truth is a CSV in archive order with the columns `path` (a recording id of the result) and `speaker`. Two
columns are optional: a new value of `block` starts a block, also where the speaker stays; `odd` is 1 for a
file of another voice inside a block, and `speaker` then names that voice. Without `block`, a boundary lies
where the speaker changes from one file to the next, odd files left out.
"""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from diar.errors import DiarError, explain
from diar.formats import spreadsheet
from diar.formats.result_json import DetectionResult, read_result
from diar.wording import counted

TOLERANCES = (0, 1, 5)


class TruthError(DiarError):
    """A truth that cannot be read or does not belong to the result."""


@dataclass(frozen=True)
class PrecisionRecall:
    """How many were found, how many are true, how many are both; the rates follow."""

    found: int
    true: int
    hits: int

    @property
    def precision(self) -> float:
        """Return the share of what was found that is true; 1 where nothing was found."""
        return self.hits / self.found if self.found else 1.0

    @property
    def recall(self) -> float:
        """Return the share of what is true that was found; 1 where there is nothing."""
        return self.hits / self.true if self.true else 1.0

    @property
    def f1(self) -> float:
        """Return the harmonic mean of precision and recall; 1 where nothing was found and nothing is true."""
        return 2 * self.hits / (self.found + self.true) if self.found + self.true else 1.0


@dataclass(frozen=True)
class BoundaryScore:
    """All figures of a result; `score_result` defines them."""

    files: int
    boundaries: dict[int, PrecisionRecall]  # by tolerance in files
    ambiguous: PrecisionRecall  # tolerance 0; where odd files lie at an edge, either side of them counts
    odd_files: PrecisionRecall | None  # None where the truth has no column `odd`
    purity: float
    coverage: float

    def to_json(self) -> str:
        """Return the figures as JSON."""
        document = {
            "files": self.files,
            "boundaries": {str(t): _figures(detection) for t, detection in self.boundaries.items()},
            "boundaries_either_side_of_odd": _figures(self.ambiguous),
            "odd_files": None if self.odd_files is None else _figures(self.odd_files),
            "purity": round(self.purity, 6),
            "coverage": round(self.coverage, 6),
        }
        return json.dumps(document, indent=1)

    def to_text(self) -> str:
        """Return the figures as a table."""
        rows = [
            *((f"boundaries, tolerance {t}", detection) for t, detection in self.boundaries.items()),
            ("boundaries, 0, odd file at the edge on either side", self.ambiguous),
        ]
        if self.odd_files is not None:
            rows.append(("odd files", self.odd_files))
        width = max(len(name) for name, _ in rows)
        lines = [f"{'':{width}}  true  found  precision  recall     F1"]
        lines += [
            f"{name:{width}}  {d.true:4}  {d.found:5}  {d.precision:9.4f}  {d.recall:6.4f}  {d.f1:.4f}"
            for name, d in rows
        ]
        lines.append(
            f"speaker purity {self.purity:.4f}, coverage {self.coverage:.4f} ({counted(self.files, 'file')})"
        )
        return "\n".join(lines)


@dataclass(frozen=True)
class Truth:
    """A truth in archive order, n files."""

    position: dict[str, int]  # by path
    speakers: list[str]
    boundaries: list[int]  # position of each block's first file, but for the first
    odd: list[bool] | None


def score_boundaries(truth: Path, result: Path) -> BoundaryScore:
    """Score a result file against a truth file.

    Raises:
        DiarError: a file cannot be read, or they do not belong together.
    """
    return score_result(read_truth(truth), read_result(result))


def read_truth(path: Path) -> Truth:
    """Read the CSV.

    Raises:
        TruthError: missing, without the needed columns, or with a path twice.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(spreadsheet.rows(file))
    except OSError as error:
        raise TruthError(explain(error)) from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise TruthError(f"{path} is no CSV file ({error}); path,speaker[,block,odd] is needed") from None
    missing = {"path", "speaker"} - set(rows[0] if rows else ())
    if missing:
        names = " and ".join(sorted(missing))
        raise TruthError(f"{path} has no column {names}; path,speaker[,block,odd] are needed")
    position = {row["path"]: i for i, row in enumerate(rows)}
    if len(position) < len(rows):
        twice = Counter(row["path"] for row in rows).most_common(1)[0][0]
        raise TruthError(f"{path} names {twice} more than once")
    odd = [_flag(path, row["odd"]) for row in rows] if "odd" in rows[0] else None
    speakers = [row["speaker"] for row in rows]
    if "block" in rows[0]:
        blocks = [row["block"] for row in rows]
        boundaries = [i for i in range(1, len(rows)) if blocks[i] != blocks[i - 1]]
    else:
        boundaries = _speaker_changes(speakers, odd or [False] * len(rows))
    return Truth(position, speakers, boundaries, odd)


def score_result(truth: Truth, result: DetectionResult) -> BoundaryScore:
    """Score boundaries, odd files and speakers.

    Boundaries are matched one to one, as many as possible within the tolerance. A found boundary is a
    segment's first file (also the first of a folder, with `sequence_by=folder`), so a block begins with the
    first of its files that the result used. Purity is the share of
    files whose speaker has the majority among those given the same number, coverage the share whose given
    number has the majority among those of the same speaker; odd files count in neither.

    Raises:
        TruthError: the result names a file that the truth does not.
    """
    starts = sorted({_position(truth, segment.first) for segment in result.segments})
    found = starts[1:]
    odd = truth.odd or [False] * len(truth.speakers)
    boundaries = _first_used(truth, result)
    tolerant = [_edge(start, odd) for start in boundaries]
    detected = {_position(truth, file.path) for file in result.odd_files if file.kind == "foreign"}
    really = {i for i, flag in enumerate(odd) if flag}
    given = _given_speakers(truth, result)
    pairs = [(given[i], truth.speakers[i]) for i in range(len(odd)) if given[i] and not odd[i]]
    return BoundaryScore(
        files=len(truth.speakers),
        boundaries={t: _detection(found, [(b - t, b + t) for b in boundaries]) for t in TOLERANCES},
        ambiguous=_detection(found, tolerant),
        odd_files=None
        if truth.odd is None
        else PrecisionRecall(len(detected), len(really), len(detected & really)),
        purity=_majority(pairs),
        coverage=_majority([(speaker, number) for number, speaker in pairs]),
    )


def match_boundaries(found: Sequence[int], allowed: Sequence[tuple[int, int]]) -> int:
    """Count pairs of a found boundary and a true one whose range [low, high] holds it: the most there can be.

    Every boundary is used once. Each found one, in ascending order, takes the open range that ends first,
    which is optimal.
    """
    hits = 0
    waiting = sorted(allowed)
    opened: list[int] = []
    for boundary in sorted(found):
        while waiting and waiting[0][0] <= boundary:
            opened.append(waiting.pop(0)[1])
        opened = sorted(high for high in opened if high >= boundary)
        if opened:
            opened.pop(0)
            hits += 1
    return hits


def _detection(found: list[int], allowed: list[tuple[int, int]]) -> PrecisionRecall:
    return PrecisionRecall(len(found), len(allowed), match_boundaries(found, allowed))


def _edge(boundary: int, odd: list[bool]) -> tuple[int, int]:
    """Return the first and last position of a boundary: odd files beside it may lie on either side."""
    low = high = boundary
    while low > 1 and odd[low - 1]:
        low -= 1
    while high < len(odd) - 1 and odd[high]:
        high += 1
    return low, high


def _speaker_changes(speakers: list[str], odd: list[bool]) -> list[int]:
    changes = []
    previous = None
    for i, speaker in enumerate(speakers):
        if odd[i]:
            continue
        if previous is not None and speaker != previous:
            changes.append(i)
        previous = speaker
    return changes


def _given_speakers(truth: Truth, result: DetectionResult) -> list[str]:
    """Return the speaker number of each file of the truth; empty for a file that was not used.

    It is that of the last segment that starts at or before the file.
    """
    given = [""] * len(truth.speakers)
    segments = sorted(result.segments, key=lambda segment: _position(truth, segment.first))
    ends = [_position(truth, segment.first) for segment in segments[1:]] + [len(given)]
    for segment, end in zip(segments, ends, strict=True):
        for i in range(_position(truth, segment.first), end):
            given[i] = segment.speaker
    for i in _unused(truth, result):
        given[i] = ""
    return given


def _unused(truth: Truth, result: DetectionResult) -> set[int]:
    """Return the positions of files that failed, or in which nobody speaks."""
    paths = [*(file.path for file in result.not_used), *(file.path for file in result.no_speech)]
    return {_position(truth, path) for path in paths}


def _first_used(truth: Truth, result: DetectionResult) -> list[int]:
    """Return the first used file of each block but the first; of one without any, that of the next."""
    unused = _unused(truth, result)
    following = list(range(len(truth.speakers) + 1))
    for i in sorted(unused, reverse=True):
        following[i] = following[i + 1]
    return [following[start] for start in truth.boundaries]


def _majority(pairs: list[tuple[str, str]]) -> float:
    """Return the share of pairs whose second value is the most common one with their first."""
    if not pairs:
        return 0.0
    groups: dict[str, Counter[str]] = {}
    for first, second in pairs:
        groups.setdefault(first, Counter())[second] += 1
    return sum(group.most_common(1)[0][1] for group in groups.values()) / len(pairs)


def _position(truth: Truth, path: str) -> int:
    if path not in truth.position:
        raise TruthError(
            f"the result names {path}, the truth does not; are its paths relative to the archive's root?"
        )
    return truth.position[path]


def _flag(path: Path, text: str) -> bool:
    if text not in ("0", "1"):
        raise TruthError(f"{path}: column odd holds {text!r}, 0 or 1 is needed")
    return text == "1"


def _figures(detection: PrecisionRecall) -> dict[str, float]:
    rates = {"precision": detection.precision, "recall": detection.recall, "f1": detection.f1}
    return {**asdict(detection), **{name: round(rate, 6) for name, rate in rates.items()}}
