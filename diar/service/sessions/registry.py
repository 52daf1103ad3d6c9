"""All live sessions of this process: begun, found, resumed, ended."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from diar.errors import DiarError
from diar.online.settings import SAMPLE_RATE
from diar.service.computing.compute import Compute
from diar.service.computing.lane import Lane
from diar.service.computing.streams import Begun, Checkpoint, LaneEngine
from diar.service.config import ServeConfig
from diar.service.problems import Problem
from diar.service.security.audit import Audit
from diar.service.security.callers import Caller
from diar.service.security.names import checked_identifier, new_identifier
from diar.service.sessions.opening import Opening
from diar.service.sessions.saving import Saved, Saving
from diar.service.sessions.session import Session, Watcher
from diar.service.words.desk import WordsDesk, captions_of
from diar.service.words.wanted import check_words

_LOG = logging.getLogger("diar.service")
_LOOK = 0.5  # seconds from one look at idle sessions to the next
_LAST_WORDS = 1.0  # seconds for clients to be told, before their connections are closed
MOST_GAP = 60.0  # seconds of lost audio that are filled with silence


class Sessions:
    """The sessions of this process. Used in the event loop only.

    Args:
        config: limits.
        compute: what feeds the engine.
        saving: where sessions are saved.
        watcher: is told of events.
        audit: is told of beginnings and ends.
        words: recognises those of sessions that want them.

    Attributes:
        draining: no session begins any more.
    """

    def __init__(
        self,
        config: ServeConfig,
        compute: Compute,
        saving: Saving,
        watcher: Watcher,
        audit: Audit,
        words: WordsDesk,
    ) -> None:
        self._config, self._compute, self._saving = config, compute, saving
        self._watcher, self._audit, self._words = watcher, audit, words
        self._sessions: dict[str, Session] = {}
        self._opening: Counter[str] = Counter()  # callers whose sessions are being opened
        self.draining = False

    def __len__(self) -> int:
        return sum(session.open for session in self._sessions.values())

    def of_tenant(self, tenant: str) -> list[Session]:
        """Return a tenant's sessions."""
        return [session for session in self._sessions.values() if session.caller.tenant == tenant]

    async def begin(self, caller: Caller, opening: Opening) -> Session:
        """Begin a session.

        Raises:
            Problem: too many, draining, not ready, or words that cannot be had.
        """
        session = await self._open(new_identifier("s"), caller, opening, None)
        self._audit.write("session.start", caller, "ok", session=session.id, **opening.to_dict())
        return session

    def find(self, caller: Caller, identifier: str) -> Session:
        """Return a session of the caller's tenant; raises Problem `not_found`."""
        session = self._sessions.get(checked_identifier("s", identifier))
        if session is None or session.caller.tenant != caller.tenant:
            raise Problem("not_found", "there is no such session")
        return session

    async def resume(self, caller: Caller, identifier: str, *, take_over: bool) -> Session:
        """Return a session that is here, or go on with one that another replica saved.

        Args:
            caller: who asks; the session must be of the same tenant.
            identifier: of the session.
            take_over: even from a replica that seems to be alive, because its client came here.

        Raises:
            Problem: not_found; conflict: it is at another replica.
        """
        try:
            return self.find(caller, identifier)
        except Problem:
            saved = await self._saving.load(identifier)
        if saved is None or saved.caller.tenant != caller.tenant:
            raise Problem("not_found", "there is no such session")
        if not take_over and not await self._saving.is_orphan(identifier):
            raise Problem(
                "conflict", "the session is at another replica: send its requests there", retry_after=3
            )
        await self._saving.claim(identifier)
        session = await self._open(identifier, saved.caller, saved.opening, saved)
        self._audit.write("session.resume", caller, "ok", session=identifier, position=session.position)
        return session

    async def place(self, session: Session, position: float | None) -> int:
        """Make audio that begins at `position` go on where the session's ends.

        Returns:
            samples at 16 kHz to leave out at the beginning of what comes.

        Raises:
            Problem: conflict: so much is missing that the session cannot go on.
        """
        gap = 0 if position is None else round(position * SAMPLE_RATE) - session.inbox.received
        if gap > MOST_GAP * SAMPLE_RATE:
            raise Problem(
                "conflict",
                f"{gap / SAMPLE_RATE:.0f} s of audio are missing, at most {MOST_GAP:.0f} are bridged",
            )
        if gap > 0:
            await session.add(np.zeros(gap, np.float32))
        return max(0, -gap)

    async def end(self, session: Session, reason: str) -> None:
        """Process what was received, and end a session."""
        was_open = session.open
        await session.finish()
        if was_open:
            await self._saving.forget(session.id)
            facts = {
                "reason": reason,
                "seconds": round(session.position, 1),
                "speakers": len(_speakers(session)),
            }
            outcome = "ok" if session.problem is None else session.problem.code
            self._audit.write("session.end", session.caller, outcome, session=session.id, **facts)

    async def keep_house(self) -> None:
        """End sessions that are idle or too long, forget those that are over; for ever."""
        while True:
            await asyncio.sleep(_LOOK)
            for session in list(self._sessions.values()):
                try:
                    await self._look_at(session)
                except Exception:  # the others are looked at all the same
                    _LOG.exception("session %s could not be ended", session.id)

    async def save_all(self) -> None:
        """Save sessions as often as is configured, for ever; each lane's by themselves: one may wait."""
        await asyncio.gather(*(self._save_lane(lane) for lane in self._compute.lanes))

    async def _save_lane(self, lane: Lane) -> None:
        while True:
            await asyncio.sleep(self._config.save_seconds)
            if not self._saving.possible:
                continue
            started = time.monotonic()
            for session in self._open_in(lane):
                try:
                    await self.save(session)
                except Exception:  # the others are saved all the same
                    _LOG.exception("session %s was not saved", session.id)
            self._saving.took(time.monotonic() - started)

    def _open_in(self, lane: Lane) -> list[Session]:
        return [one for one in self._sessions.values() if one.open and one.lane is lane]

    async def save(self, session: Session) -> None:
        """Save a session; drop it if it has gone on at another replica."""
        if not await self._saving.save(session, self._config.keep_seconds):
            await session.drop(Problem("conflict", "the session goes on at another replica"))
            self._audit.write("session.moved", session.caller, "ok", session=session.id)

    async def drain(self) -> None:
        """Tell all clients to come back elsewhere, and save their sessions."""
        self.draining = self._words.hurried = True
        await asyncio.gather(*(self._drain_lane(lane) for lane in self._compute.lanes))
        until = time.monotonic() + _LAST_WORDS
        while any(one.readers for one in self._sessions.values()) and time.monotonic() < until:
            await asyncio.sleep(0.02)

    async def _drain_lane(self, lane: Lane) -> None:
        for session in self._open_in(lane):
            if self._saving.possible:
                await self._saving.save(session, self._config.keep_seconds, release=True)
                await session.drop(
                    Problem("draining", "this replica ends: reconnect, the session goes on", 0.0)
                )
            else:
                await self.end(session, "draining")

    async def _look_at(self, session: Session) -> None:
        if session.open and session.inbox.waiting:
            session.touch()  # its client need not send more while the process that computes is started again
        config, quiet = self._config, time.monotonic() - session.touched
        patience = config.keep_seconds if session.feeder is None else config.idle_seconds
        if not session.open:
            if quiet > config.keep_seconds and not session.readers:
                self._sessions.pop(session.id, None)
        elif quiet > patience and session.feeder is None and not session.readers:
            await self.end(session, "abandoned")
        elif quiet > patience:
            await self._end_with(session, Problem("idle", f"no audio and no KeepAlive for {patience:.0f} s"))
        elif session.position > config.session_hours * 3600:
            await self._end_with(
                session, Problem("too_large", f"sessions end after {config.session_hours:g} h")
            )

    async def _end_with(self, session: Session, problem: Problem) -> None:
        session.parting = problem
        await self.end(session, problem.code)

    async def _open(self, identifier: str, caller: Caller, opening: Opening, saved: Saved | None) -> Session:
        self._check_room(caller)
        self._opening[caller.key] += 1
        try:
            opening = await self._with_words(opening, saved)
            session = Session(
                identifier, caller, opening, self._compute.lane(), self._watcher, self._config.buffer_seconds
            )
            begun = await session.lane.call(self._opener(session, saved))
        except DiarError as error:
            raise Problem("failed", f"the session cannot begin: {error}") from None
        finally:
            self._opening[caller.key] -= 1
        self._sessions[identifier] = session
        if opening.words:
            restored, done = (None, 0.0) if saved is None else (begun.heard, saved.words_done)
            session.captions = captions_of(session, restored, done)
            session.last_words = self._words.finish
            self._words.add(session)
        session.lane.add(identifier, session)
        return session

    async def _with_words(self, opening: Opening, saved: Saved | None) -> Opening:
        """Open the recogniser where words are wanted; a saved session goes on without it if need be."""
        if not opening.words:
            return opening
        try:
            check_words(self._config, opening.language)
            await self._words.open(opening.language)
        except Problem as problem:
            if saved is None:
                raise
            _LOG.warning("a session goes on without words: %s", problem)
            return replace(opening, words=False, language=None)
        return opening

    def _opener(self, session: Session, saved: Saved | None) -> Callable[[LaneEngine], Begun]:
        """Return what opens the stream, in the thread."""
        settings = session.opening.settings(self._config.hop)

        def open_stream(engine: LaneEngine) -> Begun:
            past = None if saved is None else Checkpoint(saved.state, saved.words_done)
            begun = engine.begin(session.id, settings, past)
            if saved is not None:
                session.restored(begun.time, saved.next_seq, begun.turns, begun.names)
            return begun

        return open_stream

    def _check_room(self, caller: Caller) -> None:
        if self.draining:
            raise Problem("draining", "this replica ends: try again", retry_after=1)
        if not self._compute.ready:
            raise Problem("full", "the networks are being loaded", retry_after=5)
        own = sum(one.open and one.caller.key == caller.key for one in self._sessions.values())
        if own + self._opening[caller.key] >= self._config.caller_sessions:
            raise Problem(
                "too_many", f"{own} sessions are open, at most {self._config.caller_sessions} a caller", 10
            )
        if len(self) + self._opening.total() >= self._config.max_sessions:
            raise Problem("full", f"all {self._config.max_sessions} sessions of this replica are taken", 10)


def _speakers(session: Session) -> set[str]:
    return session.board.speakers()
