"""A stream of two voices in turn: what is told, when, and what remains at the end."""

from itertools import pairwise

import numpy as np
import pytest

from diar.detect.diarize import DiarizeSettings, diarize
from diar.detect.linking.known import KnownSpeakers
from diar.detect.observations import Observations
from diar.errors import DiarError
from diar.online.engine import Engine
from diar.online.events import (
    Event,
    SessionEnded,
    SessionStarted,
    SpeakerMerged,
    SpeakerNamed,
    SpeakerSplit,
    SpeechStarted,
    TurnCorrected,
    TurnEvent,
    TurnFinal,
    TurnStarted,
)
from diar.online.models import LiveModels
from diar.online.progress import Progress, Steps
from diar.online.settings import SAMPLE_RATE, LiveSettings
from diar.online.stream import Stream


def test_events_are_numbered_and_framed(told: tuple[Stream, list[Event]], talk: np.ndarray) -> None:
    stream, events = told
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert all(a.time <= b.time for a, b in pairwise(events))
    assert all(event.delay >= 0 for event in events)
    assert isinstance(events[0], SessionStarted) and not events[0].restored
    assert isinstance(events[-1], SessionEnded) and events[-1].duration == len(talk) / SAMPLE_RATE
    assert stream.time == events[-1].time


def test_speech_is_noticed_at_once_and_turns_soon(told: tuple[Stream, list[Event]]) -> None:
    _, events = told
    noticed = [event.delay for event in events if isinstance(event, SpeechStarted)]
    started = [event for event in events if isinstance(event, TurnStarted)]
    assert len(noticed) >= 5 and np.median(noticed) <= 0.3
    assert np.median([event.delay for event in started]) <= 0.8
    assert started[0].time < 2.0


