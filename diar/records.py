"""The records of a recording, from its tracks to its turns.

Times are seconds from the start of the recording, unless a field says otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import overload

import numpy as np

from diar.intervals import IntervalLists, at_least

OK = "ok"  # status of a recording that was read
SLIDING = -1  # `local_speaker` of a sliding window
MIXED = -1  # `channel` where a recording is one signal


@dataclass(frozen=True)
class Tracks:
    """All tracks of one recording, n rows; times in seconds from the recording's start."""

    start: np.ndarray  # (n,) float64
    end: np.ndarray  # (n,) float64
    local_speaker: np.ndarray  # (n,) int16, number within its seg_window; SLIDING for a sliding window
    active: IntervalLists  # of the n rows, float64: where the local speaker (or anybody) speaks
    speech_seconds: np.ndarray  # (n,) float32
    clean_seconds: np.ndarray  # (n,) float32, without overlapped speech
    activity: list[np.ndarray]  # n × (frames,) uint8, 255 × probability to speak; empty for a sliding window
    embedding: np.ndarray  # (n, D) float32, L2-normalised
    windows: np.ndarray  # (w, 2) float64, all seg_windows, also those without speech
    channel: np.ndarray  # (n,) int16, number of the channel where each is read apart, else MIXED
    norm: np.ndarray | None = None  # (n,) float32, length of each before it became 1; None in older tracks

    def __len__(self) -> int:
        return len(self.start)

    def take(self, rows: np.ndarray) -> Tracks:
        """Return the chosen rows, (n,) bool; `windows` stay as they are."""
        arrays = ("start", "end", "local_speaker", "speech_seconds", "clean_seconds", "embedding", "channel")
        return Tracks(
            **{name: getattr(self, name)[rows] for name in arrays},
            active=self.active.take(rows),
            activity=[self.activity[row] for row in np.flatnonzero(rows)],
            windows=self.windows,
            norm=None if self.norm is None else self.norm[rows],
        )


@dataclass(frozen=True)
class RecordingRow:
    """One recording in the index of its shard; times in seconds."""

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
    sound: str = ""  # `quiet`, `tone`, `noise` or `harmonic`, see diar/embedding/character.py
    offset: float = 0.0  # where the recording begins in its file …
    part_seconds: float | None = None  # … and how long a part of it was asked for; None = to the end
    size: int = 0  # bytes and mtime of the source when it was read
    mtime: float = 0.0
    embedding: np.ndarray | None = None  # (D,) float32, L2-normalised; None unless status is ok
    level_range: float | None = None  # dB from faint frames to loud ones; None where not known


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
        """Add what the footer of the tracks' file says of the extraction."""
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


@dataclass(frozen=True, slots=True)
class Word:
    """One word as it was recognised, with what is written around it: quotes, full stops."""

    start: float  # seconds
    end: float
    text: str  # never empty, without blanks at its ends
    probability: float | None = None  # by the recogniser, that this was said
    speaker: str | None = None  # None: nobody's
    overlap: bool = False  # somebody else speaks during half of it or more
    channel: int = MIXED  # from 0, where channels are recognised apart


class SpeakerTurns(Sequence[Turn]):
    """The turns of one recording in both views: one by one, and as intervals by speaker.

    Immutable. Equal to any sequence of the same turns.
    """

    def __init__(self, turns: Iterable[Turn] = ()) -> None:
        self._turns = tuple(turns)

    @classmethod
    def of(cls, turns: Iterable[Turn]) -> SpeakerTurns:
        """Return `turns` with both views; themselves if they have them."""
        return turns if isinstance(turns, cls) else cls(turns)

    @classmethod
    def from_intervals(
        cls, recording: str, speakers: Sequence[tuple[str, int]], intervals: Sequence[np.ndarray]
    ) -> SpeakerTurns:
        """Return the turns of intervals, ascending by start.

        Args:
            recording: its id.
            speakers: K × (name, channel); the same name may come twice.
            intervals: K × (n, 2) seconds.
        """
        turns = [
            Turn(recording, start, end, name, channel)
            for (name, channel), own in zip(speakers, intervals, strict=True)
            for start, end in own.tolist()
        ]
        found = cls(sorted(turns, key=lambda turn: (turn.start, turn.end)))
        by_name: dict[str, list[np.ndarray]] = {turn.speaker: [] for turn in found}
        for (name, _), own in zip(speakers, intervals, strict=True):
            if len(own):
                by_name[name].append(own)
        found.intervals = {name: at_least(1, own) for name, own in by_name.items()}
        return found

    @cached_property
    def intervals(self) -> dict[str, np.ndarray]:
        """(n, 2) seconds of each speaker, by first turn; own turns that overlap or touch become one."""
        pairs: dict[str, list[tuple[float, float]]] = {}
        for turn in sorted(self._turns, key=lambda turn: turn.start):
            if turn.end > turn.start:
                pairs.setdefault(turn.speaker, []).append((turn.start, turn.end))
        return {speaker: at_least(1, [np.array(own)]) for speaker, own in pairs.items()}

    @cached_property
    def overlap(self) -> np.ndarray:
        """(n, 2) seconds in which two or more speak."""
        return at_least(2, self.intervals.values())

    def by_channel(self) -> dict[int, SpeakerTurns]:
        """Return the turns of each channel, ascending."""
        channels = sorted({turn.channel for turn in self._turns})
        if len(channels) == 1:
            return {channels[0]: self}
        return {number: SpeakerTurns(t for t in self._turns if t.channel == number) for number in channels}

    def shifted(self, seconds: float) -> SpeakerTurns:
        """Return the turns, all later by that."""
        return SpeakerTurns(replace(t, start=t.start + seconds, end=t.end + seconds) for t in self._turns)

    @overload
    def __getitem__(self, index: int) -> Turn: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Turn]: ...
    def __getitem__(self, index: int | slice) -> Turn | Sequence[Turn]:
        return self._turns[index]

    def __len__(self) -> int:
        return len(self._turns)

    def __iter__(self) -> Iterator[Turn]:
        return iter(self._turns)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and self._turns == tuple(other)

    def __hash__(self) -> int:
        return hash(self._turns)

    def __repr__(self) -> str:
        return f"SpeakerTurns({list(self._turns)})"
