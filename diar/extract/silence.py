"""Silence by energy: pauses inside a turn, which the segmentation network was trained to bridge.

Evaluations count a pause of 0.3 s and more as non-speech (NIST's rule). In a pause the recording is at its
noise floor, and energy shows its ends within some 10 ms (decision 031).
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from diar.extract.intervals import frame_runs

FRAME_SECONDS = 0.01
_SMOOTHING = 5  # frames
_FLOOR_PERCENTILE = 5
_LEAST_SECONDS = 0.6


def smoothed_power(samples: torch.Tensor, rate: int) -> torch.Tensor:
    """Mean square of 10 ms frames, smoothed over 50 ms: (batch, samples) → (batch, frames).

    Frame i lasts from i × 10 ms; what is less than a frame at the end is left out.
    """
    size = round(FRAME_SECONDS * rate)
    frames = samples.shape[1] // size
    power = samples[:, : frames * size].unflatten(1, (frames, size)).square().mean(dim=-1)
    if not frames:
        return power
    padding = _SMOOTHING // 2
    smooth = F.avg_pool1d(power.unsqueeze(1), _SMOOTHING, 1, padding, count_include_pad=False)
    return smooth.squeeze(1)


def silent_frames(power: np.ndarray, margin: float) -> np.ndarray:
    """Where equally long chunks are silent.

    The noise floor of a chunk is the 5th percentile of its power; frames of digital silence do not count for
    it. Silence is at least 0.6 s in a row less than `margin` above the floor.

    Args:
        power: (batch, frames) of `smoothed_power`.
        margin: dB; 0 switches the gate off.

    Returns:
        (batch, frames) bool.
    """
    least = round(_LEAST_SECONDS / FRAME_SECONDS)
    if margin == 0 or power.shape[1] < least:
        return np.zeros(power.shape, bool)
    quiet = np.stack([row < _noise_floor(row) * 10 ** (margin / 10) for row in power])
    return _lasting(quiet | (power == 0), least)


def _noise_floor(power: np.ndarray) -> float:
    heard = power[power > 0]
    return float(np.percentile(heard, _FLOOR_PERCENTILE)) if len(heard) else 0.0


def _lasting(mask: np.ndarray, least: int) -> np.ndarray:
    """The runs of at least `least` true frames in each row of `mask` (n, frames)."""
    found = frame_runs(mask)
    row = np.repeat(np.arange(len(mask)), found.counts)
    first, end = found.intervals.T
    lasts = end - first >= least
    steps = np.zeros((len(mask), mask.shape[1] + 1), np.int8)
    steps[row[lasts], first[lasts]] = 1
    steps[row[lasts], end[lasts]] = -1
    lasting: np.ndarray = np.cumsum(steps, axis=1)[:, :-1] > 0
    return lasting
