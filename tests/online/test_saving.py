"""A stream goes on from its saved state as if nothing had happened."""

import numpy as np
import pytest

from diar.errors import DiarError
from diar.online.events import Event, SessionStarted
from diar.online.models import LiveModels
from diar.online.settings import SAMPLE_RATE, LiveSettings
from diar.online.stream import Stream
from tests.online.conftest import without_time


@pytest.mark.parametrize("seconds", [0.0, 0.35, 11.2, 19.97, 33.0])
def test_a_restored_stream_goes_on(
    live_models: LiveModels, talk: np.ndarray, told: tuple[Stream, list[Event]], seconds: float
) -> None:
    cut = round(seconds * SAMPLE_RATE)
    first = Stream(live_models)
    before = first.feed(talk[:cut])
    state = first.state()
    assert len(state) < 1_000_000
    second = Stream.restore(live_models, None, state)
    assert second.turns == first.turns and second.time == first.time
    after = [*second.feed(talk[cut:]), *second.finish()]
    assert isinstance(after[0], SessionStarted) and after[0].restored
    assert after[0].seq == before[-1].seq + 1
    expected = [event for event in told[1] if event.seq > before[-1].seq]
    assert [plain(event) for event in after[1:]] == [plain(event) for event in expected]


def plain(event: Event) -> dict[str, object]:
    return {key: value for key, value in event.to_dict().items() if key != "seq"}


def test_a_stream_goes_on_unnoticed_with_tracks_that_are_kept_elsewhere(
    live_models: LiveModels, talk: np.ndarray, told: tuple[Stream, list[Event]]
) -> None:
    first, cut = Stream(live_models), 35 * SAMPLE_RATE
    events = first.feed(talk[:cut])
    kept, new = first.chunks(())
    assert kept == set(new) == {0} and first.chunks(kept) == (kept, {})
    state = first.state(0)
    assert len(state) < len(first.state())
    second = Stream.restore(live_models, None, state, chunks=new.values(), unnoticed=True)
    events += second.feed(talk[cut:])
    assert without_time([*events, *second.finish()]) == without_time(told[1])
    unheard = Stream.restore(live_models, None, Stream(live_models).state(), unnoticed=True)
    unheard.skip_to(7)
    (begun,) = unheard.feed(talk[:160])
    assert isinstance(begun, SessionStarted) and not begun.restored and begun.seq == 8


def test_other_bytes_are_refused(live_models: LiveModels, talk: np.ndarray) -> None:
    stream = Stream(live_models)
    stream.feed(talk[: 2 * SAMPLE_RATE])
    state = stream.state()
    for damaged in (b"", b"PK", state[: len(state) // 2], b"\x80\x04K\x01."):
        with pytest.raises(DiarError, match="state"):
            Stream.restore(live_models, None, damaged)
    with pytest.raises(DiarError, match="hop"):
        Stream.restore(live_models, LiveSettings(hop=0.25), state)


def test_saving_changes_nothing(
    live_models: LiveModels, talk: np.ndarray, told: tuple[Stream, list[Event]]
) -> None:
    stream, events = Stream(live_models), []
    for at in range(0, len(talk), 40_000):
        events += stream.feed(talk[at : at + 40_000])
        stream.state()
    assert without_time([*events, *stream.finish()]) == without_time(told[1])
