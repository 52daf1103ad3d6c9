"""Pauses by energy in the voice's bands: what segmentation networks were trained to bridge.

Evaluations count a pause of 0.3 s and more as non-speech (NIST's rule). In a pause every band is at its noise
floor, whatever that is: a hum, a rumble or an offset fills a few bands, and speech rises in all of them. So
the measure is the mean over bands, in dB, of what a frame has above the band's own floor. Bands count as they
tell what the network takes for speech from what it takes for silence (Fisher's criterion), so that the bands
of a music bed count little (decision 053).
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from diar.extract.intervals import frame_runs
from diar.models.features import FbankSettings, mel_filterbank
from diar.models.segmentation import FrameGeometry

_FFT = 512  # samples, 32 ms
_LOW_HZ, _BANDS = 100.0, 36
_SMOOTHING = 5  # frames of 17 ms
_LEAST_POWER = 1e-12  # of a band; 24-bit noise has more
_FLOOR_SHARE = 10  # percent of a chunk's frames lie below a band's floor
_MOST_DB = 20.0  # that one band counts

# Frames that show what the bands tell: probability of speech below and above, seconds needed of each
_SURE_SILENCE, _SURE_SPEECH, _LEAST_SURE_SECONDS = 0.1, 0.95, 1.0
_PRIOR_VARIANCE = 3.0  # dB², added to that of a band in silence

# A pause lasts so long where the network is sure of speech, and where it is not
_LEAST_SECONDS, _LEAST_DOUBTFUL_SECONDS = 0.6, 0.2
# Probability of speech above which nothing is a pause, and below which a short one is
_CERTAIN, _DOUBTFUL = 0.99, 0.8


class BandLevels(nn.Module):
    """Smoothed levels of the voice's bands, dB: (batch, samples) → (batch, bands, frames of the network).

    NaN where all samples that a frame sees are zero: that is no noise floor, and no speech either.

    Args:
        frames: where the segmentation network has its frames in a chunk.
    """

    window: torch.Tensor
    bands: torch.Tensor

    def __init__(self, frames: FrameGeometry) -> None:
        super().__init__()
        self.frames = frames
        self._first = max(0, (frames.size - _FFT) // 2)  # the FFT's window is in the middle of the frame's
        bands = mel_filterbank(FbankSettings(frames.sample_rate, _BANDS, low_freq=_LOW_HZ), _FFT)
        self.register_buffer("bands", bands, persistent=False)
        self.register_buffer("window", torch.hann_window(_FFT, periodic=False), persistent=False)

    def forward(self, samples: torch.Tensor) -> torch.Tensor:
        """See the class."""
        count = self.frames.num_frames(samples.shape[1])
        pieces = samples[:, self._first :].unfold(1, _FFT, self.frames.step)[:, :count]
        zero = (pieces == 0).all(dim=-1).unsqueeze(1)  # (batch, 1, frames)
        pieces = (pieces - pieces.mean(dim=-1, keepdim=True)) * self.window
        spectrum = torch.fft.rfft(pieces)
        power = (spectrum.real.square() + spectrum.imag.square()) @ self.bands  # (batch, frames, bands)
        level = 10 * power.clamp(min=_LEAST_POWER).log10().transpose(1, 2)
        return _running_mean(level, ~zero).masked_fill(zero, torch.nan)


def _running_mean(level: torch.Tensor, heard: torch.Tensor) -> torch.Tensor:
    """Of (batch, bands, frames), over the frames that are `heard` (batch, 1, frames)."""

    def mean(values: torch.Tensor) -> torch.Tensor:
        return F.avg_pool1d(values, _SMOOTHING, 1, _SMOOTHING // 2)

    weight = heard.to(level.dtype)
    return mean(level * weight) / mean(weight).clamp(min=0.5 / _SMOOTHING)


def band_excess(level: np.ndarray, speech: np.ndarray, frame_seconds: float) -> np.ndarray:
    """Mean dB above the noise floor, (batch, frames); NaN where all samples are zero.

    Args:
        level: (batch, bands, frames) of `BandLevels`.
        speech: (batch, frames) probability of speech by the network.
        frame_seconds: from one frame to the next.
    """
    excess = np.full(speech.shape, np.nan, np.float32)
    least = _LEAST_SURE_SECONDS / frame_seconds
    for found, chunk, probability in zip(excess, level, speech, strict=True):
        heard = ~np.isnan(chunk[0])
        if not heard.any():
            continue
        bands = chunk[:, heard]
        floor = np.percentile(bands, _FLOOR_SHARE, axis=1, keepdims=True)
        above = np.clip(bands - floor, 0, _MOST_DB)  # (bands, frames)
        found[heard] = _band_weights(above, probability[heard], least) @ above
    return excess


def _band_weights(above: np.ndarray, speech: np.ndarray, least: float) -> np.ndarray:
    """(bands,), of sum 1: how far speech stands out of silence in each band of `above` (bands, frames)."""
    silence, voice = above[:, speech < _SURE_SILENCE], above[:, speech > _SURE_SPEECH]
    weights = np.ones(len(above))
    if min(silence.shape[1], voice.shape[1]) >= least:
        told = np.maximum(voice.mean(axis=1) - silence.mean(axis=1), 0) / (
            silence.var(axis=1) + _PRIOR_VARIANCE
        )
        weights = told if told.any() else weights
    return np.asarray(weights / weights.sum())


def silent_frames(excess: np.ndarray, speech: np.ndarray, margin: float, frame_seconds: float) -> np.ndarray:
    """Where chunks are silent.

    Silence is at least 0.6 s in a row less than `margin` above the floor; 0.2 s are enough where the network
    doubts that anybody speaks. What it is sure of is never silence. Digital zeros always are.

    Args:
        excess: (batch, frames) of `band_excess`.
        speech: (batch, frames) probability of speech by the network.
        margin: dB; 0 switches the gate off.
        frame_seconds: from one frame to the next.

    Returns:
        (batch, frames) bool.
    """
    if margin == 0:
        return np.zeros(excess.shape, bool)
    zero = np.isnan(excess)
    quiet = zero | (excess < margin)
    pause = lasting(quiet, round(_LEAST_SECONDS / frame_seconds)) & (zero | (speech < _CERTAIN))
    short = lasting(quiet, round(_LEAST_DOUBTFUL_SECONDS / frame_seconds)) & (speech < _DOUBTFUL)
    return np.asarray(pause | short)


def lasting(mask: np.ndarray, least: int) -> np.ndarray:
    """The runs of at least `least` true frames in each row of `mask` (n, frames)."""
    found = frame_runs(mask)
    row = np.repeat(np.arange(len(mask)), found.counts)
    first, end = found.intervals.T
    lasts = end - first >= least
    steps = np.zeros((len(mask), mask.shape[1] + 1), np.int8)
    steps[row[lasts], first[lasts]] = 1
    steps[row[lasts], end[lasts]] = -1
    kept: np.ndarray = np.cumsum(steps, axis=1)[:, :-1] > 0
    return kept
