"""One recording's turns against its reference.

The arithmetic is that of pyannote.metrics (H. Bredin, Interspeech 2017). Speakers are mapped one to one, so
that the scored time they share is the longest. md-eval maps them before it leaves out collars and overlap;
its confusion may therefore be higher with these options. Turns of one speaker that overlap each other are
joined first. pyannote's run time grows with the square of the number of turns; a recording is therefore
measured in pieces of a few minutes, whose amounts add up.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.optimize import linear_sum_assignment

from diar.errors import DiarError
from diar.extras import require
from diar.formats.rttm import Region
from diar.records import Turn
from diar.score.amounts import Amounts

if TYPE_CHECKING:
    from pyannote.core import Annotation, Timeline

_PIECE_SECONDS = 300.0


class ScoreError(DiarError):
    """Reference and hypothesis cannot be scored."""


@dataclass(frozen=True)
class RecordingScore:
    """The score of one recording, and what its picture needs."""

    recording: str
    amounts: Amounts
    mapping: dict[str, str]  # hypothesis speaker to reference speaker
    regions: list[Region]  # what was scored
    reference: list[Turn]
    hypothesis: list[Turn]
    in_hypothesis: bool


@dataclass(frozen=True)
class _Piece:
    """A part of a recording; both sides hold only what is scored of it."""

    reference: Annotation
    hypothesis: Annotation
    region: Timeline
    speakers: tuple[set[str], set[str]]  # of both sides within the UEM, with collars and overlap


def score_recording(
    name: str,
    reference: Sequence[Turn],
    hypothesis: Sequence[Turn] | None,
    collar: float = 0.0,
    skip_overlap: bool = False,
    uem: Sequence[Region] | None = None,
) -> RecordingScore:
    """Score one recording.

    Args:
        name: of the recording.
        reference: true turns.
        hypothesis: found turns; None: there is no hypothesis, and all speech is missed.
        collar: seconds that are not scored on each side of a reference boundary.
        skip_overlap: leave out where reference speakers overlap.
        uem: what to score; None: from 0 to the last end in either.

    Raises:
        ScoreError: pyannote.metrics is not installed.
    """
    there, found = join_own(reference), join_own(hypothesis or [])
    whole = [(0.0, max((turn.end for turn in (*there, *found)), default=0.0))]
    pieces = list(_pieces(there, found, whole if uem is None else uem, collar, skip_overlap))
    seconds, shared = _speaker_seconds(pieces)
    mapping = _map_speakers(shared)
    speakers = [set().union(*(piece.speakers[side] for piece in pieces)) for side in (0, 1)]
    counts = len(speakers[0]), len(speakers[1])
    amounts = sum((_measure(piece, mapping) for piece in pieces), Amounts()) + Amounts(
        recordings=1,
        reference_speakers=counts[0],
        hypothesis_speakers=counts[1],
        count_error=abs(counts[1] - counts[0]),
        exact_counts=int(counts[0] == counts[1]),
        jaccard_speakers=sum(side == "reference" for side, _ in seconds),
        jaccard_error=_jaccard_errors(seconds, shared, mapping),
    )
    regions = [(segment.start, segment.end) for piece in pieces for segment in piece.region]
    return RecordingScore(name, amounts, mapping, regions, there, found, hypothesis is not None)


def join_own(turns: Sequence[Turn]) -> list[Turn]:
    """Join turns of one speaker that overlap each other, not those that touch; return all turns ascending."""
    joined: list[Turn] = []
    last: dict[str, int] = {}
    for turn in sorted(turns):
        i = last.get(turn.speaker)
        if i is not None and turn.start < joined[i].end:
            before = joined[i]
            joined[i] = Turn(before.recording, before.start, max(before.end, turn.end), before.speaker)
        else:
            last[turn.speaker] = len(joined)
            joined.append(turn)
    return joined


def _pieces(
    reference: Sequence[Turn],
    hypothesis: Sequence[Turn],
    uem: Sequence[Region],
    collar: float,
    skip_overlap: bool,
) -> Iterator[_Piece]:
    """Cut the UEM into pieces; collars also come from reference turns close to a piece."""
    metrics, core = _pyannote()
    asked = core.Timeline([core.Segment(*region) for region in uem]).support()
    for region in asked:
        edges = [*np.arange(region.start, region.end, _PIECE_SECONDS).tolist(), region.end]
        for start, end in pairwise(edges):
            part = core.Timeline([core.Segment(start, end)])
            there = _annotation(_near(reference, start - collar, end + collar))
            found = _annotation(_near(hypothesis, start, end))
            scored = metrics.DiarizationErrorRate().extrude(part, there, 2 * collar, skip_overlap)
            speakers = set(there.crop(part).labels()), set(found.crop(part).labels())
            yield _Piece(there.crop(scored), found.crop(scored), scored, speakers)


def _near(turns: Sequence[Turn], start: float, end: float) -> list[Turn]:
    return [turn for turn in turns if turn.end >= start and turn.start <= end]


def _annotation(turns: Sequence[Turn]) -> Annotation:
    _, core = _pyannote()
    annotation = core.Annotation()
    for track, turn in enumerate(turns):
        annotation[core.Segment(turn.start, turn.end), track] = turn.speaker
    return annotation


def _speaker_seconds(
    pieces: Sequence[_Piece],
) -> tuple[dict[tuple[str, str], float], dict[tuple[str, str], float]]:
    """Return scored seconds by (side, speaker), and shared ones by (hypothesis, reference) speakers."""
    seconds: dict[tuple[str, str], float] = defaultdict(float)
    shared: dict[tuple[str, str], float] = defaultdict(float)
    for piece in pieces:
        for side, annotation in (("reference", piece.reference), ("hypothesis", piece.hypothesis)):
            for speaker, duration in annotation.chart():
                seconds[side, speaker] += duration
        together = piece.hypothesis * piece.reference
        for i, found in enumerate(piece.hypothesis.labels()):
            for j, there in enumerate(piece.reference.labels()):
                shared[found, there] += float(together[i, j])
    return seconds, shared


def _map_speakers(shared: dict[tuple[str, str], float]) -> dict[str, str]:
    """Map hypothesis to reference speakers one to one, so that they share the most seconds."""
    found = sorted({pair[0] for pair in shared})
    there = sorted({pair[1] for pair in shared})
    together = np.array([[shared[a, b] for b in there] for a in found]).reshape(len(found), len(there))
    pairs = zip(*linear_sum_assignment(-together), strict=True)
    return {found[i]: there[j] for i, j in pairs if together[i, j] > 0}


def _measure(piece: _Piece, mapping: dict[str, str]) -> Amounts:
    """Measure one piece with the mapping of the recording."""
    from pyannote.metrics.identification import IdentificationErrorRate

    there = piece.reference.rename_labels(
        {speaker: ("there", speaker) for speaker in piece.reference.labels()}
    )
    found = piece.hypothesis.rename_labels(
        {
            speaker: ("there", mapping[speaker]) if speaker in mapping else ("found", speaker)
            for speaker in piece.hypothesis.labels()
        }
    )
    errors = IdentificationErrorRate()(there, found, uem=piece.region, detailed=True)
    overlaps = piece.reference.get_overlap(), piece.hypothesis.get_overlap()
    return Amounts(
        scored=piece.region.duration(),
        speech=errors["total"],
        miss=errors["missed detection"],
        false_alarm=errors["false alarm"],
        confusion=errors["confusion"],
        reference_overlap=overlaps[0].duration(),
        hypothesis_overlap=overlaps[1].duration(),
        common_overlap=overlaps[0].crop(overlaps[1]).duration(),
    )


def _jaccard_errors(
    seconds: dict[tuple[str, str], float], shared: dict[tuple[str, str], float], mapping: dict[str, str]
) -> float:
    """Return the sum over reference speakers of 1 - intersection / union with the partner."""
    error = float(sum(side == "reference" for side, _ in seconds))
    for found, there in mapping.items():
        common = shared[found, there]
        error -= common / (seconds["reference", there] + seconds["hypothesis", found] - common)
    return error


def _pyannote() -> tuple[Any, Any]:
    """Return the modules pyannote.metrics.diarization and pyannote.core, an optional dependency."""
    metrics, core = (
        require(f"pyannote.{module}", "score", "scoring", ScoreError)
        for module in ("metrics.diarization", "core")
    )
    return metrics, core
