"""SincNet: features from the waveform by learned band-pass filters and two convolutions.

M. Ravanelli, Y. Bengio, "Speaker recognition from raw waveform with SincNet", SLT 2018; the pairs of even and
odd filters are from M. Pariente et al., "Filterbank design for end-to-end speech separation", ICASSP 2020.
"""

from __future__ import annotations

import math
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from diar.models.kernels import available
from diar.models.segmentation.base import SAMPLE_RATE

_MIN_LOW_HZ, _MIN_BAND_HZ = 50.0, 50.0
SINC_TAPS, CONV_TAPS, POOL = 251, 5, 3


class SincFilters(nn.Module):
    """Band-pass filters from `low_hz_` and `band_hz_`: an even and an odd one for each band.

    They are computed when weights are loaded, not at each forward pass.
    """

    low_hz_: Tensor
    band_hz_: Tensor
    window_: Tensor  # (half taps,), left half of the window
    n_: Tensor  # (1, half taps), 2π × seconds before the centre
    kernels: Tensor  # (filters, 1, taps)

    def __init__(self, num_filters: int) -> None:
        super().__init__()
        bands, half = num_filters // 2, SINC_TAPS // 2
        edges = _mel_spaced(30.0, SAMPLE_RATE / 2 - _MIN_LOW_HZ - _MIN_BAND_HZ, bands + 1)  # Hz
        self.register_buffer("low_hz_", edges[:-1, None])
        self.register_buffer("band_hz_", edges.diff()[:, None])
        self.register_buffer("window_", torch.hamming_window(SINC_TAPS, periodic=False)[:half].clone())
        self.register_buffer(
            "n_", 2 * math.pi * torch.arange(-half, 0.0)[None] / SAMPLE_RATE
        )  # (1, half taps)
        self.register_buffer("kernels", self.compute_kernels(), persistent=False)
        self.register_load_state_dict_post_hook(lambda module, _: module.update_kernels())

    def update_kernels(self) -> None:
        """Follow the parameters."""
        self.kernels = self.compute_kernels()

    def compute_kernels(self) -> Tensor:
        """Compute (filters, 1, taps), even filters before odd ones; the peak of an even filter is 1."""
        low = _MIN_LOW_HZ + self.low_hz_.abs()  # (bands, 1)
        high = (low + _MIN_BAND_HZ + self.band_hz_.abs()).clamp(_MIN_LOW_HZ, SAMPLE_RATE / 2)
        scale = self.window_ / (self.n_ * (high - low))  # (bands, half taps)
        even = ((high * self.n_).sin() - (low * self.n_).sin()) * scale
        odd = ((low * self.n_).cos() - (high * self.n_).cos()) * scale
        center = torch.ones_like(low)
        return torch.cat(
            [
                torch.cat([even, center, even.flip(1)], dim=1),
                torch.cat([odd, 0 * center, -odd.flip(1)], dim=1),
            ]
        ).unsqueeze(1)


class SincConvolution(nn.Module):
    """Convolution with sinc filters: (batch, 1, samples) → (batch, filters, frames)."""

    def __init__(self, num_filters: int, stride: int) -> None:
        super().__init__()
        self.filterbank = SincFilters(num_filters)
        self.stride = stride

    def filtered(self, waveform: Tensor) -> Tensor:
        """Return what the filters let through."""
        return F.conv1d(waveform, self.filterbank.kernels, stride=self.stride)

    def forward(self, waveform: Tensor) -> Tensor:
        """Return the filters' magnitudes: the sign of a wave carries no information."""
        return self.filtered(waveform).abs()


class SincNet(nn.Module):
    """Waveform to 60 features a frame: (batch, 1, samples) → (batch, 60, frames)."""

    num_features = 60

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.wav_norm1d = nn.InstanceNorm1d(1, affine=True)
        self.conv1d = nn.ModuleList(
            [SincConvolution(80, stride), nn.Conv1d(80, 60, CONV_TAPS), nn.Conv1d(60, 60, CONV_TAPS)]
        )
        self.norm1d = nn.ModuleList([nn.InstanceNorm1d(channels, affine=True) for channels in (80, 60, 60)])

    @staticmethod
    def receptive_field(stride: int) -> tuple[int, int]:
        """Return how many samples a frame sees, and how many lie from one frame to the next."""
        size = step = 1
        for taps, hop in ((SINC_TAPS, stride), (CONV_TAPS, 1), (CONV_TAPS, 1)):
            size += (taps - 1) * step
            step *= hop
            size += (POOL - 1) * step
            step *= POOL
        return size, step

    def forward(self, waveform: Tensor) -> Tensor:
        """Three times: convolve, take the largest of three neighbours, normalise each channel."""
        sinc = cast(SincConvolution, self.conv1d[0])
        waveform = self.wav_norm1d(waveform)
        if available.run_on(waveform.device):
            from diar.models.kernels.sinc import largest_magnitudes

            filters = sinc.filterbank.kernels.squeeze(1)
            return self._from_largest(largest_magnitudes(waveform.squeeze(1), filters, sinc.stride, POOL))
        return self._from_largest(F.max_pool1d(sinc(waveform), POOL))

    def _from_largest(self, features: Tensor) -> Tensor:
        """Compute all that follows the largest magnitudes of three neighbours, (batch, filters, frames)."""
        for number, norm in enumerate(self.norm1d):
            if number:
                features = self.largest(number, features)
            features = F.leaky_relu(norm(features))
        return features

    def largest(self, number: int, features: Tensor) -> Tensor:
        """Return the largest of neighbours after a convolution, which may be in bf16."""
        convolution = self.conv1d[number]
        dtype = convolution.weight.dtype if isinstance(convolution, nn.Conv1d) else features.dtype
        return F.max_pool1d(convolution(features.to(dtype)), POOL).to(features.dtype)


def _mel_spaced(low_hz: float, high_hz: float, count: int) -> Tensor:
    """Return `count` frequencies at equal distances on the mel scale."""
    low, high = (2595 * math.log10(1 + hz / 700) for hz in (low_hz, high_hz))
    return 700 * (10 ** (torch.linspace(low, high, count) / 2595) - 1)
