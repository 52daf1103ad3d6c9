"""Diarization error rate and its relatives, of turns against reference turns.

The arithmetic is pyannote.metrics' (H. Bredin, Interspeech 2017). Speakers are mapped one to one so that the
scored time they share is the longest; md-eval maps before collars and overlap are taken away, so that with
these options its confusion may be higher. Definitions, of the time that is scored:

- DER = (miss + false alarm + confusion) / reference speech, each counted once for every speaker.
- JER = mean over reference speakers of (false alarm + miss) / (union of both), 1 for one without a partner
  (N. Ryant et al., second DIHARD challenge, 2019).
- Overlap precision and recall: of the seconds in which two or more speakers talk, regardless of who.
- Speaker-count error: mean over recordings of |speakers found - speakers there|; accuracy: share of zeros.

A speaker's turns that overlap each other are joined first: nobody talks twice at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from diar.errors import DiarError
from diar.outputs.rttm import Region, Turn
from diar.score.names import match_names

if TYPE_CHECKING:
    from pyannote.core import Annotation, Timeline  # type: ignore[import-untyped]


class ScoreError(DiarError):
    """Reference and hypothesis cannot be scored."""


@dataclass(frozen=True)
class ScoreOptions:
    """What is scored.

    `collar` is in seconds on EACH side of every reference boundary, as md-eval and dscore count it;
    pyannote.metrics' own `collar` is the sum of both sides, so 0.25 here is 0.5 there.
    """

    collar: float = 0.0
    skip_overlap: bool = False  # leave out where two or more reference speakers talk
    uem: str | None = None  # where the regions came from; None: whole recordings

    def __post_init__(self) -> None:
        if not 0 <= self.collar < 10:
            raise ScoreError(f"--collar is {self.collar:g}, seconds from 0 to 10 are needed")

    def describe(self) -> str:
        """One line to stand beside every figure."""
        overlap = "overlapped speech skipped" if self.skip_overlap else "overlapped speech scored"
        region = f"UEM {self.uem}" if self.uem else "whole recordings (0 s to the last end in either)"
        return f"collar {self.collar:g} s on each side of reference boundaries · {overlap} · {region}"


@dataclass(frozen=True)
class Amounts:
    """Sums that add up over recordings, times in seconds; the rates follow from them."""

    recordings: int = 0
    scored: float = 0.0  # time that is scored, speech or not
    speech: float = 0.0  # reference speech, every speaker's
    miss: float = 0.0
    false_alarm: float = 0.0
    confusion: float = 0.0
    reference_speakers: int = 0  # within the UEM, whatever the collar
    hypothesis_speakers: int = 0
    count_error: int = 0
    exact_counts: int = 0
    jaccard_speakers: int = 0  # reference speakers with scored speech
    jaccard_error: float = 0.0  # sum over them
    reference_overlap: float = 0.0
    hypothesis_overlap: float = 0.0
    common_overlap: float = 0.0

    def __add__(self, other: Amounts) -> Amounts:
        return Amounts(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    @property
    def errors(self) -> float:
        """Seconds of miss, false alarm and confusion."""
        return self.miss + self.false_alarm + self.confusion

    @property
    def der(self) -> float | None:
        """Diarization error rate, 0 to above 1; None without reference speech."""
        return _ratio(self.errors, self.speech)

    @property
    def jer(self) -> float | None:
        """Jaccard error rate, 0 to 1; None without reference speech."""
        return _ratio(self.jaccard_error, self.jaccard_speakers)

    @property
    def mean_count_error(self) -> float | None:
        """Mean |speakers found - speakers there|."""
        return _ratio(self.count_error, self.recordings)

    @property
    def count_accuracy(self) -> float | None:
        """Share of the recordings with as many speakers as there are."""
        return _ratio(self.exact_counts, self.recordings)

    @property
    def overlap_precision(self) -> float | None:
        """Share of the overlap found that is there; None where none was found."""
        return _ratio(self.common_overlap, self.hypothesis_overlap)

    @property
    def overlap_recall(self) -> float | None:
        """Share of the overlap there that was found; None where there is none."""
        return _ratio(self.common_overlap, self.reference_overlap)


@dataclass(frozen=True)
class RecordingScore:
    """One recording: its amounts, and what a picture of them needs."""

    recording: str
    amounts: Amounts
    mapping: dict[str, str]  # hypothesis speaker to reference speaker
    regions: list[Region]  # what was scored
    reference: list[Turn]
    hypothesis: list[Turn]
    in_hypothesis: bool


@dataclass(frozen=True)
class DiarizationScore:
    """All recordings, sorted by name."""

    options: ScoreOptions
    recordings: list[RecordingScore]
    warnings: list[str]

    @property
    def pooled(self) -> Amounts:
        """The sum over recordings: a long recording weighs more."""
        return sum((score.amounts for score in self.recordings), Amounts())


def score_turns(
    reference: Mapping[str, Sequence[Turn]],
    hypothesis: Mapping[str, Sequence[Turn]],
    options: ScoreOptions = ScoreOptions(),
    uem: Mapping[str, Sequence[Region]] | None = None,
) -> DiarizationScore:
    """Score every recording of the reference (with a UEM: every one that it names).

    A recording without hypothesis counts as missed. One without reference is not scored, unless the UEM names
    it: then it has no reference speech and everything found in it is a false alarm. Without a UEM everything
    that either side says is scored, from 0 to the last end. Names need not be equal, see `match_names`.

    Raises:
        ScoreError: nothing to score; a name that fits two recordings; pyannote.metrics is not installed.
    """
    wanted = set(reference) | set(match_names(reference, uem or {}).values())
    found = {new: hypothesis[old] for old, new in match_names(wanted, hypothesis).items()}
    regions = None
    if uem is not None:
        regions = {new: uem[old] for old, new in match_names(wanted, uem).items()}
    scored = sorted(wanted if regions is None else wanted & set(regions))
    if not scored:
        raise ScoreError("nothing to score: the reference and the UEM have no recording in common")
    return DiarizationScore(
        options,
        [
            _score_recording(
                name,
                list(reference.get(name, ())),
                list(found[name]) if name in found else None,
                options,
                None if regions is None else regions[name],
            )
            for name in scored
        ],
        _warnings(reference, found, scored),
    )


def _warnings(reference: Mapping[str, object], found: Mapping[str, object], scored: list[str]) -> list[str]:
    lost = [name for name in scored if name not in found]
    extra = sorted(set(found) - set(reference) - set(scored))
    outside = sorted(set(reference) - set(scored))
    groups = (
        (lost, "without hypothesis: all of their speech counts as missed"),
        (extra, "without reference: not scored"),
        (outside, "not in the UEM: not scored"),
    )
    return [f"{len(names)} {_recordings(names)} {what} ({_some(names)})" for names, what in groups if names]


def _score_recording(
    name: str,
    reference: list[Turn],
    hypothesis: list[Turn] | None,
    options: ScoreOptions,
    uem: Sequence[Region] | None,
) -> RecordingScore:
    """Score one recording; `hypothesis` None: there is none, `uem` None: all of it."""
    metrics, core = _pyannote()
    there, found = join_own(reference), join_own(hypothesis or [])
    whole = [(0.0, max((turn.end for turn in (*there, *found)), default=0.0))]
    asked = core.Timeline([core.Segment(*region) for region in (whole if uem is None else uem)]).support()
    reference_all, hypothesis_all = (_annotation(turns).crop(asked) for turns in (there, found))
    error_rate = metrics.DiarizationErrorRate()
    region = error_rate.extrude(asked, _annotation(there), 2 * options.collar, options.skip_overlap)
    reference_cut, hypothesis_cut = reference_all.crop(region), hypothesis_all.crop(region)
    errors = error_rate(reference_cut, hypothesis_cut, uem=region, detailed=True)
    jaccard = metrics.JaccardErrorRate()(reference_cut, hypothesis_cut, uem=region, detailed=True)
    counts = len(reference_all.labels()), len(hypothesis_all.labels())
    overlaps = reference_cut.get_overlap(), hypothesis_cut.get_overlap()
    amounts = Amounts(
        recordings=1,
        scored=region.duration(),
        speech=errors["total"],
        miss=errors["missed detection"],
        false_alarm=errors["false alarm"],
        confusion=errors["confusion"],
        reference_speakers=counts[0],
        hypothesis_speakers=counts[1],
        count_error=abs(counts[1] - counts[0]),
        exact_counts=int(counts[0] == counts[1]),
        jaccard_speakers=int(jaccard["speaker count"]),
        jaccard_error=jaccard["speaker error"],
        reference_overlap=overlaps[0].duration(),
        hypothesis_overlap=overlaps[1].duration(),
        common_overlap=overlaps[0].crop(overlaps[1]).duration(),
    )
    mapping = error_rate.optimal_mapping(reference_cut, hypothesis_cut)
    regions = _regions(region)
    return RecordingScore(name, amounts, mapping, regions, there, found, hypothesis is not None)


def join_own(turns: Sequence[Turn]) -> list[Turn]:
    """Turns with those of one speaker that overlap each other joined, ascending; touching ones stay two."""
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


def _annotation(turns: Sequence[Turn]) -> Annotation:
    _, core = _pyannote()
    annotation = core.Annotation()
    for track, turn in enumerate(turns):
        annotation[core.Segment(turn.start, turn.end), track] = turn.speaker
    return annotation


def _regions(timeline: Timeline) -> list[Region]:
    return [(segment.start, segment.end) for segment in timeline]


def _pyannote() -> tuple[Any, Any]:
    """The modules pyannote.metrics.diarization and pyannote.core, which only this command needs."""
    try:
        import pyannote.core
        import pyannote.metrics.diarization  # type: ignore[import-untyped]
    except ImportError as error:
        raise ScoreError(f"scoring needs pyannote.metrics ({error}): pip install 'diar[score]'") from None
    return pyannote.metrics.diarization, pyannote.core


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole > 0 else None


def _recordings(names: Sequence[str]) -> str:
    return "recording" if len(names) == 1 else "recordings"


def _some(names: Sequence[str], most: int = 5) -> str:
    return ", ".join(names[:most]) + (", …" if len(names) > most else "")
