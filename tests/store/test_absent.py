"""A wrong id is told which ids are like it."""

import time

import pytest

from diar.store.absent import UnknownRecordingError, near_ids

IDS = ["part_0/meeting.wav", "part_0/call.wav", "part_1/meeting.wav", "part_1/Interview 7.flac"]


@pytest.mark.parametrize(
    ("asked", "near"),
    [
        ("part_1/meeting", ["part_1/meeting.wav", "part_0/meeting.wav"]),
        ("/archive/part_0/call.wav", ["part_0/call.wav"]),
        ("interview 7.wav", ["part_1/Interview 7.flac"]),
        ("part_0/cal.wav", ["part_0/call.wav"]),
        ("/somewhere/else/entirely/meting.mp3", ["part_0/meeting.wav"]),
        ("xyz", []),
        ("", []),
    ],
)
def test_ids_like_the_one_asked_for(asked: str, near: list[str]) -> None:
    assert near_ids(asked, IDS)[: len(near)] == near
    assert bool(near) == bool(near_ids(asked, IDS))


def test_the_message_counts_and_names_some() -> None:
    told = str(UnknownRecordingError("E", "meeting", IDS))
    assert told.startswith("E has no recording 'meeting' among its 4; did you mean 'part_")
    assert str(UnknownRecordingError("E", "xyz", IDS)).endswith("; the first is 'part_0/meeting.wav'")


def test_a_million_ids_take_no_minute() -> None:
    ids = [f"part_{number // 1000}/{number:07}.wav" for number in range(1_000_000)]
    started = time.perf_counter()
    assert near_ids("part_3/0003456.flac", ids)[0] == "part_3/0003456.wav"
    assert near_ids("prt_3/000345x.flac", ids)
    assert time.perf_counter() - started < 20
