"""Turns in both views: whichever they are made from, both say the same."""

import pickle

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from diar.records import MIXED, SpeakerTurns, Turn

NAMES = st.sampled_from(["ann", "bob", "cid"])
MOMENTS = st.lists(st.integers(0, 40), max_size=8, unique=True).map(sorted)


def intervals_of(moments: list[int]) -> np.ndarray:
    """(n, 2) from moments in pairs, a quarter of a second each."""
    return np.array(moments[: len(moments) // 2 * 2]).reshape(-1, 2) / 4


@given(st.lists(st.tuples(NAMES, MOMENTS), max_size=5))
def test_both_views_are_the_same_whichever_was_first(speakers: list[tuple[str, list[int]]]) -> None:
    named = [(name, MIXED) for name, _ in speakers]
    made = SpeakerTurns.from_intervals("r", named, [intervals_of(moments) for _, moments in speakers])
    listed = SpeakerTurns(list(made))
    assert made == listed == list(listed)
    assert [(turn.start, turn.end) for turn in made] == sorted((turn.start, turn.end) for turn in made)
    assert list(made.intervals) == list(listed.intervals)
    for name, own in listed.intervals.items():
        np.testing.assert_array_equal(made.intervals[name], own)
    np.testing.assert_array_equal(made.overlap, listed.overlap)


def test_own_turns_that_touch_or_overlap_are_one_interval() -> None:
    turns = SpeakerTurns(
        [Turn("r", 4, 5, "b"), Turn("r", 0, 2, "a"), Turn("r", 1, 4, "a"), Turn("r", 9, 9, "c")]
    )
    assert {name: own.tolist() for name, own in turns.intervals.items()} == {"a": [[0, 4]], "b": [[4, 5]]}
    assert len(turns.overlap) == 0
    assert SpeakerTurns.of(turns) is turns


def test_channels_are_told_apart_and_a_single_one_is_everything() -> None:
    left, right = Turn("r", 0, 2, "a", 0), Turn("r", 1, 3, "b", 1)
    turns = SpeakerTurns([left, right])
    assert turns.by_channel() == {0: [left], 1: [right]}
    assert SpeakerTurns([right]).by_channel()[1] == [right]
    assert SpeakerTurns().by_channel() == {}


def test_turns_move_and_travel() -> None:
    turns = SpeakerTurns([Turn("r", 0.5, 2, "a"), Turn("r", 1, 3, "b")])
    assert turns.shifted(10) == [Turn("r", 10.5, 12, "a"), Turn("r", 11, 13, "b")]
    assert turns.overlap.tolist() == [[1, 2]]
    there = pickle.loads(pickle.dumps(turns))
    assert there == turns
    assert there.overlap.tolist() == [[1, 2]]
