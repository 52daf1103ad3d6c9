"""The last events of a session, for every reader that wants them."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import NamedTuple

from diar.service.waiting import within

MOST_EVENTS = 2_000  # ten minutes; a reader that is further behind gets a snapshot


class Entry(NamedTuple):
    """One event."""

    seq: int
    type: str
    text: str  # JSON


class EventLog:
    """Events in order; readers wait for new ones. Used in the event loop only.

    Attributes:
        next_seq: of the event to come.
        ended: no event will come.
    """

    def __init__(self, next_seq: int = 1) -> None:
        self.next_seq = next_seq
        self.ended = False
        self._entries: deque[Entry] = deque(maxlen=MOST_EVENTS)
        self._news = asyncio.Event()

    def append(self, entry: Entry) -> None:
        """Add an event."""
        self._entries.append(entry)
        self.next_seq = entry.seq + 1
        self._tell()

    def renew(self, next_seq: int) -> None:
        """Forget all events: readers, who get no event before `next_seq`, need a snapshot."""
        self._entries.clear()
        self.next_seq = next_seq
        self._tell()

    def end(self) -> None:
        """Say that no event will come."""
        self.ended = True
        self._tell()

    def holds(self, seq: int) -> bool:
        """Whether all events after `seq` are here."""
        first = self._entries[0].seq if self._entries else self.next_seq
        return first <= seq + 1 <= self.next_seq

    def after(self, seq: int) -> list[Entry]:
        """Return the events after `seq` that are here."""
        if not self._entries or self._entries[-1].seq <= seq:
            return []
        skipped = max(0, seq + 1 - self._entries[0].seq)
        return [self._entries[place] for place in range(skipped, len(self._entries))]

    async def news(self, seq: int, seconds: float) -> bool:
        """Wait until there are events after `seq`, or none will come; return False if that takes too long."""
        while self.next_seq <= seq + 1 and not self.ended:
            try:
                await within(seconds, self._news.wait())
            except TimeoutError:
                return False
        return True

    def _tell(self) -> None:
        self._news.set()
        self._news = asyncio.Event()
