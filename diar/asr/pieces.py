"""Speech in pieces that a recogniser hears at once: no longer than it can, cut in pauses.

Only speech is recognised, since recognisers invent words in silence and music. A piece holds speech of up to
half a minute; pauses of more than a second are shortened, so that it holds as much as it can: Whisper takes
as long for five seconds as for thirty.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from diar.intervals import at_least

LONGEST = 30.0  # seconds that Whisper hears at once
_MARGIN = 0.25  # seconds before and after speech, which begins and ends softly
_KEPT_PAUSE = 1.0  # seconds; longer pauses lose their middle
_SEARCHED = 8.0  # seconds before the end of a piece in which a quiet moment is looked for
_QUIET = 0.1  # seconds of a quiet moment


@dataclass(frozen=True)
class Piece:
    """Intervals of a recording that are recognised together, one after the other."""

    intervals: np.ndarray  # (k, 2) seconds of the recording, ascending
    samples: np.ndarray  # (n,) float32, those of the intervals

    def in_recording(self, times: np.ndarray) -> np.ndarray:
        """Return seconds of the recording for (n,) ascending or not, seconds of the piece."""
        lengths = self.intervals[:, 1] - self.intervals[:, 0]
        begins = np.cumsum(lengths) - lengths
        which = np.clip(np.searchsorted(begins, times, "right") - 1, 0, len(begins) - 1)
        inside = np.minimum(times - begins[which], lengths[which])
        return np.asarray(self.intervals[which, 0] + inside)


class Samples:
    """A recording's samples that are read once, forward; what was taken is forgotten.

    Args:
        blocks: (n,) float32 each, from the recording's start.
        rate: Hz.
    """

    def __init__(self, blocks: Iterable[np.ndarray], rate: int) -> None:
        self._blocks, self.rate = iter(blocks), rate
        self._kept, self._start = np.empty(0, np.float32), 0  # from this sample of the recording on

    def take(self, start: float, end: float) -> np.ndarray:
        """Return the samples between two times in seconds, as far as there are any; forget those before."""
        first, stop = round(start * self.rate), round(end * self.rate)
        parts = [self._kept]
        reached = self._start + len(self._kept)
        while reached < stop and (block := next(self._blocks, None)) is not None:
            parts.append(block)
            reached += len(block)
        kept = np.concatenate(parts) if len(parts) > 1 else self._kept
        self._kept, self._start = kept[max(first - self._start, 0) :], max(first, self._start)
        return self._kept[: max(stop - self._start, 0)]


def cut(samples: Samples, speech: np.ndarray, longest: float = LONGEST) -> Iterator[Piece]:
    """Yield the pieces of a recording, in order.

    Args:
        samples: of the recording.
        speech: (n, 2) seconds where anybody speaks; ascending, disjoint.
        longest: seconds of a piece.
    """
    intervals: list[tuple[float, float]] = []
    taken: list[np.ndarray] = []
    room = longest
    for start, end in with_margins(speech).tolist():
        while end - start > room:
            if end - start > longest:
                middle = _quietest(samples, start, start + room)
                intervals.append((start, middle))
                taken.append(samples.take(start, middle))
                start = middle
            if intervals:
                yield _piece(intervals, taken)
            intervals, taken, room = [], [], longest
        intervals.append((start, end))
        taken.append(samples.take(start, end))
        room -= end - start
    if intervals:
        yield _piece(intervals, taken)


def _piece(intervals: Sequence[tuple[float, float]], taken: Sequence[np.ndarray]) -> Piece:
    return Piece(np.array(intervals), np.concatenate(taken))


def with_margins(speech: np.ndarray) -> np.ndarray:
    """Return speech with a margin on both sides, and with the pauses up to a second."""
    if not len(speech):
        return np.empty((0, 2))
    wider = at_least(1, [np.column_stack([speech[:, 0] - _KEPT_PAUSE / 2, speech[:, 1] + _KEPT_PAUSE / 2])])
    narrow = np.column_stack([wider[:, 0], wider[:, 1]]) + (_KEPT_PAUSE / 2 - _MARGIN) * np.array([1, -1])
    return np.maximum(narrow, 0)


def _quietest(samples: Samples, start: float, end: float) -> float:
    """Return the quietest moment in the last seconds before `end`; the middle of a tenth of a second."""
    heard = samples.take(start, end)
    rate, width = samples.rate, max(round(_QUIET * samples.rate), 1)
    first = max(len(heard) - round(min(_SEARCHED, (end - start) / 2) * rate), 0)
    energy = np.cumsum(np.concatenate([[0.0], np.square(heard[first:], dtype=np.float64)]))
    if len(energy) <= width:
        return end
    quiet = int(np.argmin(energy[width:] - energy[:-width]))
    return start + (first + quiet + width // 2) / rate
