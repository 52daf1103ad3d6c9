"""Sorted, disjoint intervals [start, end) in samples: of frames, across chunks, within windows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from diar.intervals import IntervalLists


def frame_runs(masks: np.ndarray) -> IntervalLists:
    """Return the runs of true frames [first, last + 1) in each row of `masks` (n, frames)."""
    count, frames = masks.shape
    if not frames:
        return IntervalLists(np.empty((0, 2), np.int64), np.zeros(count, np.int64))
    changes = np.empty((count, frames + 1), bool)
    changes[:, 0], changes[:, -1] = masks[:, 0], masks[:, -1]
    np.not_equal(masks[:, 1:], masks[:, :-1], out=changes[:, 1:-1])
    row, frame = np.nonzero(changes)  # of each row, a first and a last frame in turn
    return IntervalLists(frame.reshape(-1, 2), np.bincount(row[::2], minlength=count))


def runs(mask: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Return where `mask` (frames,) is true: (k, 2), none empty; frame i is edges[i] … edges[i + 1]."""
    found = edges[frame_runs(mask[None]).intervals]
    kept: np.ndarray = found[found[:, 1] > found[:, 0]]
    return kept


def join(parts: Sequence[np.ndarray]) -> np.ndarray:
    """Concatenate the intervals (k, 2) of successive chunks, and merge those that touch."""
    together = np.concatenate([np.empty((0, 2), np.int64), *parts])
    apart = together[1:, 0] > together[:-1, 1]
    starts = together[np.concatenate([[True], apart])[: len(together)], 0]
    ends = together[np.concatenate([apart, [True]])[: len(together)], 1]
    return np.stack([starts, ends], axis=1)


def within(intervals: np.ndarray, spans: np.ndarray) -> IntervalLists:
    """Return the parts of `intervals` (k, 2) inside each of `spans` (n, 2)."""
    first = np.searchsorted(intervals[:, 1], spans[:, 0], side="right")
    last = np.searchsorted(intervals[:, 0], spans[:, 1], side="left")
    counts = np.maximum(last - first, 0)
    row = np.repeat(np.arange(len(spans)), counts)
    position = np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts)
    chosen = intervals[first[row] + position]
    return IntervalLists(np.clip(chosen, spans[row, :1], spans[row, 1:]), counts)
