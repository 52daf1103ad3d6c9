"""Supervision of worker processes: only a worker that died is started again."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import connection
from multiprocessing.process import BaseProcess
from types import FrameType

from diar.errors import EXIT_ERROR, EXIT_FAILURES, EXIT_OK, EXIT_UNFINISHED
from diar.jobs.ranks.processes import sigint_blocked

_SETTLED = (EXIT_OK, EXIT_ERROR, EXIT_FAILURES)  # exit codes of a worker that has ended by itself
_POLL = 0.2  # seconds
_GOES_ON = "the same command goes on from here"
_TIME_TO_END = 30.0  # seconds from SIGTERM to SIGKILL
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Supervisor:
    """Keeps workers alive until each has ended by itself.

    Args:
        make: makes the process of a rank, not yet started.
        workers: number of ranks.
        max_restarts: of dead workers, all together.
        needed: a process that no worker can go on without.
    """

    def __init__(
        self,
        make: Callable[[int], BaseProcess],
        workers: int,
        max_restarts: int,
        needed: BaseProcess | None = None,
    ) -> None:
        self._make = make
        self._needed = [] if needed is None else [needed]
        self._ranks = range(workers)
        self._max_restarts = max_restarts
        self._restarts = 0
        self._workers: dict[int, BaseProcess] = {}
        self._signal: int | None = None

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
            if self._signal is not None:
                number = int(self._signal)
                print(f"interrupted (signal {number}); {_GOES_ON}", file=sys.stderr)
                return 128 + number
            if self._any_needed_ended():
                return EXIT_UNFINISHED
            for rank in running:
                code = self._workers[rank].exitcode
                if code in _SETTLED:
                    codes[rank] = code
                elif code is not None and not self._restart(rank, code):
                    return EXIT_UNFINISHED
        return EXIT_ERROR if EXIT_ERROR in codes.values() else max(codes.values())

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
            self._signal = number

        # Python lets only the main thread handle signals; started in another, this process ends by them
        ours = _SIGNALS if threading.current_thread() is threading.main_thread() else ()
        handlers = {number: signal.getsignal(number) for number in ours}
        # Signals that the parent ignores stay ignored: SIGHUP by nohup, SIGINT by `command &` in a script
        before = {number: handler for number, handler in handlers.items() if handler != signal.SIG_IGN}
        for number in before:
            signal.signal(number, note)
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
                worker.join()


def _describe(code: int) -> str:
    """Describe an exit code of `multiprocessing`, which is negative for a signal."""
    if code >= 0:
        return f"exit code {code}"
    hint = ", as when memory runs out" if -code == signal.SIGKILL else ""
    return f"signal {-code}, {signal.Signals(-code).name}{hint}"
