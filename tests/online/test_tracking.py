"""Tracks that are late are made by whoever needs them."""

import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest

from diar.embedding.rows import ChunkEmbeddings
from diar.online import tracking
from diar.online.tracking import TrackThread


@pytest.fixture
def thread() -> Iterator[TrackThread]:
    one = TrackThread()
    yield one
    one.shut_down()


def embeddings(number: int) -> ChunkEmbeddings:
    made = object.__new__(ChunkEmbeddings)
    object.__setattr__(made, "embedding", np.full(3, number))
    return made


def test_tracks_in_time_are_those_of_the_thread(thread: TrackThread) -> None:
    made_by: list[str] = []

    def make() -> ChunkEmbeddings:
        made_by.append(threading.current_thread().name)
        return embeddings(1)

    made = thread.begin(make)
    time.sleep(0.2)
    assert made.result().embedding[0] == 1
    assert [name.startswith("diar-track") for name in made_by] == [True]


def test_tracks_that_wait_behind_others_are_made_by_whoever_needs_them(thread: TrackThread) -> None:
    go_on = threading.Event()

    def first() -> ChunkEmbeddings:
        go_on.wait(30)
        return embeddings(1)

    slow, waiting = thread.begin(first), thread.begin(lambda: embeddings(2))
    begun = time.monotonic()
    assert waiting.result().embedding[0] == 2
    assert time.monotonic() - begun < 5
    go_on.set()
    assert slow.result().embedding[0] == 1


def test_a_thread_that_gets_no_core_is_not_waited_for(
    thread: TrackThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracking, "_GRACE", 0.05)
    go_on, here = threading.Event(), threading.get_ident()

    def make() -> ChunkEmbeddings:
        if threading.get_ident() != here:
            go_on.wait(30)
        return embeddings(3)

    made = thread.begin(make)
    time.sleep(0.1)  # it has begun
    assert made.result().embedding[0] == 3
    go_on.set()


def test_what_fails_in_the_thread_fails_for_whoever_needs_it(thread: TrackThread) -> None:
    def make() -> ChunkEmbeddings:
        raise ValueError("no memory")

    made = thread.begin(make)
    time.sleep(0.1)
    with pytest.raises(ValueError, match="no memory"):
        made.result()
