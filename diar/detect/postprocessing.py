"""From frames to turns: short pauses are closed, short turns dropped."""

from __future__ import annotations

import numpy as np

from diar.detect.clustering.assignment import NO_CLUSTER
from diar.detect.presets import TurnSettings
from diar.detect.reconstruction import Frames


def speaker_turns(frames: Frames, settings: TurnSettings, duration: float) -> list[np.ndarray]:
    """Return each cluster's turns, which may overlap others': K arrays (n, 2) of seconds, ascending."""
    return [_turns(active, frames, settings, duration) for active in frames.active]


def exclusive_turns(frames: Frames, settings: TurnSettings, duration: float) -> list[np.ndarray]:
    """Return each cluster's turns where at most one speaks at a time, as transcripts need them.

    A pause is closed only where nobody else speaks in it.
    """
    dominant = frames.dominant.copy()
    longest = settings.min_duration_off / frames.step
    speaking = np.flatnonzero(dominant != NO_CLUSTER)
    before, after = speaking[:-1], speaking[1:]
    bridged = (after - before > 1) & (after - before - 1 <= longest) & (dominant[before] == dominant[after])
    for first, last in zip(before[bridged], after[bridged], strict=True):
        dominant[first:last] = dominant[first]
    only_short = TurnSettings(0.0, settings.min_duration_on)
    return [_turns(dominant == k, frames, only_short, duration) for k in range(len(frames.active))]


def _turns(active: np.ndarray, frames: Frames, settings: TurnSettings, duration: float) -> np.ndarray:
    edges = np.flatnonzero(np.diff(active, prepend=False, append=False))
    turns = np.clip(frames.edge(edges), 0.0, duration).reshape(-1, 2)
    if len(active) and active[-1]:
        turns[-1, 1] = duration  # the last frame's centre is half a frame or more before the end
    if len(turns) and active[0]:
        turns[0, 0] = 0.0
    pause = turns[1:, 0] - turns[:-1, 1]
    kept = pause > settings.min_duration_off
    turns = (
        np.column_stack([turns[np.append(True, kept), 0], turns[np.append(kept, True), 1]])
        if len(turns)
        else turns
    )
    return np.asarray(turns[turns[:, 1] - turns[:, 0] >= max(settings.min_duration_on, 1e-9)])
