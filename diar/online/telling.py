"""Events get their numbers and times."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from diar.online.events import Event


@dataclass(frozen=True)
class Draft:
    """An event without number and time; `moment` is the second that it tells of."""

    kind: type[Event]
    moment: float
    fields: Mapping[str, Any]


class Telling:
    """The events of a stream that were not taken yet.

    Attributes:
        seq: number of the last event.
    """

    def __init__(self) -> None:
        self.seq = 0
        self._events: list[Event] = []

    def tell(self, drafts: Iterable[Draft], time: float) -> None:
        """Make events at second `time` of the stream."""
        for draft in drafts:
            self.seq += 1
            self._events.append(draft.kind(self.seq, time, max(0.0, time - draft.moment), **draft.fields))

    def taken(self) -> list[Event]:
        """Return the events since the last call."""
        events, self._events = self._events, []
        return events
