"""One live stream of a worker: its place in the topic, its samples, what was told."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from diar.connectors.kafka.audio.checkpoints import Checkpoint, Place
from diar.connectors.kafka.audio.samples import Form, Samples
from diar.connectors.kafka.errors import PoisonError
from diar.connectors.kafka.messages.outgoing import Headers, Outgoing
from diar.connectors.kafka.messages.schemas import EVENT
from diar.online.events import Event
from diar.online.stream import Stream

_LONGEST_GAP = 30.0  # seconds of lost messages that become silence


@dataclass
class LiveStream:
    """A stream.

    Attributes:
        place: of its records.
        samples: of its messages.
        sequence: of its next message.
        begin: offset of the first message that its state does not hold.
        told: number of the last event that was sent.
        replaying: what it hears was heard by a worker before, which has sent the events.
        saved_at: second of the stream at which its state was saved last; None = never.
        chunks: numbers of those whose tracks have records.
        arrived: when its last message came to the broker, seconds since the epoch.
        heard_at: when anything came last, monotonic.
        waiting: samples that are to be fed.
        ended: its last message has come.
        lost: messages that never came.
        parts: records of its last saved state.
    """

    place: Place
    samples: Samples
    sequence: int = 0
    begin: int = 0
    told: int = 0
    replaying: bool = False
    saved_at: float | None = None
    chunks: frozenset[int] = frozenset()
    arrived: float = 0.0
    heard_at: float = field(default_factory=time.monotonic)
    waiting: list[np.ndarray] = field(default_factory=list)
    ended: bool = False
    lost: int = 0
    parts: int = 0

    @classmethod
    def of(cls, place: Place, checkpoint: Checkpoint) -> LiveStream:
        """Return a stream that goes on."""
        samples = Samples(checkpoint.form, checkpoint.samples, checkpoint.made, checkpoint.tail)
        return cls(
            place,
            samples,
            checkpoint.sequence,
            checkpoint.offset,
            max(checkpoint.told, checkpoint.seq),
            replaying=True,
            saved_at=0.0,
            chunks=frozenset(checkpoint.chunks),
            parts=len(checkpoint.parts()),
        )

    def take(self, sequence: int, form: Form, data: bytes, end: bool) -> None:
        """Take a message; one that came before is left out.

        Raises:
            PoisonError: another form than before, or no samples; the stream goes on without it.
        """
        self.heard_at = time.monotonic()
        if sequence < self.sequence:
            return
        if form != self.samples.form:
            raise PoisonError("audio", f"a stream of {self.samples.form} has a message of {form}")
        form.mono(data)  # raises before anything has changed
        self._fill(sequence - self.sequence, data)
        self.waiting.append(self.samples.take(data))
        self.sequence, self.ended = sequence + 1, end
        if end:
            self.waiting.append(self.samples.finish())

    def _fill(self, missing: int, data: bytes) -> None:
        """Put silence in the place of messages that never came, as long as this one, so that times stay."""
        if not missing or not self.samples.count:
            return
        self.lost += missing
        length = missing * (len(data) // self.samples.form.frame_bytes)
        most = round(_LONGEST_GAP * self.samples.form.rate)
        self.waiting.append(self.samples.silence(min(length, most)))

    def taken(self) -> np.ndarray:
        """Return the samples that wait, which wait no more."""
        waiting, self.waiting = self.waiting, []
        return np.concatenate([*waiting, np.zeros(0, np.float32)])

    def events(self, topic: str, events: Sequence[Event]) -> Iterator[Outgoing]:
        """Yield events as messages."""
        for event in events:
            headers: Headers = {"schema": EVENT, "type": event.type}
            yield Outgoing(topic, self.place.key, event.to_json().encode(), self.place.partition, headers)

    def checkpoint(self, stream: Stream | None, offset: int) -> list[Outgoing]:
        """Return the records from which the stream goes on at a message of its partition.

        Args:
            stream: None where nothing was heard yet.
            offset: of that message.
        """
        kept: frozenset[int] = frozenset()
        new: Mapping[int, bytes] = {}
        if stream is not None:
            kept, new = stream.chunks(self.chunks)
        saved = Checkpoint(
            offset,
            self.samples.form,
            self.sequence,
            self.samples.count,
            self.samples.made,
            0 if stream is None else stream.seq,
            tail=self.samples.tail,
            state=b"" if stream is None else stream.state(0),
            chunks=dict.fromkeys(kept, b""),
        )
        records = [self.place.of_chunk(number, content) for number, content in new.items()]
        records += [self.place.of_chunk(number, None) for number in sorted(self.chunks - kept)]
        self.chunks, self.saved_at = kept, 0.0 if stream is None else stream.time
        records += self.place.of_state(saved, self.parts)
        self.parts = len(saved.parts())
        return records

    def forgotten(self) -> Iterator[Outgoing]:
        """Yield what makes its state forgotten."""
        yield from self.place.forgotten(self.chunks, self.parts)