def test_it_looks_sooner_while_it_is_not_decided_who_speaks(
    live_models: LiveModels, talk: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[tuple[int, bool]] = []
    hop = Progress._hop

    def looking(progress: Progress, position: int, *, last: bool = False) -> Steps:
        yield from hop(progress, position, last=last)
        looks.append((position, progress.hops.undecided))

    monkeypatch.setattr(Progress, "_hop", looking)
    Stream(live_models, LiveSettings(hop=1.0)).feed(talk)
    waits = [(after[0] - before[0], before[1]) for before, after in pairwise(looks)]
    assert all(samples <= SAMPLE_RATE // 4 for samples, undecided in waits if undecided)
    assert SAMPLE_RATE // 4 in [samples for samples, undecided in waits if undecided]
    assert SAMPLE_RATE in [samples for samples, undecided in waits if not undecided]


def test_a_client_that_applies_the_events_has_the_turns_of_the_stream(
    told: tuple[Stream, list[Event]],
) -> None:
    stream, events = told
    held, final = {}, set()
    for event in events:
        if isinstance(event, TurnEvent):
            assert event.turn.id not in final, "a final turn changed"
            if isinstance(event, TurnCorrected) and event.removed:
                del held[event.turn.id]
                continue
            held[event.turn.id] = event.turn
            if isinstance(event, TurnFinal):
                final.add(event.turn.id)
        elif isinstance(event, SpeakerMerged):
            held = {k: moved(turn, event.speaker, event.into) for k, turn in held.items()}
        elif isinstance(event, SpeakerSplit):
            for number in event.turns:
                held[number] = moved(held[number], event.speaker, event.into)
    assert all(turn.final for turn in stream.turns)
    assert {turn.id: (turn.speaker, turn.start, turn.end) for turn in stream.turns} == {
        number: (turn.speaker, turn.start, turn.end) for number, turn in held.items()
    }


def moved(turn, old: str, new: str):  # type: ignore[no-untyped-def]
    from dataclasses import replace

    return replace(turn, speaker=new) if turn.speaker == old else turn


def test_two_voices_are_two_speakers_throughout(told: tuple[Stream, list[Event]]) -> None:
    stream, events = told
    seconds: dict[str, float] = {}
    for turn in stream.turns:
        seconds[turn.speaker] = seconds.get(turn.speaker, 0.0) + turn.end - turn.start
    two = sorted(seconds.values())[-2:]
    assert min(two) > 5.0 and sum(two) > 0.95 * sum(seconds.values())
    ended = events[-1]
    assert isinstance(ended, SessionEnded)
    assert {turn.speaker for turn in ended.turns} == set(sorted(seconds, key=lambda k: -seconds[k])[:2])


def test_the_end_is_what_offline_makes_of_the_same_tracks(told: tuple[Stream, list[Event]]) -> None:
    stream, events = told
    offline = diarize(Observations.of(stream.tracks()), DiarizeSettings())
    expected = sorted((start, end) for own in offline.turns for start, end in own.tolist())
    ended = events[-1]
    assert isinstance(ended, SessionEnded)
    assert sorted((turn.start, turn.end) for turn in ended.turns) == expected


def test_finalize_makes_turns_final_now(live_models: LiveModels, talk: np.ndarray) -> None:
    stream = Stream(live_models)
    stream.feed(talk[: 8 * SAMPLE_RATE])
    assert not any(turn.final for turn in stream.turns)
    stream.finalize()
    turns = stream.turns
    assert turns and all(turn.final for turn in turns)
    stream.feed(talk[8 * SAMPLE_RATE : 12 * SAMPLE_RATE])
    assert stream.turns[: len(turns)] == turns and len(stream.turns) > len(turns)


def test_speakers_get_names(
    live_models: LiveModels, talk: np.ndarray, told: tuple[Stream, list[Event]]
) -> None:
    tracks = told[0].tracks()
    voices = diarize(Observations.of(tracks), DiarizeSettings()).embedding
    known = KnownSpeakers(["Anna", "Bert"], voices, np.array([20.0, 20.0]))
    stream = Stream(live_models, known=known)
    events = [*stream.feed(talk), *stream.finish()]
    named = [event for event in events if isinstance(event, SpeakerNamed)]
    assert {event.name for event in named} == {"Anna", "Bert"} == set(stream.names.values())
    assert all(event.known and event.confidence > 0.9 for event in named)


def test_a_speaker_is_renamed(live_models: LiveModels, talk: np.ndarray) -> None:
    stream = Stream(live_models)
    stream.feed(talk[: 4 * SAMPLE_RATE])
    (event,) = stream.rename("1", " Anna ")
    assert isinstance(event, SpeakerNamed) and event.name == "Anna" and not event.known
    assert stream.names == {"1": "Anna"}
    for speaker, name in (("9", "Bert"), ("one", "Bert"), ("1", " ")):
        with pytest.raises(DiarError):
            stream.rename(speaker, name)


def test_there_are_no_more_speakers_than_allowed(live_models: LiveModels, talk: np.ndarray) -> None:
    stream = Stream(live_models, LiveSettings(max_speakers=1))
    events = [*stream.feed(talk), *stream.finish()]
    assert {event.turn.speaker for event in events if isinstance(event, TurnEvent)} == {"1"}


def test_what_cannot_be_fed_is_refused(live_models: LiveModels) -> None:
    stream = Stream(live_models)
    for samples in (
        np.zeros(10),
        np.zeros((2, 10), np.float32),
        np.full(10, np.nan, np.float32),
        np.full(10, np.inf, np.float32),
    ):
        with pytest.raises(DiarError, match="samples"):
            stream.feed(samples)
    assert stream.time == 0
    (started,) = stream.feed(np.zeros(0, np.float32))
    assert isinstance(started, SessionStarted)
    assert isinstance(stream.finish()[-1], SessionEnded)
    for call in (stream.finish, stream.finalize, lambda: stream.feed(np.zeros(0, np.float32))):
        with pytest.raises(DiarError, match="finished"):
            call()


@pytest.mark.parametrize(
    "values",
    [{"hop": 0.05}, {"correction_seconds": -1.0}, {"keep_seconds": 30.0}, {"max_speakers": 0}],
)
def test_settings_that_make_no_sense_are_refused(values: dict[str, float]) -> None:
    with pytest.raises(DiarError, match=next(iter(values))):
        LiveSettings(**values)  # type: ignore[arg-type]


@pytest.mark.parametrize("samples", [1, 399, 1_300])
def test_a_stream_too_short_for_the_networks_ends_without_turns(
    live_models: LiveModels, samples: int
) -> None:
    engine = Engine(live_models)
    engine.open("short")
    engine.feed({"short": np.full(samples, 0.01, np.float32)})
    engine.finalize("short")
    ended = engine.close("short")[-1]
    assert isinstance(ended, SessionEnded) and ended.turns == () and len(engine) == 0
    assert ended.duration == samples / SAMPLE_RATE
    engine.shut_down()


def test_a_speaker_who_was_named_early_stays(live_models: LiveModels, talk: np.ndarray) -> None:
    stream = Stream(live_models)
    events = stream.feed(talk[: 2 * SAMPLE_RATE])
    events += stream.rename("1", "Anna")
    events += stream.feed(talk[2 * SAMPLE_RATE :])
    merged = {event.speaker: event.into for event in events if isinstance(event, SpeakerMerged)}
    assert stream.names == {merged.get("1", "1"): "Anna"}


def test_hum_is_nobody(live_models: LiveModels) -> None:
    seconds = np.arange(8 * SAMPLE_RATE) / SAMPLE_RATE
    hum = (0.001 * sum(np.sin(2 * np.pi * 50 * k * seconds) / k for k in (1, 2, 3, 5))).astype(np.float32)
    events = Stream(live_models).feed(hum)
    assert not [event for event in events if isinstance(event, TurnStarted)]
