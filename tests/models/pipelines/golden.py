"""What make_golden.py wrote, and the same as stage 1 would hand it to stage 2."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np

from diar.detect.observations import Observations
from diar.intervals import IntervalLists
from diar.records import MIXED, ActivityFrames, RecordingRow, RecordingTracks, Tracks
from tests.models.pipelines.oracle import Steps
from tests.models.pipelines.pipeline_folder import RATE, made_up_voices

FILE = Path(__file__).with_name("golden.npz")
SECONDS = 16.4  # the last seg_window is filled up with zeros
BIAS = "bias"  # of the encoder's last layer
FRAMES = ActivityFrames(495.5 / RATE, 270 / RATE)
WINDOW, STEP = 10.0, 1.0  # seconds


def audio() -> np.ndarray:
    """(n,) float32."""
    return made_up_voices(SECONDS)


@cache
def golden() -> Steps:
    with np.load(FILE) as file:
        arrays = {name: file[name] for name in Steps._fields}
        arrays["decided"] = np.unpackbits(arrays["decided"], axis=1, count=int(file["frames"])) > 0
    return Steps(**arrays)


def golden_bias() -> np.ndarray:
    with np.load(FILE) as file:
        return np.asarray(file[BIAS])


def observed(steps: Steps, duration: float) -> Observations:
    """Arrange pyannote's decisions and embeddings as stage 1 stores them, without rounding."""
    window, speaker = np.nonzero(steps.decided.any(axis=1))
    decided = steps.decided[window, :, speaker]
    alone = decided & (steps.decided.sum(axis=2)[window] == 1)
    raw = steps.embeddings[window, speaker]
    norm = np.linalg.norm(raw, axis=1)
    start = window * STEP
    windows = np.arange(len(steps.decided))[:, None] * STEP + np.array([0.0, WINDOW])
    tracks = Tracks(
        start=start,
        end=start + WINDOW,
        local_speaker=speaker.astype(np.int16),
        active=IntervalLists.of(map(intervals, decided, start)),
        speech_seconds=(decided.sum(axis=1) * FRAMES.step).astype(np.float32),
        clean_seconds=(alone.sum(axis=1) * FRAMES.step).astype(np.float32),
        activity=list(255 * decided.astype(np.uint8)),
        embedding=(raw / norm[:, None]).astype(np.float32),
        windows=windows,
        channel=np.full(len(window), MIXED, np.int16),
        norm=norm.astype(np.float32),
    )
    row = RecordingRow("audio.wav", "audio.wav", duration=duration)
    return Observations.of(RecordingTracks(row, tracks, FRAMES, {}))


def intervals(decided: np.ndarray, start: float) -> np.ndarray:
    """Return where a local speaker speaks, (n, 2) seconds, as stage 1 places the borders of frames."""
    edges = np.flatnonzero(np.diff(decided, prepend=False, append=False))
    borders = FRAMES.first_center + (np.arange(len(decided) + 1) - 0.5) * FRAMES.step
    borders = np.round(borders * RATE) / RATE
    borders[0], borders[-1] = 0.0, WINDOW
    return (start + borders[edges]).reshape(-1, 2)


def same_turns(found: list[np.ndarray], expected: np.ndarray, duration: float) -> None:
    """Compare turns of unnamed speakers with pyannote's rows of start, end and speaker; 1 ms is the same."""
    own = sorted(np.round(turns, 3).tolist() for turns in found if len(turns))
    limited = np.minimum(expected[:, :2], duration)
    theirs = [
        np.round(limited[(expected[:, 2] == speaker) & (limited[:, 1] > limited[:, 0])], 3).tolist()
        for speaker in np.unique(expected[:, 2])
    ]
    theirs = sorted(turns for turns in theirs if turns)
    assert len(own) == len(theirs)
    for one, other in zip(own, theirs, strict=True):
        np.testing.assert_allclose(one, other, atol=1.1e-3)
