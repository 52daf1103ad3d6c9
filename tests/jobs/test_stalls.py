"""Waiting has an end."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from diar.archive.audio_file import DecodeError
from diar.errors import DiarError
from diar.jobs.stalls import Patience, list_in_time, unless_stuck, watched


@contextmanager
def counting(closed: list[bool], last: int) -> Iterator[Iterator[int]]:
    try:
        yield iter(range(last))
    finally:
        closed.append(True)


@contextmanager
def pipe_without_a_writer(path: Path) -> Iterator[Iterator[bytes]]:
    with path.open("rb") as file:  # for ever
        yield iter(file)


def test_what_is_read_elsewhere_comes_in_order_and_is_closed() -> None:
    closed: list[bool] = []
    with watched(lambda: counting(closed, 5), Patience(5.0), "a.wav") as items:
        assert list(items) == [0, 1, 2, 3, 4]
    with watched(lambda: counting(closed, 10_000), Patience(5.0), "a.wav") as items:
        assert next(items) == 0
    deadline = time.monotonic() + 10
    while len(closed) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    assert closed == [True, True]


def test_an_error_comes_where_the_items_are_taken() -> None:
    @contextmanager
    def broken() -> Iterator[Iterator[int]]:
        raise DecodeError("empty", "a.wav: 0 bytes")
        yield iter(())

    with watched(broken, Patience(5.0), "a.wav") as items, pytest.raises(DecodeError, match="0 bytes"):
        next(items)


def test_a_read_that_never_returns_is_given_up(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.wav")
    start = time.monotonic()
    opened = partial(pipe_without_a_writer, tmp_path / "a.wav")
    with (
        watched(opened, Patience(1.0), "a.wav") as items,
        pytest.raises(DecodeError, match=r"a\.wav: nothing came of it for 1 s") as caught,
    ):
        next(items)
    assert caught.value.kind == "stalled"
    assert 0.9 < time.monotonic() - start < 30
    os.close(os.open(tmp_path / "a.wav", os.O_RDWR | os.O_NONBLOCK))  # the thread may go on


def test_a_large_file_gets_more_time_before_its_first_chunk() -> None:
    small, large = Patience(1.0), Patience(1.0, 2_000_000)
    assert [small.wait(), small.wait()] == [False, True]
    assert [large.wait() for _ in range(6)] == [False] * 5 + [True]
    large.renew()
    assert [large.wait(), large.wait()] == [False, True]


def test_a_listing_that_hangs_in_one_call_is_given_up_and_a_slow_one_is_not(tmp_path: Path) -> None:
    def hang() -> bytes:
        return os.read(os.pipe()[0], 1)  # for ever, as a folder of a mount that is gone

    with pytest.raises(DiarError, match=r"the listing has not moved on for 1 s \(`stall_timeout`\)"):
        unless_stuck(hang, 1.0, "the listing")

    def slow() -> int:
        return sum(len(os.listdir(tmp_path)) for _ in range(25) if not time.sleep(0.1))

    (tmp_path / "a.wav").write_bytes(b"")
    assert unless_stuck(slow, 1.0, "the listing") == 25
    with pytest.raises(FileNotFoundError):
        unless_stuck(lambda: os.listdir(tmp_path / "nothing"), 1.0, "the listing")
    assert len(list_in_time(str(tmp_path), str(tmp_path / "E"), (), 60.0).recordings) == 1
