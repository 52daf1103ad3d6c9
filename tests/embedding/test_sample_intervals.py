"""Interval arithmetic against sample-by-sample masks."""

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from diar.embedding.sample_intervals import frame_runs, join, runs, within
from diar.intervals import IntervalLists

masks = st.lists(st.booleans(), min_size=1, max_size=60)
matrices = st.lists(st.lists(st.booleans(), min_size=7, max_size=7), min_size=1, max_size=8)


def covered_by(intervals: np.ndarray, length: int) -> np.ndarray:
    covered = np.zeros(length, bool)
    for start, end in intervals:
        assert start < end
        assert not covered[start:end].any()
        covered[start:end] = True
    return covered


@given(mask=masks)
def test_runs_cover_exactly_the_true_frames(mask: list[bool]) -> None:
    found = runs(np.array(mask), np.arange(len(mask) + 1) * 10)
    np.testing.assert_array_equal(covered_by(found, len(mask) * 10), np.repeat(mask, 10))
    assert all(before[1] < after[0] for before, after in pairwise(found))


@given(mask=masks, cut=st.integers(0, 60))
def test_cutting_into_chunks_and_joining_changes_nothing(mask: list[bool], cut: int) -> None:
    edges = np.arange(len(mask) + 1) * 10
    border = min(cut, len(mask)) * 10
    parts = [np.clip(edges, 0, border), np.clip(edges, border, None)]
    joined = join([runs(np.array(mask), part) for part in parts])
    np.testing.assert_array_equal(joined, runs(np.array(mask), edges))


def test_joining_nothing_gives_nothing() -> None:
    assert join([]).shape == join([np.empty((0, 2), np.int64)]).shape == (0, 2)


@given(mask=masks, spans=st.lists(st.tuples(st.integers(0, 600), st.integers(1, 300)), max_size=6))
def test_within_is_the_intersection_with_every_span(mask: list[bool], spans: list[tuple[int, int]]) -> None:
    intervals = runs(np.array(mask), np.arange(len(mask) + 1) * 10)
    covered = covered_by(intervals, 1000)
    wanted = np.array([(start, start + length) for start, length in spans], np.int64).reshape(-1, 2)
    found = within(intervals, wanted)
    parts = found.split()
    assert len(parts) == len(found.counts) == len(wanted)
    for part, total, (start, end) in zip(parts, found.lengths(), wanted, strict=True):
        expected = np.zeros(1000, bool)
        expected[start:end] = covered[start:end]
        np.testing.assert_array_equal(covered_by(part, 1000), expected)
        assert total == expected.sum()


@given(matrix=matrices, data=st.data())
def test_runs_of_many_rows_are_the_runs_of_each(matrix: list[list[bool]], data: st.DataObject) -> None:
    rows = np.array(matrix)
    found = frame_runs(rows)
    for part, row in zip(found.split(), rows, strict=True):
        np.testing.assert_array_equal(part, frame_runs(row[None]).intervals)
    np.testing.assert_array_equal(found.lengths(), rows.sum(axis=1))
    kept = np.array(data.draw(st.lists(st.booleans(), min_size=len(rows), max_size=len(rows))))
    taken: IntervalLists = found.take(kept)
    np.testing.assert_array_equal(taken.lengths(), rows[kept].sum(axis=1))
