"""What stage 1 saw in one recording: sliding windows of one voice, and local speakers of seg_windows."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from diar.errors import DiarError
from diar.intervals import IntervalLists
from diar.records import SLIDING, RecordingTracks, Tracks

_DECIMALS = 4  # of seconds; starts that differ less are the same
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
        """The windows with enough speech to tell whose it is."""
        return self[self.seconds >= _RELIABLE_WINDOW]

    @property
    def coverage(self) -> float:
        """Mean number of windows that see a moment; at least 1."""
        if len(self) < 2:
            return 1.0
        hop = float(np.median(np.diff(self.start)))
        length = float(np.median(self.end - self.start))
        return max(1.0, length / hop)

    @property
    def weight(self) -> np.ndarray:
        """(n,) seconds of speech that each window stands for; overlapping windows share them."""
        return np.asarray(self.seconds / self.coverage, dtype=np.float64)


@dataclass(frozen=True)
class LocalSpeakers:
    """m local speakers, ascending by seg_window.

    Two of one seg_window are different people. One person in two seg_windows has no common number.
    """

    seg_window: np.ndarray  # (m,) number of the seg_window, from 0
    seg_window_start: np.ndarray  # (seg_windows,) seconds
    seg_window_end: np.ndarray  # (seg_windows,) seconds
    speech_seconds: np.ndarray  # (m,)
    clean_seconds: np.ndarray  # (m,) without overlap
    embedding: np.ndarray  # (m, D) float32, L2-normalised
    activity: np.ndarray  # (m, frames) uint8, 255 × probability; zeros after a shorter seg_window
    active: IntervalLists  # of the m, seconds: where the network decided that each speaks
    norm: np.ndarray  # (m,) float32 length of the embedding before it became 1; NaN where not known

    def __len__(self) -> int:
        return len(self.seg_window)

    @property
    def trust(self) -> np.ndarray:
        """(m,) 0.2 … 1: weight of an embedding against those of the same seg_window."""
        return np.minimum(1.0, 0.2 + self.clean_seconds)

    @property
    def coverage(self) -> float:
        """Mean number of seg_windows that see a moment; at least 1."""
        if not len(self.seg_window_start):
            return 1.0
        seen = float((self.seg_window_end - self.seg_window_start).sum())
        return max(1.0, seen / float(self.seg_window_end.max() - self.seg_window_start.min()))

    @property
    def weight(self) -> np.ndarray:
        """(m,) seconds that each stands for; overlapped speech counts little."""
        return np.asarray((self.clean_seconds + 0.05 * self.speech_seconds) / self.coverage, dtype=np.float64)

    def between(self, start: float, end: float) -> LocalSpeakers:
        """Return those whose seg_window is centred in [start, end); seg_windows are renumbered."""
        center = (self.seg_window_start + self.seg_window_end) / 2
        chosen = (center >= start) & (center < end)
        rows = chosen[self.seg_window]
        numbers = np.cumsum(chosen) - 1
        return replace(
            self,
            seg_window=numbers[self.seg_window[rows]],
            seg_window_start=self.seg_window_start[chosen],
            seg_window_end=self.seg_window_end[chosen],
            speech_seconds=self.speech_seconds[rows],
            clean_seconds=self.clean_seconds[rows],
            embedding=self.embedding[rows],
            activity=self.activity[rows],
            active=self.active.take(rows),
            norm=self.norm[rows],
        )


@dataclass(frozen=True)
class Observations:
    """All that stage 1 saw in one recording."""

    duration: float  # seconds
    windows: Windows
    local: LocalSpeakers
    first_center: float  # seconds from a seg_window's start to the centre of its first segmentation frame
    frame_step: float  # seconds
    narrow_band: bool = False  # of a telephone, by its spectrum
    level_range: float | None = None  # dB from faint frames to loud ones

    @classmethod
    def of(cls, stored: RecordingTracks) -> Observations:
        """Arrange the tracks of a recording.

        Raises:
            DiarError: stage 1 ran without a segmentation model.
        """
        if stored.frames is None:
            raise DiarError("stage 1 had no segmentation model; turns need one (`segmentation`)")
        tracks = stored.tracks
        sliding = tracks.local_speaker == SLIDING
        seg_windows, seg_window, local = _arranged(tracks)
        lists = tracks.active.split()
        return cls(
            duration=stored.recording.duration,
            windows=Windows(
                tracks.start[sliding],
                tracks.end[sliding],
                tracks.clean_seconds[sliding],
                tracks.embedding[sliding],
            ),
            local=LocalSpeakers(
                seg_window=seg_window,
                seg_window_start=seg_windows[:, 0],
                seg_window_end=seg_windows[:, 1],
                speech_seconds=tracks.speech_seconds[local],
                clean_seconds=tracks.clean_seconds[local],
                embedding=tracks.embedding[local],
                activity=_stacked([tracks.activity[row] for row in local]),
                active=IntervalLists.of(lists[row] for row in local),
                norm=np.full(len(local), np.nan, np.float32) if tracks.norm is None else tracks.norm[local],
            ),
            first_center=stored.frames.first_center,
            frame_step=stored.frames.step,
            narrow_band=is_narrow(stored.recording.bandwidth),
            level_range=stored.recording.level_range,
        )

    def between(self, start: float, end: float) -> Observations:
        """Return the windows and seg_windows whose centres lie in [start, end), in seconds."""
        center = (self.windows.start + self.windows.end) / 2
        chosen = (center >= start) & (center < end)
        return replace(self, windows=self.windows[chosen], local=self.local.between(start, end))


def is_narrow(bandwidth: float) -> bool:
    """Tell whether a recording with sound up to `bandwidth` Hz comes over a telephone; 0 = not known."""
    return 0 < bandwidth < _NARROW_BAND


def _arranged(tracks: Tracks) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return seg_windows (s, 2) by start, and the seg_window (m,) and row (m,) of each local speaker.

    The last chunk of stage 1 overlaps the one before: seg_windows are out of order, and one may occur twice.
    """
    # Rounded for comparison only: a seg_window that ends with its last frame must not lose that frame
    starts, once = np.unique(np.round(tracks.windows, _DECIMALS), axis=0, return_index=True)
    seg_windows = tracks.windows[once]
    rows = np.flatnonzero(tracks.local_speaker != SLIDING)
    number = np.searchsorted(starts[:, 0], np.round(tracks.start[rows], _DECIMALS))
    keys = number * (int(tracks.local_speaker.max(initial=0)) + 1) + tracks.local_speaker[rows]
    _, first = np.unique(keys, return_index=True)
    return seg_windows, number[first], rows[first]


def _stacked(activity: list[np.ndarray]) -> np.ndarray:
    """Return (m, frames) uint8, zeros after shorter rows."""
    stacked = np.zeros((len(activity), max(map(len, activity), default=0)), np.uint8)
    for row, values in zip(stacked, activity, strict=True):
        row[: len(values)] = values
    return stacked
