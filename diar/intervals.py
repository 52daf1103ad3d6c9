"""Intervals of time: unions, differences, lengths.

Intervals are (n, 2) float64, start and end in seconds, ascending, disjoint and not touching.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class IntervalLists:
    """Intervals for each of n rows, all in one array: `lists[row]` is (k, 2)."""

    intervals: np.ndarray  # (k, 2), those of row 0, then those of row 1, …
    counts: np.ndarray  # (n,) int64, intervals of each row

    @classmethod
    def of(cls, rows: Iterable[np.ndarray]) -> IntervalLists:
        """Make them of n × (k, 2) float64."""
        lists = list(rows)
        counts = np.array([len(row) for row in lists], np.int64)
        return cls(np.concatenate([np.empty((0, 2)), *lists]), counts)

    @classmethod
    def concatenate(cls, parts: Iterable[IntervalLists]) -> IntervalLists:
        """Concatenate the rows of one or more."""
        intervals, counts = zip(*((part.intervals, part.counts) for part in parts), strict=True)
        return cls(np.concatenate(intervals), np.concatenate(counts))

    def __len__(self) -> int:
        return len(self.counts)

    def __getitem__(self, row: int) -> np.ndarray:
        counts = self.counts[: range(len(self))[row] + 1]
        end = int(counts.sum())
        return self.intervals[end - int(counts[-1]) : end]

    def __iter__(self) -> Iterator[np.ndarray]:
        return iter(self.split())

    def lengths(self) -> np.ndarray:
        """Return (n,) the total length of each row, in the unit of `intervals`."""
        before = np.concatenate([[0], np.cumsum(self.intervals[:, 1] - self.intervals[:, 0])])
        ends = np.cumsum(self.counts)
        covered: np.ndarray = before[ends] - before[ends - self.counts]
        return covered

    def take(self, rows: np.ndarray) -> IntervalLists:
        """Take the chosen rows, (n,) bool."""
        return IntervalLists(self.intervals[np.repeat(rows, self.counts)], self.counts[rows])

    def split(self) -> list[np.ndarray]:
        """Return one array (k, 2) a row."""
        return np.split(self.intervals, np.cumsum(self.counts)[:-1]) if len(self.counts) else []


def at_least(voices: int, speakers: Iterable[np.ndarray]) -> np.ndarray:
    """Return where at least `voices` of the lists, (n_i, 2) each, overlap; one list may overlap itself."""
    lists = [own for own in speakers if len(own)]
    if not lists:
        return np.empty((0, 2))
    bounds = np.concatenate(lists)
    times, which = np.unique(bounds, return_inverse=True)
    starts, ends = (np.bincount(side, minlength=len(times)) for side in which.reshape(bounds.shape).T)
    return _runs(np.cumsum(starts - ends) >= voices, times)


def without(intervals: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return the parts of `intervals` outside of `others`."""
    times = np.unique(np.concatenate([intervals.ravel(), others.ravel()]))
    return _runs(_inside(intervals, times) & ~_inside(others, times), times)


def running_seconds(intervals: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Return the seconds inside of `intervals` before each of `times`, in the shape of `times`."""
    if not len(intervals):
        return np.zeros(np.shape(times))
    until = np.cumsum(intervals[:, 1] - intervals[:, 0])
    before = until - (intervals[:, 1] - intervals[:, 0])
    return np.interp(times, intervals.ravel(), np.column_stack([before, until]).ravel())


def seconds(intervals: np.ndarray) -> float:
    """Return the total length."""
    return float((intervals[:, 1] - intervals[:, 0]).sum())


def common_seconds(first: np.ndarray, second: np.ndarray) -> float:
    """Return the length of what both have in common."""
    return float(np.diff(running_seconds(second, first), axis=1).sum())


def _inside(intervals: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Return whether the moment after each of `times` is inside."""
    return np.searchsorted(intervals.ravel(), times, side="right") % 2 == 1


def _runs(open_after: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Return the intervals of (n,) ascending times, given whether the time after each belongs to one."""
    edges = np.flatnonzero(np.diff(open_after, prepend=False, append=False))
    return times[edges].reshape(-1, 2).astype(np.float64)
