"""Where streams go on: records of a compacted topic, read when a partition is taken over.

A stream has a record under its own key, one for the number of its last event, and one for each chunk whose
tracks are kept. All are sent in the transaction of the events that they belong to.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from diar.connectors.kafka.audio.samples import Form
from diar.connectors.kafka.client import LOG
from diar.connectors.kafka.errors import PoisonError
from diar.connectors.kafka.intake import read_partition
from diar.connectors.kafka.messages.checking import parse
from diar.connectors.kafka.messages.outgoing import Outgoing
from diar.connectors.kafka.messages.schemas import STATE

_SEQ, _CHUNK, _PART = b"\0seq", b"\0chunk\0", b"\0part\0"
_PART_BYTES = 400_000  # of a state in one message; a broker takes 1 MB unless it is told otherwise


@dataclass(frozen=True)
class Checkpoint:
    """A stream as it is kept.

    Attributes:
        offset: of the first message of its partition that is not in it.
        form: of its samples.
        sequence: of its next message.
        samples: that came so far, at the stream's own rate.
        made: samples at 16 kHz of them.
        seq: of the last event at the time.
        told: of the last event that was sent since.
        tail: of its samples.
        state: of `online.Stream`; empty where nothing was heard.
        chunks: tracks by number, which are not in the state.
    """

    offset: int
    form: Form
    sequence: int
    samples: int = 0
    made: int = 0
    seq: int = 0
    told: int = 0
    tail: bytes = b""
    state: bytes = b""
    chunks: dict[int, bytes] = field(default_factory=dict)

    def to_bytes(self) -> bytes:
        """Return the record without chunks."""
        header = {
            "schema": STATE,
            "offset": self.offset,
            **self.form.to_dict(),
            "sequence": self.sequence,
            "samples": self.samples,
            "made": self.made,
            "seq": self.seq,
            "chunks": sorted(self.chunks),
            "tail": len(self.tail),
            "bytes": len(self.state),
        }
        return json.dumps(header).encode() + b"\n" + self.tail + self.state

    def parts(self) -> list[bytes]:
        """Return the record in parts that brokers take."""
        whole = self.to_bytes()
        return [whole[at : at + _PART_BYTES] for at in range(0, len(whole), _PART_BYTES)]

    @classmethod
    def from_bytes(cls, content: bytes) -> Checkpoint:
        """Return what `to_bytes` wrote; raises PoisonError for anything else."""
        line, _, rest = content.partition(b"\n")
        header = parse(line, STATE)
        tail = header["tail"]
        if len(rest) != tail + header["bytes"]:
            raise PoisonError("state", f"{len(rest)} bytes in place of {tail + header['bytes']}")
        return cls(
            header["offset"],
            Form(header["format"], header["rate"], header["channels"]),
            header["sequence"],
            header["samples"],
            header["made"],
            header["seq"],
            header["seq"],
            rest[:tail],
            rest[tail:],
            dict.fromkeys(header["chunks"], b""),
        )


@dataclass(frozen=True)
class Place:
    """The records of one stream."""

    topic: str
    partition: int
    key: bytes

    def of_state(self, checkpoint: Checkpoint, parts: int) -> list[Outgoing]:
        """Return the records of a checkpoint; of the `parts` before, those are forgotten that it has not."""
        contents: list[bytes | None] = [*checkpoint.parts()]
        contents += [None] * (parts - len(contents))
        keys = [self.key, *(self.key + _PART + str(number).encode() for number in range(1, len(contents)))]
        pairs = zip(keys, contents, strict=True)
        return [Outgoing(self.topic, key, content, self.partition) for key, content in pairs]

    def of_told(self, seq: int) -> Outgoing:
        """Return the record of the last event that was sent."""
        return Outgoing(self.topic, self.key + _SEQ, str(seq).encode(), self.partition)

    def of_chunk(self, number: int, content: bytes | None) -> Outgoing:
        """Return the record of a chunk; None = it is forgotten."""
        return Outgoing(self.topic, self.key + _CHUNK + str(number).encode(), content, self.partition)

    def forgotten(self, chunks: frozenset[int], parts: int) -> Iterator[Outgoing]:
        """Yield what makes a stream forgotten."""
        more = [self.key + _PART + str(number).encode() for number in range(1, parts)]
        for key in (self.key, self.key + _SEQ, *more):
            yield Outgoing(self.topic, key, None, self.partition)
        for number in chunks:
            yield self.of_chunk(number, None)


def read_checkpoints(settings: Mapping[str, Any], topic: str, partition: int) -> dict[bytes, Checkpoint]:
    """Return the streams of a partition that have not ended, by key."""
    records: dict[bytes, bytes] = {}
    for message in read_partition(settings, topic, partition):
        if message.value() is None:
            records.pop(message.key(), None)
        else:
            records[message.key()] = message.value()
    found = {}
    for key, content in records.items():
        if any(mark in key for mark in (_SEQ, _CHUNK, _PART)):
            continue
        try:
            found[key] = _complete(Checkpoint.from_bytes(_joined(key, content, records)), key, records)
        except (PoisonError, KeyError, ValueError) as error:
            LOG.warning("a stream cannot go on, its saved state is damaged: %s", error)
    return found


def _joined(key: bytes, first: bytes, records: Mapping[bytes, bytes]) -> bytes:
    """Return a record whose other parts are records of their own."""
    parts = [first]
    while (part := records.get(key + _PART + str(len(parts)).encode())) is not None:
        parts.append(part)
    return b"".join(parts)


def _complete(checkpoint: Checkpoint, key: bytes, records: Mapping[bytes, bytes]) -> Checkpoint:
    """Add what is in records of its own."""
    chunks = {number: records[key + _CHUNK + str(number).encode()] for number in checkpoint.chunks}
    return replace(checkpoint, chunks=chunks, told=int(records.get(key + _SEQ, b"0")))
