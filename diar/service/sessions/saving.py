"""Sessions in Redis, so that another replica can go on with them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

from diar.service.computing.streams import LaneEngine
from diar.service.problems import Problem
from diar.service.security.callers import Caller
from diar.service.security.names import checked_identifier
from diar.service.sessions.opening import Opening
from diar.service.sessions.session import Session
from diar.service.shared.store import Shared

ALIVE = 5.0  # seconds for which a replica counts as alive after it last said so
VERSION = 2


@dataclass(frozen=True)
class Saved:
    """A session as it is kept."""

    caller: Caller
    opening: Opening
    next_seq: int
    state: bytes  # the stream's own
    words_done: float = 0.0  # second up to which words were told

    def to_bytes(self) -> bytes:
        """Return a line of JSON and the state."""
        header = {
            "version": VERSION,
            "caller": self.caller.to_json(),
            "opening": self.opening.to_dict(),
            "next_seq": self.next_seq,
            "words_done": self.words_done,
        }
        return json.dumps(header).encode() + b"\n" + self.state

    @classmethod
    def from_bytes(cls, content: bytes) -> Saved | None:
        """Return what `to_bytes` wrote; None if another version did."""
        line, _, state = content.partition(b"\n")
        header = json.loads(line)
        if header.pop("version") != VERSION:
            return None
        return cls(
            Caller.from_json(header["caller"]),
            Opening(**header["opening"]),
            header["next_seq"],
            state,
            header.get("words_done", 0.0),
        )


class Saving:
    """Saves sessions and finds those of other replicas.

    Args:
        shared: the store.
        replica: name of this process.
        took: is told how many seconds it took to save all.
    """

    def __init__(self, shared: Shared, replica: str, took: Callable[[float], None]) -> None:
        self._shared, self._replica, self.took = shared, replica, took

    @property
    def possible(self) -> bool:
        """Whether sessions can be saved now."""
        return self._shared.there

    async def save(self, session: Session, seconds: float, *, release: bool = False) -> bool:
        """Save a session that has heard more since the last time.

        Args:
            session: to be saved.
            seconds: how long it is kept.
            release: nobody owns it from now on.

        Returns:
            False if another replica has it now.
        """

        async with session.saving:  # a save that is under way must not make a released session ours again
            if session.released:
                return True
            session.released = release
            return await self._save(session, seconds, release)

    async def _save(self, session: Session, seconds: float, release: bool) -> bool:
        def state(engine: LaneEngine) -> tuple[bytes, float, int, int]:
            return *engine.state(session.id), session.inbox.taken, session.made_seq

        content, words_done, taken, next_seq = await session.lane.call(
            state, after=session.id if release else None
        )
        saved = Saved(session.caller, session.opening, next_seq, content, words_done).to_bytes()
        owner, key = _owner(session.id), _key(session.id)
        kept = await self._shared.try_remote(
            lambda store: store.set_owned(owner, self._replica, key, saved, seconds)
        )
        if kept and release:
            await self._shared.try_remote(lambda store: store.drop(owner))
        session.saved_at = taken
        return kept is not False

    async def load(self, identifier: str) -> Saved | None:
        """Return what any replica saved; None if there is nothing.

        Raises:
            Problem: conflict: it was saved by another version of the program.
        """
        key = _key(checked_identifier("s", identifier))
        content = await self._shared.try_remote(lambda store: store.get(key))
        if content is None:
            return None
        saved = Saved.from_bytes(content)
        if saved is None:
            raise Problem("conflict", "the session was saved by another version of diar: begin a new one")
        return saved

    async def is_orphan(self, identifier: str) -> bool:
        """Whether the replica that had a session is gone."""
        owner = await self._shared.try_remote(lambda store: store.get(_owner(identifier)))
        if owner is None:
            return True
        return await self._shared.try_remote(lambda store: store.get(_replica(owner.decode()))) is None

    async def claim(self, identifier: str) -> None:
        """Make a session this replica's."""
        await self._shared.try_remote(
            lambda store: store.set(_owner(identifier), self._replica.encode(), 60.0)
        )

    async def forget(self, identifier: str) -> None:
        """Forget a session that is over."""
        for key in (_key(identifier), _owner(identifier)):
            await self._shared.try_remote(lambda store, key=key: store.drop(key))  # type: ignore[misc]

    async def say_alive(self) -> None:
        """Say that this replica is alive."""
        await self._shared.try_remote(lambda store: store.set(_replica(self._replica), b"alive", ALIVE))


def _key(identifier: str) -> str:
    return f"session:{identifier}"


def _owner(identifier: str) -> str:
    return f"owner:{identifier}"


def _replica(name: str) -> str:
    return f"replica:{name}"
