"""Forward passes: order, batches, and what happens when a device's memory runs short."""

from typing import NamedTuple

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from diar.embedding.chunks import Chunk, ChunkSettings
from diar.embedding.pipeline import Batch, Batches, MemoryShortageError, PassPipeline

SETTINGS = ChunkSettings.from_seconds(16_000, chunk=30.0, window=1.0, hop=0.5)


class Key(NamedTuple):
    """Of a recording, as a caller may choose it."""

    shard: int
    position: int


def chunk(index: int, length: int = 160) -> Chunk:
    return Chunk(index, 0, np.zeros(length, np.float32), (0, length), last=True)


class SmallDevice:
    """Has room for so many chunks at once; the parts of a pass give the chunks' indices."""

    settings = SETTINGS

    def __init__(self, room: int, short_in: str = "start", device: str = "cuda") -> None:
        self.room, self.short_in, self.device = room, short_in, torch.device(device)
        self.sizes: list[int] = []

    def start(self, chunks: list[Chunk]) -> list[Chunk]:
        self._take("start", chunks)
        return chunks

    def pool(self, chunks: list[Chunk]) -> list[Chunk]:
        self._take("pool", chunks)
        return chunks

    def finish(self, chunks: list[Chunk]) -> list[int]:
        self.sizes.append(len(chunks))
        return [chunk.index for chunk in chunks]

    def embed(self, chunks: list[Chunk]) -> list[int]:
        return self.finish(self.pool(self.start(chunks)))

    def _take(self, part: str, chunks: list[Chunk]) -> None:
        if part == self.short_in and len(chunks) > self.room:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB\nmore")


def run(device: SmallDevice, sizes: list[int]) -> tuple[list[int], list[int]]:
    """Indices of the chunks that came out, and what was said of shortages."""
    shortages: list[int] = []
    pipeline = PassPipeline(device, shortages.append)
    found, index = [], 0
    for size in sizes:
        batch: Batch = [(Key(0, i), chunk(i)) for i in range(index, index + size)]
        index += size
        for key, taken, made in pipeline.push(batch):
            assert key.position == taken.index == made
            found.append(made)
    found += [made for _, _, made in pipeline.flush()]
    return found, shortages


@given(
    sizes=st.lists(st.integers(1, 9), max_size=12),
    room=st.integers(1, 9),
    part=st.sampled_from(["start", "pool"]),
)
def test_every_chunk_comes_out_once_however_little_memory_there_is(
    sizes: list[int], room: int, part: str
) -> None:
    device = SmallDevice(room, part)
    found, shortages = run(device, sizes)
    assert sorted(found) == list(range(sum(sizes)))
    assert bool(shortages) == any(size > room for size in sizes)
    assert max(device.sizes, default=0) <= room


def test_without_a_shortage_passes_come_out_in_order_two_later() -> None:
    pipeline = PassPipeline(SmallDevice(9), lambda _: None)
    ready = [len(pipeline.push([(Key(0, i), chunk(i))])) for i in range(4)]
    assert ready == [0, 0, 1, 1]
    assert [made for _, _, made in pipeline.flush()] == [2, 3]
    assert pipeline.flush() == []


def test_the_cpu_gives_each_pass_at_once() -> None:
    pipeline = PassPipeline(SmallDevice(9, device="cpu"), lambda _: None)
    for i in range(3):
        assert [made for _, _, made in pipeline.push([(Key(0, i), chunk(i))])] == [i]
    assert pipeline.flush() == []


def test_a_chunk_that_does_not_fit_at_all_is_an_error_with_a_remedy() -> None:
    with pytest.raises(
        MemoryShortageError, match=r"cuda has too little free memory .* 2\.00 GiB\); use a smaller `chunk`"
    ):
        run(SmallDevice(0), [3])


@given(lengths=st.lists(st.sampled_from([100, 101, 150, 300]), max_size=60), full=st.integers(100, 1000))
def test_batches_are_full_keep_whole_chunks_apart_and_lose_nothing(lengths: list[int], full: int) -> None:
    batches = Batches(300, full)
    made: list[Batch] = []
    for index, length in enumerate(lengths):
        made += batches.add(Key(0, index), chunk(index, length))
    rest = list(batches.rest())
    sizes = [[len(taken.samples) for _, taken in batch] for batch in [*made, *rest]]
    assert sorted(key.position for batch in [*made, *rest] for key, _ in batch) == list(range(len(lengths)))
    assert all(set(batch) == {300} or 300 not in batch for batch in sizes)
    assert all(len(batch) == 1 or sum(batch) <= full for batch in sizes)
    assert all(sum(batch) + 300 > full for batch in sizes[: len(made)])
    assert len(rest) <= 2


def test_a_batch_of_one_length_is_due_as_soon_as_another_would_not_fit() -> None:
    batches = Batches(300, 320)
    assert [len(list(batches.add(Key(0, index), chunk(index, 100)))) for index in range(4)] == [0, 0, 1, 0]
    assert [len(batch) for batch in batches.add(Key(0, 4), chunk(4, 250))] == [1, 1]
