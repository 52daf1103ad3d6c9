"""One live session: its audio on the way in, its events on the way out."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Protocol

import numpy as np

from diar.errors import DiarError, explain
from diar.online.events import Event, SessionEnded, TurnEvent
from diar.online.settings import SAMPLE_RATE
from diar.online.words.captions import Captions, Told
from diar.service.computing.inbox import Inbox
from diar.service.computing.lane import Lane
from diar.service.computing.streams import Renewed
from diar.service.problems import Problem
from diar.service.security.callers import Caller
from diar.service.sessions.board import Board
from diar.service.sessions.event_log import Entry, EventLog
from diar.service.sessions.opening import Opening

_LOG = logging.getLogger("diar.service")


class Watcher(Protocol):
    """What is told of a session's events."""

    def told(self, session: Session, event: Event, latency: float | None) -> None:
        """Take note of an event, and of the seconds since the audio that it is about arrived."""


class Session:
    """A session of this process. Used in the event loop only.

    Args:
        identifier: of the session.
        caller: whose it is.
        opening: what audio comes.
        lane: what feeds it to the engine.
        watcher: is told of events.
        buffer: seconds of audio that may wait.

    Attributes:
        lane: see above.
        problem: why it broke off; None while all is well.
        parting: why it was ended in good order, where its client did not ask for that.
        readers: connections that get its events.
        feeder: the one connection that may send audio.
        touched: when its client was last heard of, by the monotonic clock.
    """

    def __init__(
        self,
        identifier: str,
        caller: Caller,
        opening: Opening,
        lane: Lane,
        watcher: Watcher,
        buffer: float,
    ) -> None:
        self.id, self.caller, self.opening = identifier, caller, opening
        self.lane, self._watcher = lane, watcher
        self._most_waiting = round(buffer * SAMPLE_RATE)
        self.inbox, self.log, self.board = Inbox(), EventLog(), Board()
        self._room = asyncio.Event()
        self.problem: Problem | None = None
        self.parting: Problem | None = None
        self.ended: SessionEnded | None = None
        self.readers = 0
        self.feeder: object | None = None
        self.began = self.touched = time.monotonic()
        self.heard = False  # somebody has spoken
        self._finishing: asyncio.Task[None] | None = None
        self.made_seq = 1  # of the event to come, as the thread knows it
        self.saved_at = -1  # samples that were fed when it was last saved
        self.saving = asyncio.Lock()
        self.released = False  # was saved for any other replica to go on with
        self.words_shown = 0.0  # second up to which words were told, certain or not
        self._telling: set[asyncio.Task[None]] = set()
        self.captions: Captions | None = None  # where words are wanted
        self.last_words: Callable[[Session], Awaitable[None]] | None = None  # waits for them at the end

    @property
    def open(self) -> bool:
        """Whether audio can come."""
        return self.ended is None and self.problem is None

    @property
    def position(self) -> float:
        """Seconds of audio that were received."""
        return self.inbox.received / SAMPLE_RATE

    def restored(self, position: float, next_seq: int, turns: Iterable[Any], names: dict[str, str]) -> None:
        """Go on from a saved state, before any audio."""
        self.inbox = Inbox(round(position * SAMPLE_RATE))
        self.log, self.board, self.made_seq = EventLog(next_seq), Board(turns, names), next_seq
        self.heard = bool(self.board.turns)

    def touch(self) -> None:
        """Note that the client is there."""
        self.touched = time.monotonic()

    async def add(self, samples: np.ndarray) -> None:
        """Take samples (n,) at 16 kHz; wait while too many wait to be processed.

        Raises:
            Problem: the session is over.
        """
        self.touch()
        while self.open and self.inbox.waiting > self._most_waiting:
            self._room.clear()
            await self._room.wait()
            self.touch()
        self.check_open()
        if len(samples):
            self.inbox.put(samples)
            if self.captions is not None:
                self.captions.hear(samples)
            self.lane.wake()

    def check_open(self) -> None:
        """Raise Problem if the session is over."""
        if self.problem is not None:
            raise self.problem
        if self.ended is not None or self._finishing is not None:
            raise Problem("gone", "the session has ended")

    async def finalize(self) -> None:
        """Make final what is pending, after all audio that was received."""
        await self._ask(lambda engine: engine.finalize(self.id))

    async def rename(self, speaker: str, name: str) -> None:
        """Give a speaker a name; raises Problem `bad_request`."""
        try:
            await self._ask(lambda engine: engine.rename(self.id, speaker, name))
        except DiarError as error:
            raise Problem("bad_request", str(error)) from None

    async def finish(self) -> None:
        """Process what was received, and end, with a problem where that fails; several may ask for it."""
        if self.open and self._finishing is None:
            self._finishing = asyncio.ensure_future(self._finish())
        if self._finishing is not None:
            await asyncio.shield(self._finishing)

    async def _finish(self) -> None:
        try:
            await self._finish_words()
            await self.lane.call(lambda engine: self._hand(engine.close(self.id)), after=self.id)
        except Exception as error:  # whatever it is, readers must hear of an end
            if self.problem is None:
                _LOG.exception("a session's last audio could not be processed")
                self.broke(explain(error))
        self.lane.remove(self.id)

    async def _finish_words(self) -> None:
        """Wait for the words of all that was said; for them, the turns have to be final."""
        if self.last_words is not None and self.inbox.received:
            if self.captions is not None and self.inbox.waiting < SAMPLE_RATE:
                self.captions.close()  # the last look need not wait until the turns are final
            await self.lane.call(lambda engine: self._hand(engine.finalize(self.id)), after=self.id)
            await self.last_words(self)
            await asyncio.gather(*self._telling, return_exceptions=True)

    def tell_words(self, told: Told) -> None:
        """Tell words that were recognised; they get their number between those of the turns."""
        telling = self.lane.call(
            lambda engine: self._hand(
                engine.tell_words(self.id, told.words, told.partial, told.until, told.done)
            )
        )
        task = asyncio.ensure_future(telling)
        self._telling.add(task)
        task.add_done_callback(self._told)

    def _told(self, task: asyncio.Task[None]) -> None:
        self._telling.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, KeyError):  # the stream was closed meanwhile
            _LOG.error("words of a session could not be told", exc_info=error)

    async def drop(self, problem: Problem) -> None:
        """End without more events, telling readers why."""
        if self.open:
            self.fail(problem)
            await self.lane.call(self._forget)

    def fail(self, problem: Problem) -> None:
        """Note why the session is over, and let all that wait know."""
        self.problem = problem
        self.lane.remove(self.id)
        self._room.set()
        self.log.end()

    def made(self, events: Sequence[Event | Renewed]) -> None:
        """See `lane.Member`."""
        if events:
            self.made_seq = events[-1].seq + 1

    def delivered(self, events: Sequence[Event | Renewed]) -> None:
        """See `lane.Member`."""
        self._room.set()
        for event in events:
            if isinstance(event, Renewed):
                self._renew(event)
                continue
            self.board.take(event)
            if self.captions is not None and isinstance(event, TurnEvent):
                self.captions.turn(event)
            self._watcher.told(self, event, self._latency(event))
            self.log.append(Entry(event.seq, event.type, event.to_json()))
            if isinstance(event, SessionEnded):
                self.ended = event
                self.log.end()

    def _renew(self, renewed: Renewed) -> None:
        self.board.renew(renewed.turns, renewed.names)
        self.log.renew(renewed.seq + 1)
        if self.captions is not None:
            self.captions.renew(self.inbox.taken / SAMPLE_RATE)

    def broke(self, reason: str) -> None:
        """See `lane.Member`."""
        self.fail(Problem("internal", f"the audio could not be processed: {reason}"))
        asyncio.ensure_future(self.lane.call(self._forget))  # noqa: RUF006 - kept there

    def _forget(self, engine: Any) -> None:
        with contextlib.suppress(KeyError):  # closed meanwhile
            engine.drop(self.id)

    def snapshot(self) -> dict[str, Any]:
        """Return all that a client needs that knows nothing."""
        return {
            "type": "snapshot",
            "session": self.id,
            "next_seq": self.log.next_seq,
            "received_seconds": round(self.position, 4),
            "ended": self.ended is not None,
            **self.board.to_dict(),
            **(self.board.words_to_dict() if self.opening.words else {}),
        }

    async def _ask(self, do: Callable[[Any], list[Event]]) -> None:
        """Have the engine do something, after the audio that waits; its events are there on return."""
        self.touch()
        self.check_open()
        try:
            await self.lane.call(lambda engine: self._hand(do(engine)), after=self.id)
        except KeyError:  # the stream was lost meanwhile
            self.check_open()
            raise

    def _hand(self, events: list[Event]) -> None:
        """Hand events to the event loop, from the thread, in order with those of samples."""
        self.made(events)
        self.lane.hand_over(self.delivered, events)

    def _latency(self, event: Event) -> float | None:
        """Return the seconds from the arrival of the audio that an event is about until now."""
        moment = getattr(event, "start", None)
        if event.type == "turn.started":
            moment = event.turn.start  # type: ignore[attr-defined]
        arrived = None if moment is None else self.inbox.arrival(moment)
        return None if arrived is None else time.monotonic() - arrived
