"""Stored tracks become windows and local speakers, in order and weighted."""

from dataclasses import replace

import numpy as np
import pytest

from diar.detect.observations import Observations
from diar.errors import DiarError
from diar.intervals import IntervalLists
from diar.records import SLIDING, RecordingRow, RecordingTracks, Tracks
from tests.detect.observations_sample import (
    CHUNK,
    FRAMES,
    Conversation,
    converse,
    make_tracks,
    make_voices,
    observe,
)

TALK = converse(make_voices(3), 61.3, overlap=0.4)


def observations_of(tracks: Tracks) -> Observations:
    row = RecordingRow("talk.wav", "/talk.wav", duration=TALK.duration)
    return Observations.of(RecordingTracks(row, tracks, FRAMES, {}))


def taken(tracks: Tracks, rows: np.ndarray) -> Tracks:
    arrays = ("start", "end", "local_speaker", "speech_seconds", "clean_seconds", "embedding")
    return replace(
        tracks,
        **{name: getattr(tracks, name)[rows] for name in arrays},
        active=IntervalLists.of(tracks.active[row] for row in rows),
        activity=[tracks.activity[row] for row in rows],
    )


def test_windows_and_local_speakers_are_told_apart() -> None:
    tracks = make_tracks(TALK)
    found = observations_of(tracks)
    assert len(found.windows) == (tracks.local_speaker == SLIDING).sum()
    assert len(found.local) == (tracks.local_speaker != SLIDING).sum()
    local = tracks.local_speaker != SLIDING
    np.testing.assert_array_equal(found.local.seg_window_start[found.local.seg_window], tracks.start[local])
    np.testing.assert_array_equal(found.local.embedding, tracks.embedding[local])
    np.testing.assert_array_equal(
        found.local.activity, np.stack([row for row in tracks.activity if len(row)])
    )
    assert (found.duration, found.first_center, found.frame_step) == (61.3, FRAMES.first_center, FRAMES.step)


def test_chunks_out_of_order_and_twice_are_one_sequence() -> None:
    tracks = make_tracks(TALK)
    last = np.flatnonzero((tracks.local_speaker != SLIDING) & (tracks.start == tracks.start.max(initial=0)))
    local = np.flatnonzero(tracks.local_speaker != SLIDING)
    moved = taken(
        tracks, np.concatenate([local[-4:], local, np.flatnonzero(tracks.local_speaker == SLIDING)])
    )
    moved = replace(moved, windows=np.concatenate([tracks.windows[-2:], tracks.windows]))
    found, expected = observations_of(moved), observations_of(tracks)
    assert len(last) <= 4
    for name in (
        "seg_window",
        "seg_window_start",
        "seg_window_end",
        "clean_seconds",
        "embedding",
        "activity",
    ):
        np.testing.assert_array_equal(getattr(found.local, name), getattr(expected.local, name))


def test_a_chunk_without_speech_is_still_a_chunk() -> None:
    found = observe(Conversation(30.0, make_voices(1), [(0.5, 3.0, 0)]))
    assert len(found.local) == 1
    np.testing.assert_array_equal(found.local.seg_window_start, [0.0, 5.0, 10.0, 15.0, 20.0])
    np.testing.assert_array_equal(found.local.seg_window_end, found.local.seg_window_start + CHUNK)


def test_weights_add_up_to_the_speech() -> None:
    talk = Conversation(100.0, make_voices(1), [(0.0, 100.0, 0)])
    found = observe(talk)
    assert found.windows.coverage == pytest.approx(2.0)
    assert found.windows.weight.sum() == pytest.approx(100.0, rel=0.02)
    assert found.local.weight.sum() == pytest.approx(100.0, rel=0.1)


def test_parts_hold_every_row_once_and_chunks_numbered_from_0() -> None:
    found = observe(TALK)
    parts = [
        found.between(start, end) for start, end in ((0.0, 20.0), (20.0, 20.0), (20.0, 45.0), (45.0, 61.4))
    ]
    np.testing.assert_array_equal(np.concatenate([part.windows.start for part in parts]), found.windows.start)
    for name in ("speech_seconds", "embedding", "activity"):
        joined = np.concatenate([getattr(part.local, name) for part in parts])
        np.testing.assert_array_equal(joined, getattr(found.local, name))
    times = [part.local.seg_window_start[part.local.seg_window] for part in parts]
    np.testing.assert_array_equal(np.concatenate(times), found.local.seg_window_start[found.local.seg_window])
    assert len(parts[1].windows) == len(parts[1].local) == len(parts[1].local.seg_window_start) == 0


def test_stage_1_without_a_segmentation_model_is_refused() -> None:
    row = RecordingRow("talk.wav", "/talk.wav", duration=TALK.duration)
    with pytest.raises(DiarError, match="`segmentation`"):
        Observations.of(RecordingTracks(row, make_tracks(TALK), None, {}))
