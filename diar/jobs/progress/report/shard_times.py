"""How fast an extraction was when: by the times at which its shards were finished."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from diar import storage
from diar.store.earlier_names import stored_at
from diar.store.layout import Layout
from diar.store.reader import done_shards

_BINS = 60
_LEAST_PAUSE = 600.0  # seconds without a finished shard …
_TIMES_USUAL = 20  # … and so often the usual time between two


@dataclass(frozen=True)
class Pace:
    """The course of an extraction, over all its runs.

    Attributes:
        start: when the first shard was finished, seconds since the epoch.
        end: when the last one was.
        speeds: multiples of real time, in parts of equal length from start to end; empty for too few shards.
        pauses: start and seconds of the intervals in which nothing was finished.
        speed: a multiple of real time, without the pauses; 0 where it is not known.
    """

    start: float
    end: float
    speeds: np.ndarray
    pauses: list[tuple[float, float]]
    speed: float

    @property
    def lost(self) -> float:
        """Seconds of all pauses."""
        return sum(seconds for _, seconds in self.pauses)


def read_pace(layout: Layout, shard: np.ndarray, seconds: np.ndarray) -> Pace:
    """Read when shards were finished.

    Args:
        layout: of the output.
        shard: (n,) of each recording.
        seconds: (n,) of its audio.
    """
    finished = _finishing_times(layout)
    if len(finished) < 3:  # the first says nothing of what it took
        return Pace(0.0, 0.0, np.empty(0), [], 0.0)
    numbers = sorted(finished, key=lambda number: finished[number])
    when = np.array([finished[number] for number in numbers])
    audio = np.bincount(shard, seconds, minlength=max(numbers) + 1)[numbers]
    gaps = np.diff(when)
    long = max(_LEAST_PAUSE, _TIMES_USUAL * float(np.median(gaps)))
    pauses = [(float(when[i]), float(gaps[i])) for i in np.flatnonzero(gaps > long)]
    start, end = float(when[0]), float(when[-1])
    if end <= start:
        return Pace(start, end, np.empty(0), [], 0.0)
    edges = np.linspace(start, end, min(_BINS, len(when)) + 1)
    done = np.diff(np.interp(edges, *_course(when, audio, long)))
    worked = (end - start) - sum(lost for _, lost in pauses)
    speed = float(audio[1:].sum() / worked) if worked > 0 else 0.0
    return Pace(start, end, done / np.diff(edges), pauses, speed)


def _course(when: np.ndarray, audio: np.ndarray, long: float) -> tuple[np.ndarray, np.ndarray]:
    """Return times, and the seconds of audio done by then: evenly between two shards, nothing in a pause.

    Args:
        when: (n,) at which each shard was finished, ascending.
        audio: (n,) its seconds of audio.
        long: a gap of more seconds is a pause, and the shard at its end was made in a usual gap.
    """
    gaps = np.diff(when)
    after = np.flatnonzero(gaps > long) + 1
    usual = np.median(gaps)
    total = np.concatenate([[0.0], np.cumsum(audio[1:])])
    return np.insert(when, after, when[after] - usual), np.insert(total, after, total[after - 1])


def _finishing_times(layout: Layout) -> Mapping[int, float]:
    """Return when each shard was finished: its index is written last."""
    urls = {shard: stored_at(layout.shard(shard)) for shard in done_shards(layout)}
    if storage.local_path(layout.root) is not None:
        return {shard: os.stat(str(storage.require_local(url))).st_mtime for shard, url in urls.items()}  # noqa: PTH116
    listed = {file.path.rpartition("/")[2]: file.mtime for file in storage.find_remote(layout.shards)[1]}
    return {shard: listed[url.rpartition("/")[2]] for shard, url in urls.items()}
