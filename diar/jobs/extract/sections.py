"""Long recordings, whose chunks are stored as soon as they are embedded.

An interrupted run loses no more than the passes that were under way. Several ranks may share a recording:
each reads all of it, which is cheap, and embeds the chunks that it claims. The rank that stores the last one
assembles the recording. A section is a file of chunks that follow each other and were embedded in one pass.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import torch.distributed as dist

from diar import storage
from diar.archive.recording import Recording
from diar.embedding.rows import ChunkEmbeddings
from diar.embedding.stored import from_bytes, to_bytes
from diar.jobs.extract.plan import Key
from diar.reading import ReadChunk
from diar.store.encryption.files import protected, revealed
from diar.store.layout import Layout

_LONG = 600.0  # seconds of audio from which a recording has sections
_SHARED = 4  # a recording of more than a quarter of a rank's part of the work is shared
_FORM = 3  # of names and content; sections of another are left, and deleted with their shard


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
    storage.remove_folder(layout.all_sections if shard is None else layout.sections(shard))


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
        store = dist.PrefixStore(f"section/{key.shard}/{key.position}", self.store)
        return RecordingSections(folder, store, str(self.rank), shared, stored_chunks(folder))

    def _name(self, key: Key, recording: Recording) -> str:
        """Name a recording's folder by its content, too: after a lost plan, numbers may mean others."""
        content = (self.fingerprint, recording.url, recording.size, recording.mtime, recording.offset, _FORM)
        return f"{key.position:05d}-{hashlib.sha256(repr(content).encode()).hexdigest()[:12]}"

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
        done: chunks that an earlier run, or this rank before it died, has stored.
        total: chunks read so far; all, once the recording is read.
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
    _seen: float = 0.0  # share of the recording up to the last chunk

    def wants(self, read: ReadChunk) -> bool:
        """Return whether this rank is to embed a chunk; called once for each, in order."""
        index, done = read.chunk.index, read.chunk.index in self.done
        self.total = index + 1
        wanted = not done and (not self.shared or self._claim(str(index)))
        if wanted:
            self.counted += read.share - self._seen
        elif done:
            self.done_share += read.share - self._seen
        self._seen = read.share
        return wanted

    def write(self, chunks: Mapping[int, ChunkEmbeddings]) -> None:
        """Store the chunks of one pass, by index."""
        for section in _runs(sorted(chunks)):
            name = f"{section[0]:06d}-{section[-1]:06d}.npz"
            content = to_bytes({index: chunks[index] for index in section})
            storage.write_bytes_atomic(storage.join(self.folder, name), protected(content))

    def to_assemble(self) -> bool:
        """Return whether all chunks are stored and assembling them is left to this rank."""
        complete = len(stored_chunks(self.folder)) >= self.total
        return complete and self.to_publish()

    def to_publish(self) -> bool:
        """Return whether this rank is the first to publish the recording."""
        return not self.shared or self._claim("publish")

    def uncounted(self, size: int) -> int:
        """Return the bytes of a shared recording of `size` bytes that no rank of this run has read."""
        return int(self.done_share * size)

    def load(self) -> list[ChunkEmbeddings]:
        """Return all chunks, in order."""
        chunks: dict[int, ChunkEmbeddings] = {}
        names = storage.list_names(self.folder)
        for content in storage.read_all(storage.join(self.folder, name) for name in names):
            chunks.update(from_bytes(revealed(content)))
        return [chunks[index] for index in range(self.total)]

    def _claim(self, name: str) -> bool:
        owner: bytes = self.store.compare_set(name, "", self.rank)
        return owner.decode() == self.rank


def stored_chunks(folder: str) -> frozenset[int]:
    """Return the indices of the chunks that are stored in the folder of a recording's sections."""
    ends = (name.removesuffix(".npz").split("-") for name in storage.list_names(folder))
    return frozenset(index for first, last in ends for index in range(int(first), int(last) + 1))


def _runs(indices: Iterable[int]) -> Iterator[list[int]]:
    """Yield the indices that follow each other."""
    run: list[int] = []
    for index in indices:
        if run and index > run[-1] + 1:
            yield run
            run = []
        run.append(index)
    if run:
        yield run
