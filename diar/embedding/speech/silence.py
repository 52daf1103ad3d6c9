"""Pauses by energy in the voice's bands: what segmentation networks were trained to bridge.

Evaluations count a pause of 0.3 s and more as non-speech (NIST's rule). In a pause the bands are at their
noise floors: see `band_excess`.
"""

from __future__ import annotations

import numpy as np

from diar.embedding.sample_intervals import frame_runs

# (seconds, probability): quiet that lasts so long is a pause if the probability of speech is below that. The
# less certain the network, the shorter the pause; where it is certain it is never overruled
_PAUSES = ((0.6, 0.99), (0.4, 0.95), (0.2, 0.8))


def silent_frames(excess: np.ndarray, speech: np.ndarray, margin: float, frame_seconds: float) -> np.ndarray:
    """Find where chunks are silent.

    Silence is less than `margin` above the floor for at least 0.6 s in a row. The less certain the network is
    of speech, the shorter that may be, down to 0.2 s. What the network is certain of is never silence, except
    for digital zeros.

    Args:
        excess: (batch, frames) of `band_excess`.
        speech: (batch, frames) probability of speech by the network.
        margin: dB; 0 switches the gate off.
        frame_seconds: from one frame to the next.

    Returns:
        (batch, frames) bool.
    """
    silent = np.zeros(excess.shape, bool)
    if margin == 0:
        return silent
    zero = np.isnan(excess)
    quiet = zero | (excess < margin)
    for seconds, below in _PAUSES:
        lasts = lasting(quiet, round(seconds / frame_seconds))
        silent |= lasts & (speech < below)
    return np.asarray(silent | (zero & lasting(quiet, round(_PAUSES[0][0] / frame_seconds))))


def lasting(mask: np.ndarray, least: int) -> np.ndarray:
    """Keep the runs of at least `least` true frames in each row of `mask` (n, frames)."""
    found = frame_runs(mask)
    row = np.repeat(np.arange(len(mask)), found.counts)
    first, end = found.intervals.T
    lasts = end - first >= least
    steps = np.zeros((len(mask), mask.shape[1] + 1), np.int8)
    steps[row[lasts], first[lasts]] = 1
    steps[row[lasts], end[lasts]] = -1
    kept: np.ndarray = np.cumsum(steps, axis=1)[:, :-1] > 0
    return kept
