"""The one thread that computes: all live sessions of a process go through the networks together.

The event loop never computes, so it answers while the networks are busy. The thread takes what has arrived
of all sessions, at most a second of each, feeds the engine, and hands the events back. Whatever arrives
meanwhile is the next batch: nobody waits for a batch to fill.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any, NamedTuple, Protocol, TypeVar

import numpy as np

from diar.errors import DiarError, explain
from diar.online.settings import SAMPLE_RATE
from diar.service.inbox import Inbox

ResultT = TypeVar("ResultT")
_LOG = logging.getLogger("diar.service")
_WARM = "warm-up"  # key of the stream that warms up; sessions begin with s_
MOST_FED = SAMPLE_RATE  # samples of a session at once: one that sends a file does not hold up the others


class Member(Protocol):
    """A session, as the thread sees it."""

    inbox: Inbox

    def made(self, events: list[Any]) -> None:
        """Note that there are events, which will be delivered; called in the thread."""

    def delivered(self, events: list[Any]) -> None:
        """Take the events of samples that were fed; called in the event loop."""

    def broke(self, reason: str) -> None:
        """End, because its samples could not be fed; called in the event loop."""


class _Call(NamedTuple):
    key: str | None  # of the session whose samples come first
    do: Callable[[Any], Any]
    future: Future[Any]


class Observer(Protocol):
    """What is told of each batch."""

    def fed(self, streams: int, audio: float, seconds: float, waited: float) -> None:
        """Take note: streams, seconds of audio of all, seconds it took, longest time that a sample waited."""


class Compute:
    """Runs an engine in a thread.

    Args:
        open_engine: makes the engine, in the thread; what it raises ends the start.
        observer: is told of each batch, in the thread.
    """

    def __init__(self, open_engine: Callable[[], Any], observer: Observer) -> None:
        self._open_engine, self._observer = open_engine, observer
        self._members: dict[str, Member] = {}
        self._calls: list[_Call] = []
        self._lock = threading.Lock()
        self._woken = threading.Event()
        self._stopping = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._run, name="compute", daemon=True)
        self.opened: Future[None] = Future()  # done once the networks are there

    def start(self) -> None:
        """Start the thread; called in the event loop."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    def stop(self) -> None:
        """End the thread after what it is at."""
        self._stopping = True
        self._woken.set()
        if self._thread.is_alive():
            self._thread.join()

    @property
    def ready(self) -> bool:
        """Whether the networks are there and the thread runs."""
        return self.opened.done() and self.opened.exception() is None and self._thread.is_alive()

    def wake(self) -> None:
        """Say that samples arrived."""
        self._woken.set()

    async def call(self, do: Callable[[Any], ResultT], after: str | None = None) -> ResultT:
        """Do something with the engine, in the thread, between batches.

        Args:
            do: gets the engine.
            after: key of a session whose waiting samples are fed before.
        """
        future: Future[ResultT] = Future()
        with self._lock:
            self._calls.append(_Call(after, do, future))
        self.wake()
        return await asyncio.wrap_future(future)

    def add(self, key: str, member: Member) -> None:
        """Feed a session that the engine has from now on."""
        with self._lock:
            self._members[key] = member

    def remove(self, key: str) -> None:
        """Feed a session no more."""
        with self._lock:
            self._members.pop(key, None)

    def _run(self) -> None:
        try:
            engine = self._open_engine()
        except BaseException as error:  # whoever waits for the networks gets it
            self.opened.set_exception(error)
            return
        self.opened.set_result(None)
        while not self._stopping:
            self._woken.wait()
            self._woken.clear()
            while self._work(engine):
                pass

    def _work(self, engine: Any) -> bool:
        """Do what was asked, feed what waits; return whether there was any."""
        asked = self._do_calls(engine)
        with self._lock:
            waiting = {key: member for key, member in self._members.items() if member.inbox.waiting}
        if waiting:
            self._feed(engine, waiting)
        return bool(waiting) or asked

    def _do_calls(self, engine: Any) -> bool:
        with self._lock:
            due = [call for call in self._calls if not self._must_wait(call)]
            self._calls = [call for call in self._calls if call not in due]
        for call in due:
            if not call.future.set_running_or_notify_cancel():
                continue
            try:
                call.future.set_result(call.do(engine))
            except BaseException as error:  # whoever asked gets it
                call.future.set_exception(error)
        return bool(due)

    def _must_wait(self, call: _Call) -> bool:
        member = self._members.get(call.key) if call.key is not None else None
        return member is not None and member.inbox.waiting > 0

    def _feed(self, engine: Any, waiting: Mapping[str, Member]) -> None:
        started, waited = time.monotonic(), max(member.inbox.age() for member in waiting.values())
        samples = {key: member.inbox.take(MOST_FED) for key, member in waiting.items()}
        for key, events in self._fed(engine, samples, waiting).items():
            waiting[key].made(events)
            self.hand_over(waiting[key].delivered, events)
        audio = sum(len(piece) for piece in samples.values()) / SAMPLE_RATE
        self._observer.fed(len(samples), audio, time.monotonic() - started, waited)

    def _fed(
        self, engine: Any, samples: dict[str, np.ndarray], members: Mapping[str, Member]
    ) -> dict[str, list[Any]]:
        """Feed all together; if the engine refuses, one by one, so that one session cannot hurt others."""
        try:
            return dict(engine.feed(samples))
        except Exception as error:
            if len(samples) > 1:
                parts = (self._fed(engine, {key: piece}, members) for key, piece in samples.items())
                return {key: events for part in parts for key, events in part.items()}
            ((key, _),) = samples.items()
            if not isinstance(error, DiarError):
                _LOG.exception("a session's audio could not be processed")
            self.remove(key)
            self.hand_over(members[key].broke, explain(error))
            return {}

    def hand_over(self, function: Callable[..., None], *arguments: Any) -> None:
        """Call a function in the event loop; calls keep their order."""
        assert self._loop is not None
        self._loop.call_soon_threadsafe(function, *arguments)


def warm_up(engine: Any) -> dict[str, str]:
    """Let the networks of an engine compute once; return what they are."""
    noise = 0.01 * np.random.default_rng(0).standard_normal(3 * SAMPLE_RATE).astype(np.float32)
    stream = engine.open(_WARM)
    events = stream.feed(noise)
    engine.drop(_WARM)
    models: dict[str, str] = events[0].models
    return models
