"""Processes that run functions of diar and never import the script that called diar.

`multiprocessing` makes each new process import the caller's script, which starts diar again unless the script
is guarded by `if __name__ == "__main__":`. Our processes need nothing of it: what they run is in modules.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import spawn
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnContext, SpawnProcess
from typing import Any

from diar.errors import EXIT_UNFINISHED, DiarError

_PATCHING = threading.Lock()
_GOODBYE = 2.0  # seconds that a process has to end when it is asked to
_PARENT_POLL = 0.2  # seconds


@contextmanager
def caller_not_imported() -> Iterator[None]:
    """Let processes that this thread starts inside leave the caller's script alone.

    What they run, and its arguments, must not be defined in that script.
    """
    thread = threading.get_ident()

    def without_caller(name: str) -> dict[str, Any]:
        data = prepare(name)
        if threading.get_ident() != thread:  # a process that the caller starts meanwhile, in another thread
            return data
        return {key: value for key, value in data.items() if not key.startswith("init_main_from_")}

    with _PATCHING:
        prepare = spawn.get_preparation_data
        spawn.get_preparation_data = without_caller
        try:
            yield
        finally:
            spawn.get_preparation_data = prepare


class _SpawnedProcess(SpawnProcess):
    """A new interpreter that does not import the caller's script."""

    def start(self) -> None:
        """Start it."""
        with caller_not_imported():
            super().start()


class _Spawning(SpawnContext):
    """The `spawn` context of multiprocessing with such processes."""

    Process = _SpawnedProcess


SPAWN = _Spawning()


class ProcessEnded(DiarError):
    """The other process has ended, or does not answer."""


class ProcessSilent(ProcessEnded):
    """The other process has not answered in time; it was ended."""


class SideProcess:
    """A process that answers messages one after the other, until the pipe to it closes.

    It ends with this process, however that ends. Used by one thread at a time, but for `end`.

    Args:
        what: it is, for messages.
        work: runs in the process with its end of the pipe and `arguments`; answers each message with one.
        arguments: of `work`.
        starts_others: whether `work` starts processes itself; then `end` must be called.
    """

    def __init__(
        self, what: str, work: Callable[..., None], *arguments: Any, starts_others: bool = False
    ) -> None:
        self._what, self._work, self._arguments = what, work, arguments
        self._daemon = not starts_others
        self._process: Any = None
        self._connection: Connection | None = None
        self._lock = threading.Lock()
        self._ended = False

    @property
    def running(self) -> bool:
        """Whether the process lives."""
        return self._process is not None and self._process.is_alive()

    def start(self) -> None:
        """Start it, if it does not run; raises ProcessEnded once it was ended for good."""
        with self._lock:
            if self.running:
                return
            if self._ended:
                raise ProcessEnded(f"{self._what} was ended")
            self._connection, theirs = SPAWN.Pipe()
            arguments = (theirs, *self._arguments)
            self._process = SPAWN.Process(target=self._work, args=arguments, daemon=self._daemon)
            self._process.start()
            theirs.close()

    def ask(self, message: Any, seconds: float, *, start: bool = True) -> Any:
        """Send a message and return the answer to it; the process is ended where none comes in time.

        Args:
            message: what is sent.
            seconds: longest wait.
            start: the process where it does not run; one that says something by itself first is better not.

        Raises:
            ProcessEnded: it has ended, or (ProcessSilent) has not answered.
        """
        if start:
            self.start()
        assert self._connection is not None
        try:
            self._connection.send(message)
        except OSError as error:
            raise ProcessEnded(f"{self._what} has ended: {error}") from None
        return self.receive(seconds)

    def receive(self, seconds: float) -> Any:
        """Return what it sends by itself; see `ask`."""
        assert self._connection is not None
        try:
            if self._connection.poll(seconds):
                return self._connection.recv()
        except (EOFError, OSError):
            self._process.join(_GOODBYE)
            raise ProcessEnded(f"{self._what} has ended (exit code {self._process.exitcode})") from None
        self.end()
        raise ProcessSilent(f"{self._what} has not answered for {seconds:.0f} s")

    def end(self, for_good: bool = False) -> None:
        """End it at once."""
        with self._lock:
            self._ended = self._ended or for_good
            if self.running:
                self._process.terminate()
                self._process.join(_GOODBYE)
            if self.running:
                self._process.kill()
                self._process.join(_GOODBYE)


def usable_cores() -> frozenset[int]:
    """Return the numbers of the cores that this process may use; empty where the system does not say."""
    return frozenset(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else frozenset()


def end_with_parent() -> None:
    """End this process as soon as the one that started it is killed: no orphan writes beside a new run."""
    launcher, parent = multiprocessing.parent_process(), os.getppid()

    def watch() -> None:
        if launcher is not None:
            launcher.join()
        while launcher is None and os.getppid() == parent:  # nothing else shows the end of torchrun
            time.sleep(_PARENT_POLL)
        os._exit(EXIT_UNFINISHED)

    threading.Thread(target=watch, name="end_with_parent", daemon=True).start()
