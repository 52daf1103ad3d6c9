"""Forward passes: which chunks share one, and how the device is kept busy."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Generic, TypeVar

import torch

from diar.embedding.chunks import Chunk
from diar.embedding.embedder import PooledPass, StartedPass, TrackEmbedder
from diar.embedding.rows import ChunkEmbeddings
from diar.errors import DiarError

KeyT = TypeVar("KeyT")  # which recording a chunk belongs to
Batch = list[tuple[KeyT, Chunk]]
Embedded = tuple[KeyT, Chunk, ChunkEmbeddings]


class MemoryShortageError(DiarError):
    """A single chunk is more than the device has memory for."""


class Batches(Generic[KeyT]):
    """Collects chunks of several recordings into forward passes of one length each.

    Args:
        count_frames: fbank frames of so many samples; chunks with the same number share a pass.
        full: most samples of a forward pass of more than one chunk; may be lowered at any time.
        waiting: how many passes of samples may wait for chunks of equal length; more fills passes better.
    """

    def __init__(self, count_frames: Callable[[int], int], full: int, waiting: float) -> None:
        self._count_frames = count_frames
        self.full = full
        self._most_waiting = waiting
        self._waiting: dict[int, Batch[KeyT]] = defaultdict(list)  # number of frames → chunks
        self._samples = 0

    def add(self, key: KeyT, chunk: Chunk) -> Iterator[Batch[KeyT]]:
        """Add one chunk; yield the batches that are now due."""
        frames = self._count_frames(len(chunk.samples))
        group = self._waiting[frames]
        group.append((key, chunk))
        self._samples += len(chunk.samples)
        if (len(group) + 1) * len(chunk.samples) > self.full:
            yield self._take(frames)
        while self._samples > self._most_waiting * self.full:
            yield self._take(max(self._waiting, key=lambda n: n * len(self._waiting[n])))

    def rest(self) -> Iterator[Batch[KeyT]]:
        """Yield all that still waits."""
        while self._waiting:
            yield self._take(next(iter(self._waiting)))

    def _take(self, frames: int) -> Batch[KeyT]:
        group = self._waiting.pop(frames)
        self._samples -= sum(len(chunk.samples) for _, chunk in group)
        return group


class PassPipeline(Generic[KeyT]):
    """Three forward passes at once, each in another of the parts of `TrackEmbedder`.

    While a GPU computes the trunk of one pass, the host makes the masks of the pass before and the rows of
    the pass before that. On the CPU the parts follow each other.

    Args:
        embedder: what computes.
        on_shortage: called with a number of chunks to try when a batch did not fit into memory.
    """

    def __init__(self, embedder: TrackEmbedder, on_shortage: Callable[[int], None]) -> None:
        self._embedder = embedder
        self._on_shortage = on_shortage
        self._started: tuple[Batch[KeyT], StartedPass] | None = None
        self._pooled: tuple[Batch[KeyT], PooledPass] | None = None

    def push(self, batch: Batch[KeyT]) -> list[Embedded[KeyT]]:
        """Start a batch; return what has become ready of earlier ones.

        Raises:
            MemoryShortageError: not even one chunk of it fits.
        """
        try:
            started = batch, self._embedder.start(_chunks(batch))
            pooled = self._pool()
        except torch.OutOfMemoryError:
            return self._with_less_memory(batch)
        ready = self._finish()
        self._started, self._pooled = started, pooled
        return ready

    def flush(self) -> list[Embedded[KeyT]]:
        """Finish every pass that was started; return what was not returned yet."""
        try:
            pooled = self._pool()
        except torch.OutOfMemoryError:
            return self._with_less_memory([])
        ready = self._finish()
        self._started, self._pooled = None, pooled
        return ready + self._finish()

    def _pool(self) -> tuple[Batch[KeyT], PooledPass] | None:
        if self._started is None:
            return None
        batch, started = self._started
        return batch, self._embedder.pool(started)

    def _finish(self) -> list[Embedded[KeyT]]:
        pooled, self._pooled = self._pooled, None
        return [] if pooled is None else _joined(pooled[0], self._embedder.finish(pooled[1]))

    def _with_less_memory(self, batch: Batch[KeyT]) -> list[Embedded[KeyT]]:
        """Finish the earlier passes, then repeat in parts what did not fit."""
        ready = self._finish()
        again = [] if self._started is None else [self._started[0]]
        self._started = None
        for whole in [*again, batch]:
            ready += self._in_parts(whole)
        return ready

    def _in_parts(self, batch: Batch[KeyT]) -> list[Embedded[KeyT]]:
        if not batch:
            return []
        torch.cuda.empty_cache()
        try:
            return _joined(batch, self._embedder.embed(_chunks(batch)))
        except torch.OutOfMemoryError as error:
            if len(batch) == 1:
                seconds = len(batch[0][1].samples) / self._embedder.settings.rate
                raise MemoryShortageError(
                    f"{self._embedder.device} has too little free memory for a chunk of {seconds:.0f} s "
                    f"({str(error).splitlines()[0]}); use a smaller `chunk`, or free the device"
                ) from error
        # Outside the handler: the error's traceback keeps the tensors that did not fit
        half = len(batch) // 2
        self._on_shortage(half)
        return self._in_parts(batch[:half]) + self._in_parts(batch[half:])


def _chunks(batch: Batch[KeyT]) -> list[Chunk]:
    return [chunk for _, chunk in batch]


def _joined(batch: Batch[KeyT], embeddings: Sequence[ChunkEmbeddings]) -> list[Embedded[KeyT]]:
    return [(key, chunk, made) for (key, chunk), made in zip(batch, embeddings, strict=True)]
