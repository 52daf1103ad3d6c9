"""One function over very many recordings, by several processes, results in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import islice
from typing import TypeVar

from threadpoolctl import threadpool_limits

from diar.errors import DiarError
from diar.spawning import SPAWN, end_with_parent

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")

_SECONDS_A_PROCESS = 600.0  # of audio
_LARGEST_BATCH = 64  # items a message; more make nothing faster
_BATCHES = 16  # a process at least, so that all processes end at about the same time
_AHEAD = 4  # batches a process that are submitted before the first is done


class Workers:
    """A pool of processes, or this one alone.

    Args:
        pool: None for this one alone.
        processes: in the pool.
        items: about how many there will be.
    """

    def __init__(self, pool: ProcessPoolExecutor | None, processes: int, items: int) -> None:
        self._pool, self._processes = pool, processes
        self._batch = max(1, min(_LARGEST_BATCH, items // (_BATCHES * processes)))

    def map(self, work: Callable[[ItemT], ResultT], items: Iterable[ItemT]) -> Iterator[ResultT]:
        """Yield `work` of each item, in order; items are drawn as needed, so that few wait in memory.

        Raises:
            DiarError: a process was killed. What `work` raises is raised here.
        """
        if self._pool is None:
            yield from map(work, items)
            return
        waiting: deque[Future[list[ResultT]]] = deque()
        remaining = iter(items)
        try:
            while batch := list(islice(remaining, self._batch)):
                waiting.append(self._pool.submit(_work_on, work, batch))
                if len(waiting) >= _AHEAD * self._processes:
                    yield from waiting.popleft().result()
            while waiting:
                yield from waiting.popleft().result()
        except BrokenProcessPool:
            raise DiarError(
                "a process was killed, most likely because memory ran out; give fewer --processes than "
                f"{self._processes}"
            ) from None


def worth_starting(audio_seconds: float, cores: int) -> int:
    """Return how many processes pay off: starting one takes as long as diarizing ten minutes of audio."""
    return min(cores, 1 + int(audio_seconds / _SECONDS_A_PROCESS))


@contextmanager
def start_workers(wanted: int, items: int) -> Iterator[Workers]:
    """Start `wanted` processes, but no more than there are items.

    They end if this process is killed: the pool's own would wait for work for ever, and write what they have.
    Each uses one thread: the matrices of a recording are small, and more threads are slower even with one
    process.
    """
    processes = max(1, min(wanted, items))
    if processes == 1:
        with threadpool_limits(1):
            yield Workers(None, 1, items)
        return
    with ProcessPoolExecutor(processes, mp_context=SPAWN, initializer=end_with_parent) as pool:
        try:
            yield Workers(pool, processes, items)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _work_on(work: Callable[[ItemT], ResultT], batch: Sequence[ItemT]) -> list[ResultT]:
    with threadpool_limits(1):
        return [work(item) for item in batch]
