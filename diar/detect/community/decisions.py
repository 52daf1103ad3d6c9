"""What stage 1 decided of each local speaker, frame by frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from diar.detect.observations import LocalSpeakers, Observations

_CLEAN_SHARE = 0.2  # of a seg_window's frames that a local speaker has to speak alone in, for VBx


@dataclass(frozen=True)
class Decisions:
    """m local speakers that speak in their seg_windows, ascending by seg_window."""

    row: np.ndarray  # (m,) of `LocalSpeakers`
    seg_window: np.ndarray  # (m,)
    spoken: np.ndarray  # (m, frames) bool
    clean: np.ndarray  # (m,) frames in which nobody else of the seg_window speaks

    @classmethod
    def of(cls, observations: Observations) -> Decisions:
        """Return the decisions of a recording, without local speakers that are never active."""
        local = observations.local
        spoken = decided_frames(local, observations.first_center, observations.frame_step)
        row = np.flatnonzero(spoken.any(axis=1))
        spoken, seg_window = spoken[row], local.seg_window[row]
        alone = voices_of_windows(spoken, seg_window, len(local.seg_window_start))[seg_window] == 1
        return cls(row, seg_window, spoken, (spoken & alone).sum(axis=1))

    @property
    def trains(self) -> np.ndarray:
        """(m,) bool: those who speak alone long enough for VBx to be run on them."""
        enough: np.ndarray = self.clean >= _CLEAN_SHARE * self.spoken.shape[1]
        return enough


def voices_of_windows(spoken: np.ndarray, seg_window: np.ndarray, windows: int) -> np.ndarray:
    """Count the local speakers who speak in each frame of each seg_window, (windows, frames) int8."""
    voices = np.zeros((windows, spoken.shape[1]), np.int8)
    np.add.at(voices, seg_window, spoken.astype(np.int8))
    return voices


def decided_frames(local: LocalSpeakers, first_center: float, step: float) -> np.ndarray:
    """Return (m, frames) bool: the network's decision, from the intervals that stage 1 stored.

    An interval begins and ends half-way between two frames' centres, to a sample; the first and the last
    frame of a seg_window reach to its ends.
    """
    frames = local.activity.shape[1]
    row = np.repeat(np.arange(len(local)), local.active.counts)
    since = local.active.intervals - local.seg_window_start[local.seg_window[row], None]
    border = np.clip(np.rint((since - first_center) / step + 0.5).astype(np.int64), 0, frames)
    at_end = local.active.intervals[:, 1] >= local.seg_window_end[local.seg_window[row]] - step / 2
    border[at_end, 1] = frames
    steps = np.zeros((len(local), frames + 1), np.int8)
    np.add.at(steps, (row, border[:, 0]), 1)
    np.add.at(steps, (row, border[:, 1]), -1)
    decided: np.ndarray = np.cumsum(steps[:, :-1], axis=1, dtype=np.int8) > 0
    return decided
