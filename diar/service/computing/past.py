"""What happened to a stream since its last checkpoint, so that it can happen again."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from diar.online.events import Event
from diar.online.settings import SAMPLE_RATE, LiveSettings
from diar.service.computing.streams import Checkpoint

_KEPT = 5.0  # seconds of samples, or …
_MOST_GIVEN = 256  # … things that a stream was given, after which it should get a checkpoint


class Given(NamedTuple):
    """Something that an engine is asked to do with a stream."""

    method: str
    arguments: tuple[Any, ...]


@dataclass
class Past:
    """A stream: where it goes on from, and what happened since.

    Attributes:
        settings: of the stream.
        checkpoint: where it goes on from; None = from its beginning.
        given: since then, what changed it.
        told: since then, as clients see it.
        seq: of the last event that was told.
        seconds: of samples since then.
        deaths: of processes at which it was computed, since then.
        asked: what is being done.
        answer: to what was asked, of a process that was started again; an error is raised.
        unsaved: why it cannot have a checkpoint.
    """

    settings: LiveSettings
    checkpoint: Checkpoint | None
    given: list[Given] = field(default_factory=list)
    told: list[Event] = field(default_factory=list)
    seq: int = 0
    seconds: float = 0.0
    deaths: int = 0
    asked: Given | None = None
    answer: Any = None
    unsaved: str | None = None

    def note(self, given: Given, events: list[Event]) -> None:
        """Keep what changed it, and what it told."""
        if events:
            self.seq = events[-1].seq
        if given.method == "feed":
            self.seconds += len(given.arguments[0]) / SAMPLE_RATE
        if self.unsaved is None:
            self.given.append(given)
            self.told += events

    def is_told_by(self, events: list[Event]) -> bool:
        """Whether these are the events that were told, as clients see them."""
        return [event.to_dict() for event in events] == [event.to_dict() for event in self.told]

    def begin_anew(self, checkpoint: Checkpoint) -> None:
        """Go on from there."""
        old = {} if self.checkpoint is None else self.checkpoint.chunks
        chunks = {number: chunk or old[number] for number, chunk in checkpoint.chunks.items()}
        self.checkpoint, self.given, self.told = checkpoint._replace(chunks=chunks), [], []
        self.seconds, self.deaths = 0.0, 0

    @property
    def known_chunks(self) -> frozenset[int]:
        """Numbers of the chunks whose tracks are here."""
        return frozenset() if self.checkpoint is None else frozenset(self.checkpoint.chunks)

    @property
    def due(self) -> bool:
        """Whether it should get a checkpoint."""
        return self.unsaved is None and (self.seconds >= _KEPT or len(self.given) >= _MOST_GIVEN)
