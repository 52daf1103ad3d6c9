"""Events depend on the samples, not on how they are cut, nor on what else is computed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diar.online.engine import Engine
from diar.online.events import Event
from diar.online.models import LiveModels
from diar.online.settings import SAMPLE_RATE
from diar.online.stream import Stream
from tests.online.conftest import without_time


def in_blocks(stream: Stream, samples: np.ndarray, sizes: list[int]) -> list[Event]:
    """Feed blocks of these sizes, again and again."""
    events, at, number = [], 0, 0
    while at < len(samples):
        size = sizes[number % len(sizes)]
        events += stream.feed(samples[at : at + size])
        at, number = at + size, number + 1
    return [*events, *stream.finish()]


@settings(max_examples=4)
@given(st.lists(st.integers(1, 40_000), min_size=1, max_size=5).filter(lambda sizes: sum(sizes) > 2_000))
def test_any_blocks_give_the_same_events(
    live_models: LiveModels, talk: np.ndarray, told: tuple[Stream, list[Event]], sizes: list[int]
) -> None:
    assert without_time(in_blocks(Stream(live_models), talk, sizes)) == without_time(told[1])


@pytest.mark.parametrize("milliseconds", [10, 1_000])
def test_usual_blocks_give_the_same_events(
    live_models: LiveModels, talk: np.ndarray, told: tuple[Stream, list[Event]], milliseconds: int
) -> None:
    size = milliseconds * SAMPLE_RATE // 1000
    assert without_time(in_blocks(Stream(live_models), talk, [size])) == without_time(told[1])


def test_streams_together_tell_what_each_tells_alone(
    live_models: LiveModels, talk: np.ndarray, told: tuple[Stream, list[Event]]
) -> None:
    engine = Engine(live_models)
    other = talk[::-1].copy()  # of which 10 s are heard
    try:
        for key in ("a", "b", "c"):
            engine.open(key)
        events: dict[object, list[Event]] = {key: [] for key in ("a", "b")}
        for at in range(0, len(talk), 6_000):
            part = slice(at, at + 6_000)
            third = other[part] if at < 10 * SAMPLE_RATE else other[:0]
            for key, new in engine.feed({"a": talk[part], "b": talk[part], "c": third}).items():
                if key != "c":
                    events[key] += new
        for key in ("a", "b"):
            assert without_time([*events[key], *engine.close(key)]) == without_time(told[1])
        assert len(engine) == 1
        engine.drop("c")
        assert len(engine) == 0
    finally:
        engine.shut_down()
