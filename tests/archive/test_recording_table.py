"""Recordings in columns behave as the list of objects that they stand for."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diar.archive import recording_table as module
from diar.archive.recording import ListingError, Recording
from diar.archive.recording_table import Recordings

one_recording = st.builds(
    Recording,
    recording_id=st.text("ab/é1", min_size=1, max_size=5),
    url=st.just("/a.wav"),
    size=st.integers(0, 2**40),
    mtime=st.floats(0, 2e9),
    offset=st.floats(0, 1e5),
    duration=st.none() | st.floats(0.1, 1e5),
)


@given(st.lists(one_recording, max_size=12), st.integers(-3, 3))
def test_columns_are_a_sequence_like_any_other(listed: list[Recording], cut: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_CHUNK", 4)
        found = Recordings.of(iter(listed))
        assert list(found) == listed
        assert (found == listed, len(found)) == (True, len(listed))
        assert list(found[cut:]) == listed[cut:]
        for index in range(-len(listed), len(listed)):
            assert found[index] == listed[index]
        backwards = np.arange(len(listed))[::-1].astype(np.int64)
        assert list(found.take(backwards)) == listed[::-1]
    with pytest.raises(IndexError):
        found[len(listed)]


def test_other_recordings_are_not_equal() -> None:
    one = Recordings.of([Recording("a", "/a", 1, 2.0)])
    assert one != [Recording("a", "/a", 1, 3.0)]
    assert one != [Recording("a", "/a", 1, 2.0)] * 2
    assert Recordings.of(one) is one


def test_sorting_drops_what_was_found_twice_but_not_what_has_the_same_name() -> None:
    twice = [Recording("b", "/b", 1, 2.0), Recording("a", "/a", 1, 2.0), Recording("b", "/b", 1, 2.0)]
    assert [one.recording_id for one in Recordings.of(twice).in_natural_order()] == ["a", "b"]
    with pytest.raises(ListingError, match="same name"):
        Recordings.of([*twice, Recording("a", "/other", 1, 2.0)]).in_natural_order()
