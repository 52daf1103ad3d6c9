"""Tracks of chunks beside the hops: by a thread of low priority, and by whoever needs one that is late."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Protocol

from diar.embedding.rows import ChunkEmbeddings

_NICENESS = 10  # of the thread: hops are what somebody waits for
_GRACE = (
    0.5  # seconds that are waited for tracks that are being made: they take half of it on a core of their own
)

Make = Callable[[], ChunkEmbeddings]


class Made(Protocol):
    """Tracks that will be there."""

    def result(self) -> ChunkEmbeddings:
        """Return them, as soon as they are there."""


@dataclass(frozen=True)
class Ready:
    """Tracks that are there."""

    tracks: ChunkEmbeddings

    def result(self) -> ChunkEmbeddings:
        """Return them."""
        return self.tracks


class TrackThread:
    """Makes tracks one after the other, in a thread that gives way to all others where it can."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "diar-track", initializer=_give_way)

    def begin(self, make: Make) -> Made:
        """Have tracks made by `make`, which gives the same whoever calls it."""
        return _Begun(make, self._thread.submit(make))

    def shut_down(self) -> None:
        """End the thread."""
        self._thread.shutdown()


class _Begun:
    """Tracks of the thread.

    On a machine that other programs keep busy, a thread of low priority gets a tenth of a core. Who waited
    for it would wait for many seconds, and all streams with it.
    """

    def __init__(self, make: Make, future: Future[ChunkEmbeddings]) -> None:
        self._make, self._future = make, future

    def result(self) -> ChunkEmbeddings:
        """Return them; those that nobody has begun, or that take too long, are made here."""
        if self._future.cancel():
            return self._make()
        wait([self._future], _GRACE)
        return self._future.result() if self._future.done() else self._make()


def _give_way() -> None:
    """Let other threads run before this one, where a thread can have a priority of its own."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
