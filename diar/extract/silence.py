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


def silent_frames(samples: torch.Tensor, rate: int, margin: float) -> np.ndarray:
    """Where equally long chunks are silent.

    The noise floor of a chunk is the 5th percentile of its energy, smoothed over 50 ms; frames of digital
    silence do not count for it. Silence is at least 0.6 s in a row less than `margin` above the floor.

    Args:
        samples: (batch, samples).
        rate: samples a second.
        margin: dB; 0 switches the gate off.

    Returns:
        (batch, frames) bool; frame i lasts from i × 10 ms, the remainder after the last counts as that one.
    """
    size = round(FRAME_SECONDS * rate)
    frames = samples.shape[1] // size
    least = round(_LEAST_SECONDS / FRAME_SECONDS)
    if margin == 0 or frames < least:
        return np.zeros((len(samples), max(1, frames)), bool)
    energy = samples[:, : frames * size].reshape(len(samples), frames, size).square().mean(dim=-1)
    smooth = F.avg_pool1d(
        energy.unsqueeze(1), _SMOOTHING, stride=1, padding=_SMOOTHING // 2, count_include_pad=False
    )
    power: np.ndarray = smooth.squeeze(1).cpu().numpy()
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
