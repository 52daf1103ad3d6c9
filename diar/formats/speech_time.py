"""How much is spoken in a recording, altogether and by each speaker."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from diar.intervals import at_least, common_seconds, seconds
from diar.records import Turn


@dataclass(frozen=True)
class SpeechAmounts:
    """How much is spoken, in seconds."""

    speech: float  # at least one speaker
    overlap: float  # two or more
    of_speaker: dict[str, float]  # by first turn
    overlap_of_speaker: dict[str, float]


def measure(turns: Sequence[Turn]) -> SpeechAmounts:
    """Seconds of speech and of overlap in one recording, altogether and of each speaker."""
    own = by_speaker(turns)
    overlapped = at_least(2, own.values())
    return SpeechAmounts(
        speech=seconds(at_least(1, own.values())),
        overlap=seconds(overlapped),
        of_speaker={speaker: seconds(intervals) for speaker, intervals in own.items()},
        overlap_of_speaker={speaker: common_seconds(s, overlapped) for speaker, s in own.items()},
    )


def by_speaker(turns: Iterable[Turn]) -> dict[str, np.ndarray]:
    """Return the intervals of each speaker, by first turn; own turns that overlap or touch become one."""
    spans: dict[str, list[tuple[float, float]]] = {}
    for turn in sorted(turns, key=lambda turn: turn.start):
        if turn.end > turn.start:
            spans.setdefault(turn.speaker, []).append((turn.start, turn.end))
    return {speaker: at_least(1, [np.array(own)]) for speaker, own in spans.items()}
