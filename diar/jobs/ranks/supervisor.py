"""Supervision of worker processes: only a worker that died is started again."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import connection
from multiprocessing.process import BaseProcess
from types import FrameType

from diar.errors import EXIT_ERROR, EXIT_FAILURES, EXIT_INTERRUPTED, EXIT_OK, EXIT_UNFINISHED
from diar.jobs.ranks.processes import sigint_blocked
from diar.jobs.ranks.stopping import AGAIN, promise, replaced_handlers

# Exit codes of a worker that has ended by itself
_SETTLED = (EXIT_OK, EXIT_ERROR, EXIT_FAILURES, EXIT_INTERRUPTED)
_POLL = 0.2  # seconds
_GOES_ON = "the same command goes on from here"
_TIME_TO_END = 30.0  # seconds from SIGTERM to SIGKILL
_TO_DIE = 10.0  # seconds from SIGKILL; a process in a read that cannot be interrupted is left to itself
_BEYOND_GRACE = 5.0  # seconds; workers end by themselves when the grace is over


class Supervisor:
    """Keeps workers alive until each has ended by itself.

    Args:
        make: makes the process of a rank, not yet started.
        workers: number of ranks.
        max_restarts: of dead workers, all together.
        needed: a process that no worker can go on without.
        grace: seconds that workers have once a signal has asked the run to stop; a second signal ends them.
    """

    def __init__(
        self,
        make: Callable[[int], BaseProcess],
        workers: int,
        max_restarts: int,
        needed: BaseProcess | None = None,
        grace: float = 0.0,
    ) -> None:
        self._make = make
        self._needed = [] if needed is None else [needed]
        self._ranks = range(workers)
        self._max_restarts = max_restarts
        self._restarts = 0
        self._workers: dict[int, BaseProcess] = {}
        self._grace = grace
        self._signals: list[tuple[int, float]] = []  # with the time
        self._asked: float | None = None  # when the workers were asked to stop

    def run(self) -> int:
        """Start the workers and wait for them; return the exit code of the run."""
        with self._noting_signals():
            try:
                for rank in self._ranks:
                    self._start(rank)
                return self._watch()
            finally:
                self._stop()

    def _start(self, rank: int) -> None:
        """Start a worker that Ctrl-C does not reach; this process ends the workers."""
        with sigint_blocked():
            self._workers[rank] = self._make(rank)
            self._workers[rank].start()

    def _watch(self) -> int:
        codes: dict[int, int] = {}
        while len(codes) < len(self._ranks):
            running = [rank for rank in self._ranks if rank not in codes]
            waited = [*(self._workers[rank] for rank in running), *self._needed]
            connection.wait([process.sentinel for process in waited], _POLL)
            if self._signals and self._asked is None:
                self._ask_to_stop()
            if self._is_over():
                return EXIT_INTERRUPTED
            if self._any_needed_ended():
                return EXIT_UNFINISHED
            for rank in running:
                code = self._workers[rank].exitcode
                if code in _SETTLED:
                    codes[rank] = code
                elif code is not None and self._asked is not None:
                    codes[rank] = EXIT_INTERRUPTED  # it had not begun to listen
                elif code is not None and not self._restart(rank, code):
                    return EXIT_UNFINISHED
        if EXIT_INTERRUPTED in codes.values():
            print(f"stopped before the end; {_GOES_ON}", file=sys.stderr)
        return EXIT_ERROR if EXIT_ERROR in codes.values() else max(codes.values())

    def _ask_to_stop(self) -> None:
        number, self._asked = self._signals[0]
        print(f"interrupted (signal {number}); {promise(self._grace)}", file=sys.stderr, flush=True)
        for worker in self._workers.values():
            worker.terminate()

    def _is_over(self) -> bool:
        """Say so if the workers were asked to stop and the grace, or a second signal, ends them."""
        if self._asked is None:
            return False
        again = self._signals[-1][1] - self._asked > AGAIN
        if again or time.monotonic() - self._asked > self._grace + _BEYOND_GRACE:
            print(f"stopped at once; {_GOES_ON}", file=sys.stderr)
            return True
        return False

    def _any_needed_ended(self) -> bool:
        """Say so if a process that no worker can go on without has ended."""
        for process in self._needed:
            if process.exitcode is not None:
                told = f"error: the process {process.name!r} died ({_describe(process.exitcode)})"
                print(f"{told}; {_GOES_ON}", file=sys.stderr)
                return True
        return False

    def _restart(self, rank: int, code: int) -> bool:
        """Start a dead worker again; return False if the restarts are used up."""
        if self._restarts == self._max_restarts:
            told = f"error: worker {rank} died ({_describe(code)}) after {self._restarts} restarts"
            print(f"{told}; {_GOES_ON}", file=sys.stderr)
            return False
        self._restarts += 1
        print(
            f"worker {rank} died ({_describe(code)}); started again (restart {self._restarts} of "
            f"{self._max_restarts}), going on where it was; the others work on",
            file=sys.stderr,
        )
        self._start(rank)
        return True

    @contextmanager
    def _noting_signals(self) -> Iterator[None]:
        def note(number: int, frame: FrameType | None) -> None:
            self._signals.append((int(number), time.monotonic()))

        before = replaced_handlers(note)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _stop(self) -> None:
        started = [worker for worker in self._workers.values() if worker.pid is not None]
        for worker in started:
            worker.terminate()
        deadline = time.monotonic() + _TIME_TO_END
        for worker in started:
            worker.join(max(0.0, deadline - time.monotonic()))
            if worker.is_alive():
                worker.kill()
                worker.join(_TO_DIE)


def _describe(code: int) -> str:
    """Describe an exit code of `multiprocessing`, which is negative for a signal."""
    if code >= 0:
        return f"exit code {code}"
    hint = ", as when memory runs out" if -code == signal.SIGKILL else ""
    return f"signal {-code}, {signal.Signals(-code).name}{hint}"
