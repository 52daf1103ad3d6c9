"""Turns against reference turns: which recordings are compared, what is scored, and the sums."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from diar.formats.matching import match_names
from diar.formats.rttm import Region
from diar.records import Turn
from diar.score.amounts import Amounts
from diar.score.recording import RecordingScore, ScoreError, score_recording
from diar.wording import counted


@dataclass(frozen=True)
class ScoreOptions:
    """What is scored.

    `collar` is in seconds on EACH side of every reference boundary, as md-eval and dscore count it. In
    pyannote.metrics `collar` is the sum of both sides: 0.25 here is 0.5 there.
    """

    collar: float = 0.0
    skip_overlap: bool = False  # leave out where two or more reference speakers talk
    uem: str | None = None  # where the regions came from; None: whole recordings

    def __post_init__(self) -> None:
        if not 0 <= self.collar < 10:
            raise ScoreError(f"`collar` is {self.collar:g}, seconds from 0 to 10 are needed")

    def describe(self) -> str:
        """Return one line that says what the figures are about."""
        overlap = "overlapped speech skipped" if self.skip_overlap else "overlapped speech scored"
        region = f"UEM {self.uem}" if self.uem else "whole recordings (0 s to the last end in either)"
        return f"collar {self.collar:g} s on each side of reference boundaries · {overlap} · {region}"


@dataclass(frozen=True)
class DiarizationScore:
    """The scores of all recordings, sorted by name."""

    options: ScoreOptions
    recordings: list[RecordingScore]
    warnings: list[str]

    @property
    def pooled(self) -> Amounts:
        """Return the sum over recordings, in which a long recording weighs more."""
        return sum((score.amounts for score in self.recordings), Amounts())


def score_turns(
    reference: Mapping[str, Sequence[Turn]],
    hypothesis: Mapping[str, Sequence[Turn]],
    options: ScoreOptions = ScoreOptions(),
    uem: Mapping[str, Sequence[Region]] | None = None,
) -> DiarizationScore:
    """Score every recording of the reference (with a UEM: of those that it names).

    A recording without hypothesis counts as missed. One without reference is not scored, unless the UEM names
    it: then everything found in it is a false alarm. Without a UEM, a recording is scored from 0 to the last
    end in either side. Names need not be equal, see `match_names`.

    Raises:
        ScoreError: nothing to score; a name that fits two recordings; pyannote.metrics is not installed.
    """
    wanted = set(reference) | set(match_names(reference, uem or {}).values())
    found = {new: hypothesis[old] for old, new in match_names(wanted, hypothesis).items()}
    regions = None
    if uem is not None:
        regions = {new: uem[old] for old, new in match_names(wanted, uem).items()}
    known = set(reference) | (wanted & set(found))  # of a UEM for a larger set, only these
    scored = sorted(known if regions is None else known & set(regions))
    if not scored:
        raise ScoreError("nothing to score: the reference and the UEM have no recording in common")
    return DiarizationScore(
        options,
        [
            score_recording(
                name,
                reference.get(name, ()),
                found.get(name),
                options.collar,
                options.skip_overlap,
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
    return [f"{counted(len(names), 'recording')} {what} ({some(names)})" for names, what in groups if names]


def some(names: Sequence[str], most: int = 5) -> str:
    """Return the first names, and … where there are more."""
    return ", ".join(names[:most]) + (", …" if len(names) > most else "")
