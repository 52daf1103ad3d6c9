"""How far a run is, for whoever asks from outside of its ranks: the figures behind metrics."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

from diar import storage
from diar.jobs.progress.counters import Counters
from diar.jobs.progress.display import count_finished
from diar.jobs.progress.reporter import RankProgress, read_ranks
from diar.store.layout import Layout

_LOCAL_AGE, _REMOTE_AGE = 1.0, 15.0  # seconds that an answer is good for: ranks write no more often


@dataclass(frozen=True)
class RunSnapshot:
    """A run at one moment; times are seconds since the epoch.

    Attributes:
        recordings: of the whole job, those that were done before this run included.
        done: of them, with or without success.
        share: of all bytes that is done, 0 … 1.
        ranks: that have told of themselves.
    """

    recordings: int
    done: int
    share: float
    ranks: tuple[RankSnapshot, ...]


@dataclass(frozen=True)
class RankSnapshot:
    """One rank at one moment."""

    rank: int
    updated: float
    counters: Counters


class RanksReader:
    """Reads what the ranks of a run write about themselves, no more often than they do.

    Any process may ask: the launcher, which outlives each rank, or the first rank of a machine.

    Args:
        layout: of the output.
        since: when this run began; the files of a run before it are passed over.
    """

    def __init__(self, layout: Layout, since: float) -> None:
        self._layout, self._since = layout, since
        self._age = _LOCAL_AGE if storage.local_path(layout.root) is not None else _REMOTE_AGE
        self._lock = threading.Lock()
        self._read: tuple[float, RunSnapshot | None] = (-1e9, None)

    def __call__(self) -> RunSnapshot | None:
        """Return the run, None before any rank has told of it.

        Raises:
            OSError, StoreError: the files cannot be read.
        """
        with self._lock:
            if self._read[1] is None or time.monotonic() - self._read[0] > self._age:
                self._read = (time.monotonic(), self._ask())
            return self._read[1]

    def _ask(self) -> RunSnapshot | None:
        ranks = read_ranks(self._layout)
        if not ranks or max(rank.updated for rank in ranks) < self._since:
            return None
        return _of_ranks(ranks)


def _of_ranks(ranks: list[RankProgress]) -> RunSnapshot:
    totals, done = ranks[0].totals, Counters.total(rank.counters for rank in ranks)
    read = totals.bytes_before + done.done_bytes()
    finished = min(count_finished(totals, done), totals.files)
    over = finished == totals.files or not totals.bytes  # bytes of many parts do not add up to the last one
    return RunSnapshot(
        totals.files,
        finished,
        1.0 if over else min(1.0, read / totals.bytes),
        tuple(RankSnapshot(rank.rank, rank.updated, rank.counters) for rank in ranks),
    )
