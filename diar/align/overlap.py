"""Where several people speak at once, as the segmentation model heard it."""

from __future__ import annotations

import numpy as np

from diar.intervals import at_least
from diar.records import MIXED, SLIDING, Tracks


def overlapped_speech(tracks: Tracks, channel: int = MIXED) -> np.ndarray:
    """Return (n, 2) seconds in which several local speakers of one seg_window speak.

    Args:
        tracks: of one recording.
        channel: whose local speakers count; MIXED: all, those of each channel by themselves.
    """
    local = tracks.local_speaker != SLIDING
    if channel != MIXED:
        local &= tracks.channel == channel
    active = tracks.active.take(local).split()
    windows: dict[tuple[float, int], list[np.ndarray]] = {}
    places = zip(tracks.start[local].tolist(), tracks.channel[local].tolist(), strict=True)
    for place, own in zip(places, active, strict=True):
        windows.setdefault(place, []).append(own)
    return at_least(1, [at_least(2, own) for own in windows.values()])
