"""Forward passes: order, batches, and what happens when a device's memory runs short."""

from typing import NamedTuple

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from diar.embedding.chunks import Chunk, ChunkSettings
from diar.embedding.embedder import round_to_few_lengths
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
    device = torch.device("cpu")

    def __init__(self, room: int, short_in: str = "start") -> None:
        self.room, self.short_in = room, short_in
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


def test_a_chunk_that_does_not_fit_at_all_is_an_error_with_a_remedy() -> None:
    with pytest.raises(
        MemoryShortageError, match=r"cpu has too little free memory .* 2\.00 GiB\); use a smaller `chunk`"
    ):
        run(SmallDevice(0), [3])


@given(lengths=st.lists(st.sampled_from([100, 101, 150, 300]), max_size=60), full=st.integers(100, 1000))
def test_batches_hold_one_length_and_lose_nothing(lengths: list[int], full: int) -> None:
    batches = Batches(lambda samples: samples // 10, full, waiting=2)
    made: list[Batch] = []
    for index, length in enumerate(lengths):
        made += batches.add(Key(0, index), chunk(index, length))
    made += batches.rest()
    assert sorted(key.position for batch in made for key, _ in batch) == list(range(len(lengths)))
    for batch in made:
        assert len({len(taken.samples) // 10 for _, taken in batch}) == 1
        assert len(batch) == 1 or sum(len(taken.samples) for _, taken in batch) < full + 10


@given(st.integers(1, 1_000_000))
def test_lengths_lose_at_most_a_hundredth_and_become_few(frames: int) -> None:
    kept = round_to_few_lengths(frames)
    assert 0.99 * frames <= kept <= frames
    assert round_to_few_lengths(kept) == kept
    if frames >= 200:
        lengths = range(frames, 2 * frames, max(1, frames // 5000))
        assert len({round_to_few_lengths(n) for n in lengths}) <= 202
