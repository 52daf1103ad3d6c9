"""Seconds of speech and overlap in a recording, in total and of each speaker."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from diar.intervals import at_least, common_seconds, seconds
from diar.records import SpeakerTurns, Turn


@dataclass(frozen=True)
class SpeechAmounts:
    """Speech in a recording, in seconds."""

    speech: float  # at least one speaker
    overlap: float  # two or more
    of_speaker: dict[str, float]  # by first turn
    overlap_of_speaker: dict[str, float]


def measure(turns: Iterable[Turn]) -> SpeechAmounts:
    """Measure speech and overlap in one recording, in total and of each speaker."""
    turns = SpeakerTurns.of(turns)
    own = turns.intervals
    return SpeechAmounts(
        speech=seconds(at_least(1, own.values())),
        overlap=seconds(turns.overlap),
        of_speaker={speaker: seconds(intervals) for speaker, intervals in own.items()},
        overlap_of_speaker={speaker: common_seconds(s, turns.overlap) for speaker, s in own.items()},
    )


def by_speaker(turns: Iterable[Turn]) -> dict[str, np.ndarray]:
    """Return the intervals of each speaker, by first turn; own turns that overlap or touch become one."""
    return SpeakerTurns.of(turns).intervals
