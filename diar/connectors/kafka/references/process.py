"""The process that computes references, as the consumer sees it."""

from __future__ import annotations

import queue
import threading
from collections.abc import Sequence
from multiprocessing.connection import Connection
from typing import Any

from diar.connectors.kafka.errors import PoisonError, StreamError
from diar.connectors.kafka.messages.reference import Reference
from diar.connectors.kafka.references.computing import work
from diar.connectors.kafka.references.jobs import Answer, Broken, Job, Ready, Setup
from diar.spawning import SPAWN

_OPENING = 900.0  # seconds for the networks, which may have to be fetched


class Computing:
    """A process with networks, started again after it died. Used by one thread.

    Args:
        setup: what it opens.

    Raises:
        StreamError: the networks cannot be opened.
    """

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._process: Any = None
        self._connection: Connection | None = None
        self._answers: queue.Queue[Answer | None] = queue.Queue()
        self._ready = Ready({}, None)
        self.start()

    def versions_for(self, reference: Reference) -> dict[str, Any]:
        """Return the versions of what computes a reference; raises PoisonError `words` if nothing can."""
        if not reference.words:
            return self._ready.versions
        if self._ready.with_words is None:
            raise PoisonError("words", "words are asked for, but the worker was started without `asr`")
        return self._ready.with_words

    def start(self) -> None:
        """Start the process, and wait until its networks are open."""
        self._connection, theirs = SPAWN.Pipe()
        self._process = SPAWN.Process(target=work, args=(theirs, self._setup), daemon=True)
        self._process.start()
        theirs.close()
        self._answers = queue.Queue()
        threading.Thread(target=_read, args=(self._connection, self._answers), daemon=True).start()
        try:
            answer = self.answer(_OPENING)
        except EOFError:
            answer = None
        if isinstance(answer, Broken):
            raise StreamError(f"the networks cannot be opened: {answer.message}")
        if not isinstance(answer, Ready):
            self.end()
            raise StreamError("the process that computes references ended, or took too long, while it opened")
        self._ready = answer

    def send(self, jobs: Sequence[Job]) -> None:
        """Have a batch computed, after those sent before. If the process is dead, `answer` says so."""
        assert self._connection is not None
        try:
            self._connection.send(list(jobs))
        except OSError:
            return

    def answer(self, seconds: float) -> Answer | None:
        """Return the next answer; None if there is none within `seconds`.

        Raises:
            EOFError: the process has ended.
        """
        try:
            answer = self._answers.get(timeout=seconds) if seconds > 0 else self._answers.get_nowait()
        except queue.Empty:
            return None
        if answer is None:
            raise EOFError
        return answer

    def end(self) -> None:
        """End the process at once."""
        self._process.kill()
        self._process.join()


def _read(connection: Connection, answers: queue.Queue[Answer | None]) -> None:
    """Take answers as they come, so that the process never waits for the consumer; None = it has ended."""
    while True:
        try:
            answers.put(connection.recv())
        except (EOFError, OSError):
            answers.put(None)
            return
