"""What stage 1 saw in one recording: short windows of one voice, and local speakers of longer chunks."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from diar.errors import DiarError
from diar.records import SLIDING, RecordingTracks, Tracks

_DECIMALS = 4  # of seconds, within which two starts are the same
_NARROW_BAND = 4_700.0  # Hz of sound, below which a recording comes over a telephone
_RELIABLE_WINDOW = 0.5  # seconds of single-speaker speech from which a window's embedding is trusted


@dataclass(frozen=True)
class Windows:
    """n sliding windows, ascending; each embedding is that of whoever speaks alone in it."""

    start: np.ndarray  # (n,) seconds
    end: np.ndarray  # (n,) seconds
    seconds: np.ndarray  # (n,) of single-speaker speech
    embedding: np.ndarray  # (n, D) float32, L2-normalised

    def __len__(self) -> int:
        return len(self.start)

    def __getitem__(self, rows: np.ndarray | slice) -> Windows:
        return Windows(self.start[rows], self.end[rows], self.seconds[rows], self.embedding[rows])

    @property
    def reliable(self) -> Windows:
        """Those with enough speech to say whose it is."""
        return self[self.seconds >= _RELIABLE_WINDOW]

    @property
    def coverage(self) -> float:
        """How many windows see a moment, on average; at least 1."""
        if len(self) < 2:
            return 1.0
        hop = float(np.median(np.diff(self.start)))
        length = float(np.median(self.end - self.start))
        return max(1.0, length / hop)

    @property
    def weight(self) -> np.ndarray:
        """(n,) seconds of speech that each window stands for: windows overlap, their weights do not."""
        return np.asarray(self.seconds / self.coverage, dtype=np.float64)


@dataclass(frozen=True)
class LocalSpeakers:
    """m local speakers of the segmentation model's chunks, ascending by chunk.

    Two of one chunk are different people. The same one in two chunks has no common number.
    """

    chunk: np.ndarray  # (m,) number of the chunk, from 0
    chunk_start: np.ndarray  # (chunks,) seconds
    chunk_end: np.ndarray  # (chunks,) seconds
    speech_seconds: np.ndarray  # (m,)
    clean_seconds: np.ndarray  # (m,) without overlap
    embedding: np.ndarray  # (m, D) float32, L2-normalised
    activity: np.ndarray  # (m, frames) uint8, 255 × probability; zeros beyond a shorter chunk's end

    def __len__(self) -> int:
        return len(self.chunk)

    @property
    def trust(self) -> np.ndarray:
        """(m,) 0.2 … 1: how much an embedding counts against the other local speaker's."""
        return np.minimum(1.0, 0.2 + self.clean_seconds)

    @property
    def coverage(self) -> float:
        """How many chunks see a moment, on average."""
        if not len(self.chunk_start):
            return 1.0
        seen = float((self.chunk_end - self.chunk_start).sum())
        return max(1.0, seen / float(self.chunk_end.max() - self.chunk_start.min()))

    @property
    def weight(self) -> np.ndarray:
        """(m,) seconds that each stands for; overlapped speech says little about its speaker."""
        return np.asarray((self.clean_seconds + 0.05 * self.speech_seconds) / self.coverage, dtype=np.float64)

    def between(self, start: float, end: float) -> LocalSpeakers:
        """Those of the chunks whose centre lies in [start, end), their chunks numbered anew."""
        center = (self.chunk_start + self.chunk_end) / 2
        chosen = (center >= start) & (center < end)
        rows = chosen[self.chunk]
        numbers = np.cumsum(chosen) - 1
        return replace(
            self,
            chunk=numbers[self.chunk[rows]],
            chunk_start=self.chunk_start[chosen],
            chunk_end=self.chunk_end[chosen],
            speech_seconds=self.speech_seconds[rows],
            clean_seconds=self.clean_seconds[rows],
            embedding=self.embedding[rows],
            activity=self.activity[rows],
        )


@dataclass(frozen=True)
class Observations:
    """All of one recording."""

    duration: float  # seconds
    windows: Windows
    local: LocalSpeakers
    first_center: float  # seconds from a chunk's start to the centre of its first segmentation frame
    frame_step: float  # seconds
    narrow_band: bool = False  # of a telephone, by its spectrum

    @classmethod
    def of(cls, stored: RecordingTracks) -> Observations:
        """From the tracks of a recording.

        Raises:
            DiarError: stage 1 ran without a segmentation model.
        """
        if stored.frames is None:
            raise DiarError("stage 1 had no segmentation model; turns need one (`segmentation`)")
        tracks = stored.tracks
        sliding = tracks.local_speaker == SLIDING
        chunks, chunk, local = _arranged(tracks)
        return cls(
            duration=stored.recording.duration,
            windows=Windows(
                tracks.start[sliding],
                tracks.end[sliding],
                tracks.clean_seconds[sliding],
                tracks.embedding[sliding],
            ),
            local=LocalSpeakers(
                chunk=chunk,
                chunk_start=chunks[:, 0],
                chunk_end=chunks[:, 1],
                speech_seconds=tracks.speech_seconds[local],
                clean_seconds=tracks.clean_seconds[local],
                embedding=tracks.embedding[local],
                activity=_stacked([tracks.activity[row] for row in local]),
            ),
            first_center=stored.frames.first_center,
            frame_step=stored.frames.step,
            narrow_band=is_narrow(stored.recording.bandwidth),
        )

    def between(self, start: float, end: float) -> Observations:
        """The windows and chunks whose centres lie in [start, end), in seconds."""
        center = (self.windows.start + self.windows.end) / 2
        chosen = (center >= start) & (center < end)
        return replace(self, windows=self.windows[chosen], local=self.local.between(start, end))


def is_narrow(bandwidth: float) -> bool:
    """Whether a recording with sound up to so many Hz comes over a telephone; 0 where that is not known."""
    return 0 < bandwidth < _NARROW_BAND


def _arranged(tracks: Tracks) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Chunks (c, 2) by start, and of the m local speakers, ascending by chunk, its number and the row.

    The last stretch of audio that stage 1 looked at overlaps the one before, so chunks come out of order, and
    one may come twice.
    """
    # rounded to be told apart only: a chunk that ends with its last frame must not lose that frame
    starts, once = np.unique(np.round(tracks.windows, _DECIMALS), axis=0, return_index=True)
    chunks = tracks.windows[once]
    rows = np.flatnonzero(tracks.local_speaker != SLIDING)
    number = np.searchsorted(starts[:, 0], np.round(tracks.start[rows], _DECIMALS))
    keys = number * (int(tracks.local_speaker.max(initial=0)) + 1) + tracks.local_speaker[rows]
    _, first = np.unique(keys, return_index=True)
    return chunks, number[first], rows[first]


def _stacked(activity: list[np.ndarray]) -> np.ndarray:
    """(m, frames) uint8, zeros behind shorter rows."""
    stacked = np.zeros((len(activity), max(map(len, activity), default=0)), np.uint8)
    for row, values in zip(stacked, activity, strict=True):
        row[: len(values)] = values
    return stacked
