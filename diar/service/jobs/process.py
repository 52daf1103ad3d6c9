"""A worker process, as the service sees it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from diar.service.jobs.worker import Networks, OpenWords, Task, work
from diar.service.problems import Problem
from diar.spawning import SPAWN

_OPENING = 600.0  # seconds for the networks, which may have to be fetched
_GOODBYE = 2.0


class Worker:
    """A process that is started when it is needed, and again after it died. Used by one thread at a time."""

    def __init__(self, networks: Networks) -> None:
        self._networks = networks
        self._process: Any = None
        self._connection: Connection | None = None
        self._versions: dict[str, Any] = {}
        self._lock = threading.Lock()

    def versions(self, words: bool = False) -> dict[str, Any]:
        """Return what the networks and thresholds are, and the recogniser where `words` are wanted.

        Raises:
            Problem: the process cannot begin, or the recogniser cannot be opened.
        """
        if self._process is None or not self._process.is_alive():
            self._start()
        if not words:
            return self._versions
        assert self._connection is not None
        self._connection.send(OpenWords())
        kind, told = self._receive(_OPENING)
        if kind == "broken":
            raise Problem("failed", f"the recogniser cannot be opened: {told}")
        versions: dict[str, Any] = told
        return versions

    def run(self, task: Task, seconds: float, on_read: Callable[[float, float], None]) -> dict[str, str]:
        """Return the documents of a recording, by name.

        Args:
            task: the recording.
            seconds: longest time that it may take.
            on_read: called with the seconds that were read, and their share.

        Raises:
            Problem: it cannot be diarized, took too long, was cancelled, or ended the process.
        """
        self.versions(task.words)  # a new process opens what the task needs
        assert self._connection is not None
        self._connection.send(task)
        until = time.monotonic() + seconds
        while True:
            kind, *told = self._receive(until - time.monotonic())
            if kind == "read":
                on_read(*told)
            elif kind == "done":
                documents: dict[str, str] = told[0]
                return documents
            else:
                raise Problem(*told)

    def end(self) -> None:
        """End the process at once; another thread's `run` raises Problem."""
        with self._lock:
            process = self._process
            if process is not None and process.is_alive():
                process.terminate()
                process.join(_GOODBYE)
                if process.is_alive():
                    process.kill()

    def _start(self) -> None:
        with self._lock:
            self._connection, theirs = SPAWN.Pipe()
            self._process = SPAWN.Process(target=work, args=(theirs, self._networks), daemon=True)
            self._process.start()
            theirs.close()
        kind, told = self._receive(_OPENING)
        if kind == "broken":
            raise Problem("internal", f"the networks cannot be opened: {told}")
        self._versions = told

    def _receive(self, seconds: float) -> tuple[Any, ...]:
        assert self._connection is not None
        try:
            if not self._connection.poll(max(0.0, seconds)):
                self.end()
                raise Problem("failed", "the recording took too long")
            received: tuple[Any, ...] = self._connection.recv()
            return received
        except (EOFError, OSError):
            self._process.join(_GOODBYE)
            code = self._process.exitcode
            raise Problem("failed", f"the process that read the recording ended (exit code {code})") from None
