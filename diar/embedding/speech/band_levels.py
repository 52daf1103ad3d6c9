"""Levels of the voice's bands, by which pauses are told from speech (`silence`)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from diar.models.features import FbankSettings, mel_filterbank
from diar.models.segmentation.base import FrameGeometry

_LOW_HZ = 100.0
BANDS, FINE_BANDS = 36, 24
_FFT = 512  # samples, 32 ms; of the bands
_FINE_FFT = 1024  # samples, of a whole frame; of the fine bands
_LONG = 991  # samples that partials of music are told apart in: a frame of PyanNet
_SMOOTHING = 5  # frames of 17 ms
_LEAST_POWER = 1e-12  # of a band; 24-bit noise has more


class BandLevels(nn.Module):
    """Smoothed levels in dB: (batch, samples) → (batch, `BANDS` + `FINE_BANDS`, frames of the network).

    The first `BANDS` are the logarithm of a mel band's power in 32 ms. The `FINE_BANDS` are the mean of the
    logarithms of a band's FFT bins in 62 ms. That resolves the partials of music: a few loud
    bins hardly count.

    NaN where all samples in the middle of a frame are zero, which is neither noise floor nor speech.

    Frames that are shorter than `_LONG` are seen with as much around them, and mirrored samples at the ends.

    Args:
        frames: where the frames of the segmentation network lie in a chunk.

    Raises:
        ValueError: frames of more than 1024 samples.
    """

    window: torch.Tensor
    fine_window: torch.Tensor
    bands: torch.Tensor
    fine_bands: torch.Tensor

    def __init__(self, frames: FrameGeometry) -> None:
        super().__init__()
        if frames.size > _FINE_FFT:
            raise ValueError(f"frames of {frames.size} samples; at most {_FINE_FFT} are possible")
        self.frames = frames
        self._around = 0 if frames.size >= _FFT else (_LONG - frames.size + 1) // 2  # samples on each side
        self._size = frames.size + 2 * self._around
        self._first = (self._size - _FFT) // 2  # the FFT's window is in the middle of the frame's
        rate = frames.sample_rate
        bands = mel_filterbank(FbankSettings(rate, BANDS, low_freq=_LOW_HZ), _FFT)
        fine = mel_filterbank(FbankSettings(rate, FINE_BANDS, low_freq=_LOW_HZ), _FINE_FFT)
        self.register_buffer("bands", bands, persistent=False)
        self.register_buffer("fine_bands", fine / fine.sum(dim=0), persistent=False)
        self.register_buffer("window", torch.hann_window(_FFT, periodic=False), persistent=False)
        self.register_buffer("fine_window", torch.hann_window(self._size, periodic=False), persistent=False)

    def forward(self, samples: torch.Tensor) -> torch.Tensor:
        """See the class."""
        return smoothed(*self.rough(samples))

    def rough(self, samples: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the levels of each frame by itself, and where its middle is zero, (batch, 1, frames)."""
        if self._around:
            samples = F.pad(samples, (self._around, self._around), mode="reflect")
        frames = samples.unfold(1, self._size, self.frames.step)
        middle = frames[..., self._first : self._first + _FFT]
        zero = (middle == 0).all(dim=-1).unsqueeze(1)
        level = _decibel(_power(middle, self.window, _FFT) @ self.bands)
        fine = _decibel(_power(frames, self.fine_window, _FINE_FFT)) @ self.fine_bands
        return torch.cat([level, fine], dim=-1).transpose(1, 2), zero


def smoothed(rough: torch.Tensor, zero: torch.Tensor) -> torch.Tensor:
    """Return what `BandLevels` does of its `rough` levels (batch, bands, frames) and `zero` frames."""
    return _running_mean(rough, ~zero).masked_fill(zero, torch.nan)


def _power(pieces: torch.Tensor, window: torch.Tensor, size: int) -> torch.Tensor:
    """Return the power (batch, frames, bins) of (batch, frames, samples) without their mean."""
    spectrum = torch.fft.rfft((pieces - pieces.mean(dim=-1, keepdim=True)) * window, n=size)
    return spectrum.real.square() + spectrum.imag.square()


def _decibel(power: torch.Tensor) -> torch.Tensor:
    return 10 * power.clamp(min=_LEAST_POWER).log10()


def _running_mean(level: torch.Tensor, heard: torch.Tensor) -> torch.Tensor:
    """Return the running mean (batch, bands, frames) over frames that are `heard` (batch, 1, frames)."""

    def mean(values: torch.Tensor) -> torch.Tensor:
        return F.avg_pool1d(values, _SMOOTHING, 1, _SMOOTHING // 2)

    weight = heard.to(level.dtype)
    return mean(level * weight) / mean(weight).clamp(min=0.5 / _SMOOTHING)
