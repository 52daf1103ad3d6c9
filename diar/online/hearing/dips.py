"""Where the loudness dips within a voice, so that somebody else may have gone on without a pause."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

SEEN = 1.5  # seconds at the end of a seg_window in which dips are looked for
_SMOOTHED = 3  # frames, 50 ms
_NEAR, _DEPTH = 0.4, 3.0  # seconds on either side of a dip within which it is louder, by so many dB
_AFTER, _BEFORE = 0.5, 0.3  # seconds of clean speech after a dip, and before it


def loudness(power: np.ndarray) -> np.ndarray:
    """Return dB of full scale, (n,), for the mean square of frames (n,), smoothed."""
    padded = np.pad(power, _SMOOTHED // 2, mode="edge")
    return np.asarray(10 * np.log10(np.convolve(padded, np.ones(_SMOOTHED) / _SMOOTHED, "valid") + 1e-10))


def deepest(loud: np.ndarray, clean: np.ndarray, step: float) -> tuple[int, float] | None:
    """Return frame and dB of the deepest dip with enough speech before and after it, None without one.

    Args:
        loud: (n,) dB of the last frames.
        clean: (n,) bool: the voice speaks, and nobody else.
        step: seconds from frame to frame.
    """
    near = round(_NEAR / step)
    if len(loud) <= 2 * near:
        return None
    highest = sliding_window_view(loud, near).max(axis=1)  # of frames i … i + near
    at = np.arange(near, len(loud) - near)
    depth = np.minimum(highest[at - near], highest[at + 1]) - loud[at]
    spoken = np.concatenate([[0.0], np.cumsum(clean)]) * step
    enough = (spoken[at] >= _BEFORE) & (spoken[-1] - spoken[at] >= _AFTER) & (depth >= _DEPTH)
    if not enough.any():
        return None
    best = int(np.where(enough, depth, -np.inf).argmax())
    return int(at[best]), float(depth[best])
