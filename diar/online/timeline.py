"""Who speaks in the frames of a stream that may still change."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from diar.detect.presets import TurnSettings
from diar.models.segmentation.pyannet import FrameGeometry

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

    Frames before `first` are settled. Speakers are counted from 1.

    Args:
        geometry: where the frames lie.
        turns: how runs become turns.
    """

    def __init__(self, geometry: FrameGeometry, turns: TurnSettings) -> None:
        self._geometry, self._turns = geometry, turns
        self.first = 0
        self.level = np.zeros((0, 0), np.uint8)  # (frames, speakers)
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

    def grow(self, end: int, speakers: int) -> None:
        """Make room up to the frame `end` and for so many speakers."""
        more = max(0, end - self.end), max(0, speakers - self.level.shape[1])
        if any(more):
            self.level = np.pad(self.level, ((0, more[0]), (0, more[1])))

    def write(self, first: int, levels: np.ndarray) -> None:
        """Replace frames from `first` on by `levels` (n, speakers); settled ones stay as they are."""
        skip = max(0, self.first - first)
        levels = levels[skip:]
        self.grow(first + skip + len(levels), levels.shape[1])
        rows = slice(first + skip - self.first, first + skip - self.first + len(levels))
        self.level[rows] = 0
        self.level[rows, : levels.shape[1]] = levels

    def replace(self, frames: np.ndarray, old: int, new: int) -> None:
        """Give `new` what `old` has in `frames`, (n,) numbers of frames."""
        rows = frames[(frames >= self.first) & (frames < self.end)] - self.first
        self.grow(self.end, max(old, new))
        self.level[rows, new - 1] = np.maximum(self.level[rows, new - 1], self.level[rows, old - 1])
        self.level[rows, old - 1] = 0

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
        for column in np.flatnonzero(gone[-1]):
            silent = np.flatnonzero(gone[:, column] == 0)
            begin = int(silent[-1]) + 1 if len(silent) else 0
            total, frames = float(gone[begin:, column].sum()), count - begin
            start, before_it = self.edge(self.first + begin), self.carried.get(int(column) + 1)
            if begin == 0 and before_it is not None:
                start, total, frames = (
                    before_it.start,
                    total + before_it.total,
                    frames + before_it.frames,
                )
            carried[int(column) + 1] = Carried(start, total, frames)
        self.carried = carried
        self.first += count

    def speaks_at_end(self, frames: int) -> bool:
        """Tell whether anybody speaks in the last so many frames."""
        return bool(self.level[max(0, len(self.level) - frames) :].any())

    def runs(self, patience: int) -> list[Run]:
        """Return the runs that may change, ascending by start; short ones are dropped.

        Args:
            patience: a run that ended in the last so many frames is still `at_end`.
        """
        found = [run for column in self._columns() for run in self._runs_of(column, patience)]
        long = max(self._turns.min_duration_on, 1e-9)
        kept = [(run, cut) for run, cut in found if run.end - run.start >= long]
        spans = [(run.speaker, run.start, run.end) for run, _ in kept]
        runs = [_with_overlaps(run, spans) for run, _ in kept]
        return sorted(runs, key=lambda run: (run.start, run.end, run.speaker))

    def _columns(self) -> Iterable[int]:
        active = set(np.flatnonzero(self.level.any(axis=0)).tolist())
        return sorted(active | {speaker - 1 for speaker in self.carried})

    def _runs_of(self, column: int, patience: int) -> Iterable[tuple[Run, bool]]:
        level = self.level[:, column] if column < self.level.shape[1] else np.zeros(len(self.level), np.uint8)
        edges = np.flatnonzero(np.diff(level > 0, prepend=False, append=False)).reshape(-1, 2)
        spans: list[tuple[int, int]] = [(int(a), int(b)) for a, b in edges]
        carried = self.carried.get(column + 1)
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
                Run(column + 1, start, self.edge(self.first + end), min(1.0, confidence), (), at_end),
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
