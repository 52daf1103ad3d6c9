"""Forward passes: which chunks share one, and how the device is kept busy."""

from __future__ import annotations

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


class _Waiting(Generic[KeyT]):
    """Chunks that wait for others.

    Attributes:
        batch: the chunks.
        samples: of all of them.
    """

    def __init__(self) -> None:
        self.batch: Batch[KeyT] = []
        self.samples = 0

    def add(self, key: KeyT, chunk: Chunk) -> None:
        """Add one chunk."""
        self.batch.append((key, chunk))
        self.samples += len(chunk.samples)

    def take(self) -> Batch[KeyT]:
        """Return the chunks; none waits any longer."""
        batch, self.batch, self.samples = self.batch, [], 0
        return batch


class Batches(Generic[KeyT]):
    """Collects chunks of several recordings into forward passes: of whole chunks, or of shorter ones.

    Args:
        longest: samples of a whole chunk, as long recordings have them.
        full: most samples of a forward pass of more than one chunk; may be lowered at any time.
    """

    def __init__(self, longest: int, full: int) -> None:
        self._longest = longest
        self.full = full
        self._whole = _Waiting[KeyT]()
        self._shorter = _Waiting[KeyT]()

    def add(self, key: KeyT, chunk: Chunk) -> Iterator[Batch[KeyT]]:
        """Add one chunk; yield the batches that are now due."""
        size = len(chunk.samples)
        waiting = self._whole if size == self._longest else self._shorter
        if waiting.batch and waiting.samples + size > self.full:
            yield waiting.take()
        waiting.add(key, chunk)
        if waiting.samples + size > self.full:  # another of its length would not fit
            yield waiting.take()

    def rest(self) -> Iterator[Batch[KeyT]]:
        """Yield all that still waits."""
        for waiting in (self._whole, self._shorter):
            if waiting.batch:
                yield waiting.take()


class PassPipeline(Generic[KeyT]):
    """Three forward passes at once, each in another of the parts of `TrackEmbedder`.

    While a GPU computes the trunk of one pass, the host makes the masks of the pass before and the rows of
    the pass before that. The CPU, which would only come to the end of each pass later, does one at a time.

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
        """Start a batch; return what has become ready: of earlier ones, on the CPU of this one.

        Raises:
            MemoryShortageError: not even one chunk of it fits.
        """
        if self._embedder.device.type == "cpu":
            return _joined(batch, self._embedder.embed(_chunks(batch)))
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
