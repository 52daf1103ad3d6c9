"""Long recordings, section by section.

A section is a few chunks, two minutes of audio. It is stored once it is embedded, so an interrupted run
loses no more than that. Several ranks may share a recording: each reads all of it, which is cheap, and embeds
the sections that it claims. The rank that stores the last one assembles the recording.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, field

import torch.distributed as dist

from diar import storage
from diar.archive.recording import Recording
from diar.embedding.rows import ChunkEmbeddings
from diar.embedding.stored import from_bytes, to_bytes
from diar.jobs.extract.plan import Key
from diar.reading import ReadChunk
from diar.store.layout import Layout

_CHUNKS = 4  # of each channel in a section
_LONG = 600.0  # seconds of audio from which a recording has sections
_SHARED = 4  # a recording of more than a quarter of a rank's part of the work is shared


def shared_shards(order: list[tuple[int, int]], alone: set[int], world_size: int) -> list[int]:
    """Return the shards that all ranks do together: a recording that would keep one rank after the others.

    Args:
        order: (shard, bytes) to do.
        alone: shards of a single recording.
        world_size: number of ranks.
    """
    most = sum(size for _, size in order) / (_SHARED * world_size)
    return [shard for shard, size in order if shard in alone and size > most and world_size > 1]


def remove_sections(layout: Layout, shard: int | None = None) -> None:
    """Delete the sections of a shard that is done, or of all shards."""
    shards = [shard] if shard is not None else map(int, storage.list_names(layout.all_sections))
    for number in shards:
        folder = layout.sections(number)
        for recording in storage.list_names(folder):
            for name in storage.list_names(storage.join(folder, recording)):
                storage.remove(storage.join(folder, recording, name))
        storage.remove_empty_folders(folder)


@dataclass(frozen=True)
class Sections:
    """Opens the sections of recordings.

    Attributes:
        layout: where they are stored.
        store: of the run's ranks.
        rank: of this process.
        shared: shards that all ranks do together.
        rate: Hz of the chunks.
        fingerprint: of the extraction, so that none uses the sections of another.
    """

    layout: Layout
    store: dist.Store
    rank: int
    shared: frozenset[int]
    rate: int
    fingerprint: str

    def open(self, key: Key, recording: Recording, first: ReadChunk | None) -> RecordingSections | None:
        """Return the sections of a recording, given its first chunk if it has one; None for a short one."""
        shared = key.shard in self.shared
        if not shared and (first is None or self._seconds(first) < _LONG):
            return None
        folder = storage.join(self.layout.sections(key.shard), self._name(key, recording))
        done = frozenset(int(name.partition(".")[0]) for name in storage.list_names(folder))
        store = dist.PrefixStore(f"section/{key.shard}/{key.position}", self.store)
        return RecordingSections(folder, store, str(self.rank), shared, done)

    def _name(self, key: Key, recording: Recording) -> str:
        """Name a recording's folder by its content, too: after a lost plan, numbers may mean others."""
        content = repr((self.fingerprint, recording.url, recording.size, recording.mtime, recording.offset))
        return f"{key.position:05d}-{hashlib.sha256(content.encode()).hexdigest()[:12]}"

    def _seconds(self, first: ReadChunk) -> float:
        """Return how long a recording is, by its first chunk; infinite where that is unknown."""
        seconds = first.chunk.end / self.rate
        if first.chunk.last:
            return seconds
        return seconds / first.share if first.share else math.inf


@dataclass
class RecordingSections:
    """The sections of one recording, as one rank sees them.

    Attributes:
        folder: of their files.
        store: for what its ranks claim of it.
        rank: of this process.
        shared: whether other ranks may be at it.
        done: sections that an earlier run, or this rank before it died, has stored.
        total: sections read so far; all, once the recording is read.
        counted: the share of the recording that is this rank's to count.
        done_share: that of `done`.
    """

    folder: str
    store: dist.Store
    rank: str
    shared: bool
    done: frozenset[int]
    total: int = 0
    counted: float = 0.0
    done_share: float = 0.0
    _wanted: dict[int, bool] = field(default_factory=dict)
    _seen: float = 0.0  # share of the recording up to the last chunk

    def wants(self, read: ReadChunk) -> bool:
        """Return whether this rank is to embed a chunk; called for all of them, in order."""
        number = section_of(read)
        self.total = number + 1
        if number not in self._wanted:
            self._wanted[number] = number not in self.done and (not self.shared or self._claim(str(number)))
        if self._wanted[number]:
            self.counted += read.share - self._seen
        elif number in self.done:
            self.done_share += read.share - self._seen
        self._seen = read.share
        return self._wanted[number]

    def write(self, number: int, chunks: dict[int, ChunkEmbeddings]) -> None:
        """Store the chunks of a section, by index."""
        storage.write_bytes_atomic(self._file(number), to_bytes(chunks))

    def to_assemble(self) -> bool:
        """Return whether all sections are stored and assembling them is left to this rank."""
        complete = len(storage.list_names(self.folder)) >= self.total
        return complete and self.to_publish()

    def to_publish(self) -> bool:
        """Return whether this rank is the first to publish the recording."""
        return not self.shared or self._claim("publish")

    def uncounted(self, size: int) -> int:
        """Return the bytes of a shared recording of `size` bytes that no rank of this run has read."""
        return int(self.done_share * size)

    def load(self) -> list[ChunkEmbeddings]:
        """Return the chunks of all sections, in order."""
        chunks: dict[int, ChunkEmbeddings] = {}
        for number in range(self.total):
            chunks.update(from_bytes(storage.read_bytes(self._file(number))))
        return [chunks[index] for index in sorted(chunks)]

    def _claim(self, name: str) -> bool:
        owner: bytes = self.store.compare_set(name, "", self.rank)
        return owner.decode() == self.rank

    def _file(self, number: int) -> str:
        return storage.join(self.folder, f"{number:06d}.npz")


def section_of(read: ReadChunk) -> int:
    """Return the number of the section that a chunk belongs to."""
    return read.moment // _CHUNKS
