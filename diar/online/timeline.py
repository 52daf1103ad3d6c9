"""Who speaks in the frames of a stream that may still change."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from diar.detect.presets import TurnSettings
from diar.models.segmentation.base import FrameGeometry

FULL = 255  # level of a frame in which a speaker certainly speaks


@dataclass(frozen=True)
class Run:
    """One speaker in successive frames; times in seconds of the stream."""

    speaker: int
    start: float
    end: float
    confidence: float
    overlaps: tuple[int, ...]
    at_end: bool  # it may go on: the frames behind it are not heard yet, or only just


@dataclass(frozen=True)
class Carried:
    """What is settled of a run that goes on in frames that may change."""

    start: float  # seconds
    total: float  # sum of levels
    frames: int


class Timeline:
    """Frames from `first` on; each holds a level for each speaker, 0 = does not speak.

    Frames before `first` are settled. Numbers of speakers grow as long as the stream lasts, so only those who
    speak in these frames have a column.

    Args:
        geometry: where the frames lie.
        turns: how runs become turns.

    Attributes:
        level: (frames, columns) uint8.
        numbers: of the speaker of each column.
        carried: what is settled of runs that go on, by speaker.
    """

    def __init__(self, geometry: FrameGeometry, turns: TurnSettings) -> None:
        self._geometry, self._turns = geometry, turns
        self.first = 0
        self.level = np.zeros((0, 0), np.uint8)
        self.numbers: list[int] = []
        self.carried: dict[int, Carried] = {}

    @property
    def end(self) -> int:
        """The frame after the last."""
        return self.first + len(self.level)

    def edge(self, frame: float) -> float:
        """Return the second at which a frame begins; 0 for the first one of the stream."""
        return max(0.0, self._geometry.center(frame - 0.5)) if frame > 0 else 0.0

    def frame_at(self, seconds: float) -> int:
        """Return the frame that begins at `seconds` or is the first to do so later."""
        frame = (seconds - self._geometry.first_center) / self._geometry.step_seconds + 0.5
        return max(0, int(np.ceil(frame - 1e-9)))

    def write(self, first: int, levels: np.ndarray, numbers: Sequence[int]) -> None:
        """Replace frames from `first` on by `levels` (n, numbers); settled ones stay as they are."""
        first, levels = self._changeable(first, levels)
        self._grow(first + len(levels))
        self.level[first - self.first : first - self.first + len(levels)] = 0
        self._put(first, levels, numbers)

    def complete(self, first: int, levels: np.ndarray, numbers: Sequence[int]) -> None:
        """Put `levels` (n, numbers) into frames from `first` on in which nobody speaks."""
        first, levels = self._changeable(first, levels)
        silent = ~np.asarray(self.level[first - self.first : first - self.first + len(levels)].any(axis=1))
        self._put(first, levels * silent[:, None], numbers)

    def replace(self, frames: np.ndarray, old: int, new: int) -> None:
        """Give `new` what `old` has in `frames`, (n,) numbers of frames."""
        rows = frames[(frames >= self.first) & (frames < self.end)] - self.first
        if old not in self.numbers or not self.level[rows, self.numbers.index(old)].any():
            return
        own, other = self._column(old), self._column(new)
        self.level[rows, other] = np.maximum(self.level[rows, other], self.level[rows, own])
        self.level[rows, own] = 0

    def _grow(self, end: int) -> None:
        """Make room up to the frame `end`."""
        if end > self.end:
            self.level = np.pad(self.level, ((0, end - self.end), (0, 0)))

    def _changeable(self, first: int, levels: np.ndarray) -> tuple[int, np.ndarray]:
        """Return the part of `levels`, and its first frame, that is not settled."""
        skip = max(0, self.first - first)
        return first + skip, levels[skip:]

    def _put(self, first: int, levels: np.ndarray, numbers: Sequence[int]) -> None:
        """Write the levels of those who speak in `levels`, where they are higher."""
        rows = slice(first - self.first, first - self.first + len(levels))
        for place in np.flatnonzero(levels.any(axis=0)).tolist():
            column = self._column(numbers[place])
            self.level[rows, column] = np.maximum(self.level[rows, column], levels[:, place])

    def _column(self, number: int) -> int:
        """Return the column of a speaker, a new one where there is none."""
        if number not in self.numbers:
            self.numbers.append(number)
            self.level = np.pad(self.level, ((0, 0), (0, 1)))
        return self.numbers.index(number)

    def merge(self, old: int, new: int) -> None:
        """Give `new` all that `old` has."""
        self.replace(np.arange(self.first, self.end), old, new)
        carried = self.carried.pop(old, None)
        if carried is not None and (new not in self.carried or carried.start < self.carried[new].start):
            self.carried[new] = carried

    def settle(self, before: int) -> None:
        """Drop the frames before that number; they never change from now on."""
        count = min(before, self.end) - self.first
        if count <= 0:
            return
        gone, self.level = self.level[:count], self.level[count:]
        carried = {}
        for column in np.flatnonzero(gone[-1]).tolist():
            silent = np.flatnonzero(gone[:, column] == 0)
            begin = int(silent[-1]) + 1 if len(silent) else 0
            total, frames = float(gone[begin:, column].sum()), count - begin
            start, before_it = self.edge(self.first + begin), self.carried.get(self.numbers[column])
            if begin == 0 and before_it is not None:
                start, total, frames = (
                    before_it.start,
                    total + before_it.total,
                    frames + before_it.frames,
                )
            carried[self.numbers[column]] = Carried(start, total, frames)
        self.carried = carried
        self.first += count
        self._forget_silent()

    def _forget_silent(self) -> None:
        """Drop the columns of speakers who speak in no frame that may change."""
        spoken = np.asarray(self.level.any(axis=0))
        self.level = self.level[:, spoken].copy()  # settled frames are not kept behind a view
        self.numbers = [number for number, own in zip(self.numbers, spoken, strict=True) if own]

    def speaks_at_end(self, frames: int) -> bool:
        """Tell whether anybody speaks in the last so many frames."""
        return bool(self.level[max(0, len(self.level) - frames) :].any())

    def runs(self, patience: int) -> list[Run]:
        """Return the runs that may change, ascending by start; short ones are dropped.

        Args:
            patience: a run that ended in the last so many frames is still `at_end`.
        """
        found = [run for speaker in self._speakers() for run in self._runs_of(speaker, patience)]
        long = max(self._turns.min_duration_on, 1e-9)
        kept = [(run, cut) for run, cut in found if run.end - run.start >= long]
        spans = [(run.speaker, run.start, run.end) for run, _ in kept]
        runs = [_with_overlaps(run, spans) for run, _ in kept]
        return sorted(runs, key=lambda run: (run.start, run.end, run.speaker))

    def _speakers(self) -> Iterable[int]:
        spoken = np.flatnonzero(self.level.any(axis=0)).tolist()
        return sorted({self.numbers[column] for column in spoken} | set(self.carried))

    def _runs_of(self, speaker: int, patience: int) -> Iterable[tuple[Run, bool]]:
        level = np.zeros(len(self.level), np.uint8)
        if speaker in self.numbers:
            level = self.level[:, self.numbers.index(speaker)]
        edges = np.flatnonzero(np.diff(level > 0, prepend=False, append=False)).reshape(-1, 2)
        spans: list[tuple[int, int]] = [(int(a), int(b)) for a, b in edges]
        carried = self.carried.get(speaker)
        if carried is not None and not (spans and spans[0][0] == 0):
            spans.insert(0, (0, 0))  # it ended where the settled frames end
        for begin, end in _bridged(spans, self._turns.min_duration_off / self._geometry.step_seconds):
            values = level[begin:end]
            total, frames = float(values.sum()), max(1, end - begin)
            start = self.edge(self.first + begin)
            if begin == 0 and carried is not None:
                start, total, frames = carried.start, total + carried.total, end - begin + carried.frames
            at_end = end >= len(level) - patience
            confidence = total / frames / FULL
            yield (
                Run(speaker, start, self.edge(self.first + end), min(1.0, confidence), (), at_end),
                at_end,
            )


def _bridged(spans: list[tuple[int, int]], longest: float) -> list[tuple[int, int]]:
    """Join spans with no more than `longest` frames between them."""
    joined: list[tuple[int, int]] = []
    for begin, end in spans:
        if joined and begin - joined[-1][1] <= longest and begin > joined[-1][1]:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((begin, end))
    return joined


def _with_overlaps(run: Run, spans: list[tuple[int, float, float]]) -> Run:
    others = {
        speaker
        for speaker, start, end in spans
        if speaker != run.speaker and min(end, run.end) - max(start, run.start) > 0
    }
    return Run(run.speaker, run.start, run.end, run.confidence, tuple(sorted(others)), run.at_end)
