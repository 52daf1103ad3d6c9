"""The nouns: what is said of a recording, from its tracks to its turns.

Times are seconds from the start of the recording, unless a field says otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

OK = "ok"  # status of a recording that was read
SLIDING = -1  # `local_speaker` of a sliding window
MIXED = -1  # `channel` where a recording is one signal


@dataclass(frozen=True)
class Tracks:
    """All tracks of one recording, n rows; times in seconds from the recording's start."""

    start: np.ndarray  # (n,) float64
    end: np.ndarray  # (n,) float64
    local_speaker: np.ndarray  # (n,) int16, numbered within the window; SLIDING for a sliding window
    active: list[np.ndarray]  # n × (k, 2) float64, intervals in which the local speaker (or anybody) speaks
    speech_seconds: np.ndarray  # (n,) float32
    clean_seconds: np.ndarray  # (n,) float32, without overlapped speech
    activity: list[np.ndarray]  # n × (frames,) uint8, 255 × probability to speak; empty for a sliding window
    embedding: np.ndarray  # (n, D) float32, L2-normalised
    windows: np.ndarray  # (w, 2) float64, all that the segmentation model saw, also where nobody speaks
    channel: np.ndarray  # (n,) int16, number of the channel where each is read apart, else MIXED

    def __len__(self) -> int:
        return len(self.start)


@dataclass(frozen=True)
class RecordingRow:
    """What the shard index says of one recording; times in seconds."""

    recording_id: str
    path: str
    status: str = OK  # or the kind of failure
    error: str = ""  # the reason in words
    duration: float = 0.0
    sample_rate: int = 0
    channels: int = 0
    speech_seconds: float = 0.0
    overlap_seconds: float = 0.0
    tracks: int = 0
    gaps: tuple[tuple[float, float], ...] = ()  # damaged, zero-filled parts
    audio_start: float = 0.0  # where the audio begins on the file's own clock; zeros before it
    audio_track: int = 0  # the one that was read, counted from 0 …
    audio_tracks: int = 1  # … of so many in the file
    channel: str = ""  # what was read: `mix`, the number of a channel, or `each`
    bandwidth: float = 0.0  # Hz up to which there is sound
    warnings: tuple[str, ...] = ()  # everything unusual, in words
    peak: float | None = None  # dBFS of the loudest sample; None where all are zero
    sound: str = ""  # `quiet`, `tone`, `noise` or `harmonic`, see diar/embed/character.py
    offset: float = 0.0  # where the recording begins in its file …
    part_seconds: float | None = None  # … and how long a part of it was asked for; None = to the end
    size: int = 0  # bytes and mtime of the source when it was read
    mtime: float = 0.0
    embedding: np.ndarray | None = None  # (D,) float32, L2-normalised; None unless status is ok


@dataclass(frozen=True)
class ActivityFrames:
    """Where the frames of `Tracks.activity` lie: frame i is centred at start + first_center + i × step."""

    first_center: float  # seconds
    step: float  # seconds


@dataclass(frozen=True)
class RecordingTracks:
    """One recording as stage 1 stored it."""

    recording: RecordingRow
    tracks: Tracks
    frames: ActivityFrames | None  # None where stage 1 had no segmentation model: sliding windows only
    metadata: dict[str, str]  # model, model_sha256, fingerprint, …

    @classmethod
    def of(cls, recording: RecordingRow, tracks: Tracks, footer: dict[str, str]) -> RecordingTracks:
        """With what the footer of the tracks' file says of the extraction."""
        metadata = {key: value for key, value in footer.items() if key != "schema_version"}
        times = (float(metadata[key]) for key in ("activity_first_center", "activity_step"))
        frames = ActivityFrames(*times) if "activity_step" in metadata else None
        return cls(recording, tracks, frames, metadata)


@dataclass(frozen=True, slots=True, order=True)
class Turn:
    """One speaker talks from `start` to `end`, in seconds; `channel` from 0, if channels are read apart."""

    recording: str
    start: float
    end: float
    speaker: str
    channel: int = MIXED
