"""Stretches of time: who speaks when, where voices overlap, and for how long.

Stretches are (n, 2) float64, start and end in seconds, ascending, disjoint and not touching.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from diar.formats.rttm import Turn


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
        of_speaker={speaker: seconds(stretches) for speaker, stretches in own.items()},
        overlap_of_speaker={speaker: common_seconds(s, overlapped) for speaker, s in own.items()},
    )


def by_speaker(turns: Iterable[Turn]) -> dict[str, np.ndarray]:
    """Stretches of each speaker, by first turn; own turns that overlap or touch become one."""
    spans: dict[str, list[tuple[float, float]]] = {}
    for turn in sorted(turns, key=lambda turn: turn.start):
        if turn.end > turn.start:
            spans.setdefault(turn.speaker, []).append((turn.start, turn.end))
    return {speaker: at_least(1, [np.array(own)]) for speaker, own in spans.items()}


def at_least(voices: int, speakers: Iterable[np.ndarray]) -> np.ndarray:
    """Where at least `voices` of the spans given, (n_i, 2) each, are open at once."""
    spans = [span for span in speakers if len(span)]
    if not spans:
        return np.empty((0, 2))
    bounds = np.concatenate(spans)
    times, which = np.unique(bounds, return_inverse=True)
    starts, ends = (np.bincount(side, minlength=len(times)) for side in which.reshape(bounds.shape).T)
    return _runs(np.cumsum(starts - ends) >= voices, times)


def without(stretches: np.ndarray, others: np.ndarray) -> np.ndarray:
    """The parts of `stretches` that lie outside of `others`."""
    times = np.unique(np.concatenate([stretches.ravel(), others.ravel()]))
    return _runs(_inside(stretches, times) & ~_inside(others, times), times)


def running_seconds(stretches: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Seconds inside of `stretches` before each of `times`; same shape as `times`."""
    if not len(stretches):
        return np.zeros(np.shape(times))
    until = np.cumsum(stretches[:, 1] - stretches[:, 0])
    before = until - (stretches[:, 1] - stretches[:, 0])
    return np.interp(times, stretches.ravel(), np.column_stack([before, until]).ravel())


def seconds(stretches: np.ndarray) -> float:
    """Their length altogether."""
    return float((stretches[:, 1] - stretches[:, 0]).sum())


def common_seconds(first: np.ndarray, second: np.ndarray) -> float:
    """How long both are open."""
    return float(np.diff(running_seconds(second, first), axis=1).sum())


def _inside(stretches: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Whether what follows each of `times` is inside."""
    return np.searchsorted(stretches.ravel(), times, side="right") % 2 == 1


def _runs(open_after: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Stretches from (n,) ascending times and whether each opens an interval that counts."""
    edges = np.flatnonzero(np.diff(open_after, prepend=False, append=False))
    return times[edges].reshape(-1, 2).astype(np.float64)
