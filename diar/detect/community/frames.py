"""From clusters to who speaks in every frame: as many voices as the seg_windows count, the most active ones.

Frame i of the recording is centred at `first_center` + i × `frame_step`. Turns begin at the centre of their
first frame and end at that of the first frame after them, as pyannote.audio has it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from diar.detect.clustering.assignment import NO_CLUSTER
from diar.detect.community.decisions import Decisions, voices_of_windows
from diar.detect.observations import Observations

_BLOCK = 32_768  # frames, nine minutes


@dataclass(frozen=True)
class Timeline:
    """Where each seg_window has its frames in the recording."""

    first: np.ndarray  # (w,) the recording's frame that is frame 0 of each seg_window
    count: int  # frames of the recording

    @classmethod
    def of(cls, observations: Observations, frames: int) -> Timeline:
        """Return that of a recording whose seg_windows have so many frames."""
        first = np.rint(observations.local.seg_window_start / observations.frame_step).astype(np.int64)
        last = observations.local.seg_window_end.max(initial=0.0) / observations.frame_step
        return cls(first, max(int(np.rint(last)) + 1, int(first.max(initial=-frames)) + frames))


def count_voices(decisions: Decisions, timeline: Timeline) -> np.ndarray:
    """Return (N,) int: the mean over the seg_windows that see a frame, rounded, halves to the even number."""
    frames = decisions.spoken.shape[1]
    voices = voices_of_windows(decisions.spoken, decisions.seg_window, len(timeline.first))
    total, seen = np.zeros(timeline.count, np.float32), np.zeros(timeline.count, np.float32)
    for first, own in zip(timeline.first, voices, strict=True):
        total[first : first + frames] += own
        seen[first : first + frames] += 1
    return np.asarray(np.rint(total / np.maximum(seen, 1e-12)).astype(np.int64))


def count_active(decisions: Decisions, assigned: np.ndarray, clusters: int, timeline: Timeline) -> np.ndarray:
    """Return (clusters, N) int32: how many seg_windows find each cluster active.

    Args:
        decisions: of the local speakers.
        assigned: (m,) the cluster of each, or `NO_CLUSTER`.
        clusters: their number.
        timeline: of the recording.
    """
    activity = np.zeros((clusters, timeline.count), np.int32)
    frames = decisions.spoken.shape[1]
    rows = np.flatnonzero(assigned != NO_CLUSTER)
    keys = decisions.seg_window[rows] * clusters + assigned[rows]
    order = np.argsort(keys, kind="stable")
    found, starts = np.unique(keys[order], return_index=True)
    for key, own in zip(found, np.split(rows[order], starts[1:]), strict=False):
        first = timeline.first[key // clusters]  # several of one seg_window may be one person
        activity[key % clusters, first : first + frames] += decisions.spoken[own].any(axis=0)
    return activity


def most_active(activity: np.ndarray, voices: np.ndarray) -> np.ndarray:
    """Return (clusters, N) bool: in each frame the `voices` clusters that most seg_windows find active.

    Of equally active ones the first speaks. More voices than clusters are left out.

    Args:
        activity: (clusters, N) of `count_active`.
        voices: (N,) how many speak.
    """
    clusters, frames = activity.shape
    active = np.zeros((clusters, frames), bool)
    for start in range(0, frames, _BLOCK):
        block = slice(start, min(start + _BLOCK, frames))
        order = np.argsort(-activity[:, block], axis=0, kind="stable")
        chosen = np.arange(clusters)[:, None] < voices[block]
        np.put_along_axis(active[:, block], order, chosen, axis=0)
    return active


def turns_of(
    active: np.ndarray, observations: Observations, min_duration_off: float, min_duration_on: float
) -> np.ndarray:
    """Return the turns (n, 2) of one cluster in seconds, given its frames (N,) bool; none after the end."""
    edges = np.flatnonzero(np.diff(active, prepend=False, append=False)).reshape(-1, 2)
    edges = np.minimum(edges, len(active) - 1)  # one that lasts to the end ends at the last frame's centre
    turns = observations.first_center + edges * observations.frame_step
    if len(turns):
        kept = turns[1:, 0] - turns[:-1, 1] >= min_duration_off
        turns = np.column_stack([turns[np.append(True, kept), 0], turns[np.append(kept, True), 1]])
    turns = np.minimum(turns, observations.duration)
    length = turns[:, 1] - turns[:, 0]
    return np.asarray(turns[(length > 0) & (length >= min_duration_on)])
