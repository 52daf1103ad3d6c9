"""Embedded chunks come back from bytes as they were."""

from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import pytest

from diar.embedding.rows import ChunkEmbeddings, TrackRows
from diar.embedding.stored import from_bytes, to_bytes
from diar.intervals import IntervalLists


def rows(rng: np.random.Generator, count: int, frames: int) -> TrackRows:
    counts = rng.integers(0, 3, count)
    intervals = np.sort(rng.integers(0, 10**6, (int(counts.sum()), 2)), axis=1)
    return TrackRows(
        spans=rng.integers(0, 10**9, (count, 2)),
        local_speaker=rng.integers(0, 3, count).astype(np.int16),
        active=IntervalLists(intervals, counts),
        clean=rng.integers(0, 10**5, count),
        activity=rng.integers(0, 256, (count, frames)).astype(np.uint8),
        embedding=rng.standard_normal((count, 8)).astype(np.float32),
        norm=rng.uniform(1, 9, count).astype(np.float32),
    )


def chunk(seed: int, local: bool) -> ChunkEmbeddings:
    rng = np.random.default_rng(seed)
    return ChunkEmbeddings(
        local=rows(rng, 4, 589) if local else None,
        windows=rng.integers(0, 10**9, (3, 2)),
        sliding=rows(rng, seed % 3, 0),
        spare=bool(seed % 2),
        core_embedding=rng.standard_normal(8).astype(np.float32),
        core_frames=seed,
        speech=rng.integers(0, 10**6, (2, 2)),
        single=np.empty((0, 2), np.int64),
        channel=seed - 1,
    )


def assert_same(one: Any, other: Any) -> None:
    assert type(one) is type(other)
    if is_dataclass(one):
        for field in fields(one):
            assert_same(getattr(one, field.name), getattr(other, field.name))
    elif isinstance(one, np.ndarray):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)
    else:
        assert one == other


@pytest.mark.parametrize("local", [True, False])
def test_chunks_come_back_as_they_were(local: bool) -> None:
    chunks = {index: chunk(index, local) for index in (0, 7, 12)}
    found = from_bytes(to_bytes(chunks))
    assert list(found) == list(chunks)
    for index, made in chunks.items():
        assert_same(found[index], made)
