"""An engine in a process of its own, so that Python on one core does not wait for Python on another.

Between the networks, a stream is Python: about two fifths of what a hop costs. Threads of one process take
turns at that (decision 078).
"""

from __future__ import annotations

import atexit
import logging
import os
import signal
from collections.abc import Mapping
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from diar.errors import DiarError, explain
from diar.models.memory import share_one_heap
from diar.online.events import Event
from diar.online.settings import LiveSettings
from diar.options.logs import log_as_parent
from diar.service.computing.streams import Begun, Checkpoint, EngineGone, Renewed
from diar.service.config import ServeConfig
from diar.spawning import SPAWN

_LOG = logging.getLogger("diar.service")
_GOODBYE = 5.0  # seconds


class RemoteEngine:
    """A `ServiceEngine` in a process of its own, which ends with this one. Used by one thread.

    Args:
        config: of the service.

    Raises:
        DiarError: the networks cannot be opened.
        EngineGone: the process ended; so do all methods.
    """

    def __init__(self, config: ServeConfig) -> None:
        self._connection, theirs = SPAWN.Pipe()
        self._process = SPAWN.Process(target=compute, args=(theirs, config), name="diar-streams", daemon=True)
        self._process.start()
        theirs.close()
        atexit.register(self._connection.close)  # without it, the process waits, and its end is waited for
        self._receive()

    def begin(self, key: str, settings: LiveSettings, past: Checkpoint | None = None) -> Begun:
        """Do what `ServiceEngine.begin` does; so do all others."""
        begun: Begun = self._ask("begin", key, settings, past)
        return begun

    def feed(self, samples: Mapping[str, np.ndarray]) -> dict[str, list[Event]]:  # noqa: D102
        events: dict[str, list[Event]] = self._ask("feed", dict(samples))
        return events

    def finalize(self, key: str) -> list[Event]:  # noqa: D102
        return self._events("finalize", key)

    def rename(self, key: str, speaker: str, name: str) -> list[Event]:  # noqa: D102
        return self._events("rename", key, speaker, name)

    def tell_words(self, key: str, *told: Any) -> list[Event]:  # noqa: D102
        return self._events("tell_words", key, *told)

    def state(self, key: str) -> tuple[bytes, float]:  # noqa: D102
        state: tuple[bytes, float] = self._ask("state", key)
        return state

    def checkpoint(self, key: str, known: frozenset[int]) -> Checkpoint:  # noqa: D102
        made: Checkpoint = self._ask("checkpoint", key, known)
        return made

    def renew(self, key: str, seq: int) -> Renewed:  # noqa: D102
        renewed: Renewed = self._ask("renew", key, seq)
        return renewed

    def close(self, key: str) -> list[Event]:  # noqa: D102
        return self._events("close", key)

    def drop(self, key: str) -> None:  # noqa: D102
        self._ask("drop", key)

    def warm_up(self) -> dict[str, str]:  # noqa: D102
        models: dict[str, str] = self._ask("warm_up")
        return models

    def check(self) -> None:
        """Raise EngineGone if the process has ended."""
        if not self._process.is_alive():
            raise self._gone()

    def shut_down(self) -> None:
        """End the process."""
        atexit.unregister(self._connection.close)
        self._connection.close()
        self._process.join(_GOODBYE)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()

    def _events(self, method: str, *given: Any) -> list[Event]:
        events: list[Event] = self._ask(method, *given)
        return events

    def _ask(self, method: str, *given: Any) -> Any:
        try:
            self._connection.send((method, given))
        except OSError:
            raise self._gone() from None
        return self._receive()

    def _receive(self) -> Any:
        """Return what a call returned, or raise what it raised."""
        try:
            kind, told = self._connection.recv()
        except (EOFError, OSError):
            raise self._gone() from None
        if kind == "refused":
            raise DiarError(told)
        if kind == "missing":
            raise KeyError(told)
        if kind == "broke":
            raise RuntimeError(told)
        return told

    def _gone(self) -> EngineGone:
        self._process.join(_GOODBYE)
        return EngineGone(f"the process that computes sessions ended (exit code {self._process.exitcode})")


def compute(connection: Connection, config: ServeConfig) -> None:
    """Open the networks, then do what is asked until the connection closes; runs in the process.

    Sends `("done", result)`, `("refused", message)` of a DiarError, `("missing", key)` or
    `("broke", message)`; the first is about the networks.
    """
    for number in (signal.SIGINT, signal.SIGTERM):  # the service drains, then closes the connection
        signal.signal(number, signal.SIG_IGN)
    log_as_parent()
    share_one_heap()
    os.environ["OMP_NUM_THREADS"] = str(config.threads)  # read when PyTorch is loaded
    from diar.service.computing.engine import ServiceEngine

    try:
        engine = ServiceEngine.of(config)
    except DiarError as error:
        connection.send(("refused", str(error)))
        return
    connection.send(("done", None))
    while True:
        try:
            method, given = connection.recv()
        except (EOFError, OSError):
            break
        connection.send(_outcome(engine, method, given))
    engine.shut_down()


def _outcome(engine: Any, method: str, given: tuple[Any, ...]) -> tuple[str, Any]:
    try:
        return "done", getattr(engine, method)(*given)
    except DiarError as error:
        return "refused", str(error)
    except KeyError as error:
        return "missing", str(error)
    except Exception as error:
        _LOG.exception("a session's audio could not be processed")
        return "broke", explain(error)
