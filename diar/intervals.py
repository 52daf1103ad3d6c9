"""Intervals of time: unions, differences, and how long they are.

Intervals are (n, 2) float64, start and end in seconds, ascending, disjoint and not touching.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np


def at_least(voices: int, speakers: Iterable[np.ndarray]) -> np.ndarray:
    """Return where at least `voices` of the lists, (n_i, 2) each, are open at once; they may overlap."""
    lists = [own for own in speakers if len(own)]
    if not lists:
        return np.empty((0, 2))
    bounds = np.concatenate(lists)
    times, which = np.unique(bounds, return_inverse=True)
    starts, ends = (np.bincount(side, minlength=len(times)) for side in which.reshape(bounds.shape).T)
    return _runs(np.cumsum(starts - ends) >= voices, times)


def without(intervals: np.ndarray, others: np.ndarray) -> np.ndarray:
    """The parts of `intervals` that lie outside of `others`."""
    times = np.unique(np.concatenate([intervals.ravel(), others.ravel()]))
    return _runs(_inside(intervals, times) & ~_inside(others, times), times)


def running_seconds(intervals: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Seconds inside of `intervals` before each of `times`; same shape as `times`."""
    if not len(intervals):
        return np.zeros(np.shape(times))
    until = np.cumsum(intervals[:, 1] - intervals[:, 0])
    before = until - (intervals[:, 1] - intervals[:, 0])
    return np.interp(times, intervals.ravel(), np.column_stack([before, until]).ravel())


def seconds(intervals: np.ndarray) -> float:
    """Their length altogether."""
    return float((intervals[:, 1] - intervals[:, 0]).sum())


def common_seconds(first: np.ndarray, second: np.ndarray) -> float:
    """How long both are open."""
    return float(np.diff(running_seconds(second, first), axis=1).sum())


def _inside(intervals: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Whether what follows each of `times` is inside."""
    return np.searchsorted(intervals.ravel(), times, side="right") % 2 == 1


def _runs(open_after: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Intervals from (n,) ascending times and whether each opens an interval that counts."""
    edges = np.flatnonzero(np.diff(open_after, prepend=False, append=False))
    return times[edges].reshape(-1, 2).astype(np.float64)
