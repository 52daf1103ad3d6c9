"""Channels that were read apart: one result, a person heard in two of them counted once."""

from dataclasses import replace

import numpy as np
import pytest

from diar.detect.clustering.choose import ClusteringSettings, find_centroids
from diar.detect.clustering.speaker_count import SpeakerCount
from diar.detect.diarize import DiarizedRecording, DiarizeSettings, diarize
from diar.detect.observations import Observations
from diar.detect.sides import Sides, diarize_sides, together, without_doubles
from diar.intervals import IntervalLists
from diar.records import MIXED, RecordingRow, RecordingTracks, Tracks
from tests.detect.observations_sample import (
    FRAMES,
    Conversation,
    converse,
    make_tracks,
    make_voices,
    observe,
)


def joined(sides: list[Tracks]) -> Tracks:
    """The tracks of several channels as stage 1 stores them."""
    arrays = {
        name: np.concatenate([getattr(side, name) for side in sides])
        for name in ("start", "end", "local_speaker", "speech_seconds", "clean_seconds", "embedding")
    }
    active = IntervalLists.concatenate(side.active for side in sides)
    activity = [row for side in sides for row in side.activity]
    channel = np.repeat(np.arange(len(sides)), [len(side) for side in sides]).astype(np.int16)
    return Tracks(**arrays, active=active, activity=activity, windows=sides[0].windows, channel=channel)


def stored(tracks: Tracks, duration: float, channels: int) -> RecordingTracks:
    row = RecordingRow("call.wav", "/call.wav", duration=duration, channels=channels)
    return RecordingTracks(row, tracks, FRAMES, {})


def side(*turns: tuple[float, float], voice: int, channel: int) -> DiarizedRecording:
    """One speaker."""
    spans = [np.array(turns)]
    embedding = np.eye(4, dtype=np.float32)[[voice]]
    return DiarizedRecording(spans, spans, embedding, np.array([2.0]), np.array([channel]))


def test_channels_are_diarized_by_themselves() -> None:
    conversations = [converse(make_voices(2, seed), 60.0, seed=seed) for seed in (1, 2)]
    tracks = [make_tracks(conversation) for conversation in conversations]
    found = diarize_sides(Sides.of(stored(joined(tracks), 60.0, 2)), DiarizeSettings())
    assert found.channels == (0, 1)
    starts = [turns[0, 0] for turns in found.turns]
    assert starts == sorted(starts)
    for channel, own in enumerate(tracks):
        alone = diarize(Observations.of(stored(own, 60.0, 1)), DiarizeSettings())
        rows = np.flatnonzero(found.channel == channel)
        assert len(rows) == len(alone.turns)
        for row, turns in zip(rows, alone.turns, strict=True):
            np.testing.assert_array_equal(found.turns[row], turns)
    single = diarize_sides(Sides.of(stored(tracks[0], 60.0, 2)), DiarizeSettings())
    assert single.channels == ()
    assert (single.channel == MIXED).all()


def test_a_person_heard_in_both_channels_is_one_speaker() -> None:
    loud, faint = side((1, 5), (8, 12), voice=0, channel=0), side((1.2, 4), voice=0, channel=1)
    found = without_doubles(together([loud, faint], [0, 1], 2))
    assert found.channel.tolist() == [0]
    np.testing.assert_array_equal(found.turns[0], loud.turns[0])
    for other in (side((6, 7), voice=0, channel=1), side((1.2, 4), voice=1, channel=1)):
        assert without_doubles(together([loud, other], [0, 1], 2)).channel.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("people", "minimum", "maximum", "found"),
    [
        ((2, 2), 1, None, [2, 2]),
        ((2, 2), 3, 3, 3),
        ((2, 2), 2, 2, [1, 1]),
        ((2, 2), 1, 1, [1, 1]),  # somebody speaks on either side
        ((2, 2), 1, 3, 3),
        ((3, 1), 4, 4, [3, 1]),
        ((1, 2), 4, 4, 4),
        ((1, 2), 4, None, 4),
        ((2, 0), 2, 2, [2, 0]),
        ((2, 0), 3, 3, [3, 0]),
        ((3, 0), 1, 2, [2, 0]),
        ((0, 0), 2, 2, [0, 0]),
    ],
)
def test_the_number_of_speakers_is_that_of_all_channels(
    people: tuple[int, int], minimum: int, maximum: int | None, found: int | list[int]
) -> None:
    voices = make_voices(4, 3)
    own = voices[: people[0]], voices[people[0] : sum(people)]
    observed = {
        channel: observe(
            converse(side, 120.0, seed=channel + 1) if len(side) else Conversation(120.0, voices, [])
        )
        for channel, side in enumerate(own)
    }
    settings = DiarizeSettings(ClusteringSettings(count=SpeakerCount(minimum, maximum)))
    channels = diarize_sides(Sides(observed, 2), settings).channel
    counts = np.bincount(channels, minlength=2).tolist()
    assert (counts if isinstance(found, list) else sum(counts)) == found


def test_more_speakers_are_found_where_voices_are_clearest() -> None:
    """The side with two voices is divided, not the one with a single voice."""
    voices = make_voices(3, 3)
    observed = {0: observe(converse(voices[:1], 120.0)), 1: observe(converse(voices[1:], 120.0))}

    def find(observations: Observations, settings: ClusteringSettings) -> np.ndarray:
        open_ = SpeakerCount(1, 1) if settings.count.is_open else settings.count
        return find_centroids(observations, replace(settings, count=open_))

    settings = DiarizeSettings(ClusteringSettings(count=SpeakerCount(3, 3)))
    assert sorted(diarize_sides(Sides(observed, 2), settings, find).channel) == [0, 1, 1]
