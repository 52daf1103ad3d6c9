"""A thread that computes: the live sessions of its own go through the networks together.

The event loop never computes, so it answers while the networks are busy. The thread takes what has arrived
of all its sessions, at most a second of each, feeds the engine, and hands the events back. Whatever arrives
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
from diar.service.computing.inbox import Inbox
from diar.service.computing.streams import EngineGone, LaneEngine, Renewed

ResultT = TypeVar("ResultT")
_LOG = logging.getLogger("diar.service")
_CHECKED = 1.0  # seconds without work after which an engine is asked whether it lives
MOST_FED = SAMPLE_RATE  # samples of a session at once: one that sends a file does not hold up the others


class Member(Protocol):
    """A session, as the thread sees it."""

    inbox: Inbox

    def made(self, events: list[Any]) -> None:
        """Note that there are events, which will be delivered; called in the thread."""

    def delivered(self, events: list[Any]) -> None:
        """Take the events of samples that were fed, or a `Renewed`; called in the event loop."""

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

    def restarted(self) -> None:
        """Take note that a process which computes is started again."""


class Lane:
    """Sessions that one thread computes.

    Args:
        observer: is told of each batch, in the thread.
        loop: the event loop, which events are handed to.

    Attributes:
        running: there is an engine, and it computes.
        closed: why there will be none any more.
        stopping: `stop` was called.
    """

    def __init__(self, observer: Observer, loop: asyncio.AbstractEventLoop) -> None:
        self._observer, self._loop = observer, loop
        self._members: dict[str, Member] = {}
        self._calls: list[_Call] = []
        self._lock = threading.Lock()
        self._woken = threading.Event()
        self.closed: BaseException | None = None
        self.stopping = self.running = False

    def __len__(self) -> int:
        return len(self._members)

    def stop(self) -> None:
        """Let `run` return after what it is at."""
        self.stopping = True
        self._woken.set()

    def wake(self) -> None:
        """Say that samples arrived."""
        self._woken.set()

    async def call(self, do: Callable[[Any], ResultT], after: str | None = None) -> ResultT:
        """Do something with the engine, in the thread, between batches.

        Args:
            do: gets the engine; touches no sessions but those of this lane.
            after: key of a session whose waiting samples are fed before.
        """
        future: Future[ResultT] = Future()
        with self._lock:
            if self.closed is not None:
                raise self.closed
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

    def run(self, engine: LaneEngine) -> None:
        """Compute until `stop`; called in the thread.

        Raises:
            EngineGone: the engine has ended, and there will be none.
        """
        self.running = True
        try:
            while not self.stopping:
                while not self._woken.wait(_CHECKED):
                    engine.check()
                self._woken.clear()
                while self._work(engine):
                    pass
        finally:
            self.running = False

    def pause(self) -> None:
        """Note that the engine is started again, which takes a while; called in the thread."""
        self.running = False
        self._observer.restarted()

    def go_on(self) -> None:
        """Note that it computes again; called in the thread."""
        self.running = True

    def renew(self, key: str, renewed: Renewed) -> None:
        """Tell a session that its stream went on otherwise than was told; called in the thread."""
        with self._lock:
            member = self._members.get(key)
        if member is not None:
            member.made([renewed])
            self.hand_over(member.delivered, [renewed])

    def lose(self, key: str, reason: str) -> None:
        """End a session whose stream cannot go on; called in the thread."""
        with self._lock:
            member = self._members.pop(key, None)
        if member is not None:
            self.hand_over(member.broke, reason)

    def close(self, error: BaseException) -> None:
        """End all sessions, and refuse what was asked and what will be: there will be no engine."""
        with self._lock:
            self.closed = error
            members, self._members = self._members, {}
            calls, self._calls = self._calls, []
        for member in members.values():
            self.hand_over(member.broke, explain(error))
        for call in calls:
            if call.future.set_running_or_notify_cancel():
                call.future.set_exception(error)

    def hand_over(self, function: Callable[..., None], *arguments: Any) -> None:
        """Call a function in the event loop; calls keep their order."""
        self._loop.call_soon_threadsafe(function, *arguments)

    def _work(self, engine: LaneEngine) -> bool:
        """Do what was asked, feed what waits; return whether there was any."""
        asked = self._do_calls(engine)
        with self._lock:
            waiting = {key: member for key, member in self._members.items() if member.inbox.waiting}
        if waiting:
            self._feed(engine, waiting)
        return bool(waiting) or asked

    def _do_calls(self, engine: LaneEngine) -> bool:
        with self._lock:
            due = [call for call in self._calls if not self._must_wait(call)]
            self._calls = [call for call in self._calls if call not in due]
        for number, call in enumerate(due):
            if not call.future.set_running_or_notify_cancel():
                continue
            try:
                call.future.set_result(call.do(engine))
            except EngineGone as error:
                with self._lock:  # `close` answers those that were not done yet
                    self._calls = [*due[number + 1 :], *self._calls]
                call.future.set_exception(error)
                raise
            except BaseException as error:  # whoever asked gets it
                call.future.set_exception(error)
        return bool(due)

    def _must_wait(self, call: _Call) -> bool:
        member = self._members.get(call.key) if call.key is not None else None
        return member is not None and member.inbox.waiting > 0

    def _feed(self, engine: LaneEngine, waiting: Mapping[str, Member]) -> None:
        started, waited = time.monotonic(), max(member.inbox.age() for member in waiting.values())
        samples = {key: member.inbox.take(MOST_FED) for key, member in waiting.items()}
        for key, events in self._fed(engine, samples).items():
            waiting[key].made(events)
            self.hand_over(waiting[key].delivered, events)
        audio = sum(len(piece) for piece in samples.values()) / SAMPLE_RATE
        self._observer.fed(len(samples), audio, time.monotonic() - started, waited)

    def _fed(self, engine: LaneEngine, samples: dict[str, np.ndarray]) -> dict[str, list[Any]]:
        """Feed all together; if the engine refuses, one by one, so that one session cannot hurt others."""
        try:
            return dict(engine.feed(samples))
        except EngineGone:
            raise
        except Exception as error:
            if len(samples) > 1:
                parts = (self._fed(engine, {key: piece}) for key, piece in samples.items())
                return {key: events for part in parts for key, events in part.items()}
            ((key, _),) = samples.items()
            if not isinstance(error, DiarError):
                _LOG.exception("a session's audio could not be processed")
            self.lose(key, explain(error))
            return {}
