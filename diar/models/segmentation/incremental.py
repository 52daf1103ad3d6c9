"""SincNet on overlapping windows of a stream: what the filters let through is kept from window to window.

A window's waveform is normalised, which is a factor and a summand. So the largest magnitude of three
neighbours is that of the largest or of the smallest of them, times the factor, plus the summand.
"""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from diar.models.segmentation.sincnet import POOL, SINC_TAPS, SincConvolution, SincNet


class IncrementalSincNet:
    """The two parts of a SincNet: filters, whose output can be kept, and all that depends on the window.

    Args:
        sincnet: the network, on the CPU.

    Attributes:
        step: samples from one of the `extremes` to the next.
        gain: (filters, 1) of a constant.
    """

    def __init__(self, sincnet: SincNet) -> None:
        self._sincnet = sincnet
        self._sinc = cast(SincConvolution, sincnet.conv1d[0])
        self.step = self._sinc.stride * POOL
        self.gain = self._sinc.filterbank.kernels.sum(dim=(1, 2))[:, None]

    def extremes(self, samples: Tensor) -> Tensor:
        """Return the largest of each three neighbours that the filters let through, and minus the smallest.

        (samples,) → (2, filters, n).
        """
        filtered = self._sinc.filtered(samples[None, None])
        return F.max_pool1d(torch.cat([filtered, -filtered]), POOL)

    def count(self, samples: int) -> int:
        """Count the `extremes` of so many samples."""
        return ((samples - SINC_TAPS) // self._sinc.stride + 1) // POOL

    def samples_seen(self, count: int) -> int:
        """Return the samples that so many `extremes` see."""
        return (count * POOL - 1) * self._sinc.stride + SINC_TAPS

    def features(self, extremes: Tensor, window: Tensor) -> Tensor:
        """Return the features of a window, (1, 60, frames): those of `SincNet.forward`, but for rounding.

        Args:
            extremes: of the window, (2, filters, n).
            window: its samples, (samples,).
        """
        sincnet, norm = self._sincnet, self._sincnet.wav_norm1d
        mean, variance = _mean_and_variance(window)
        factor = norm.weight * (variance + norm.eps).rsqrt()
        summand = (norm.bias - factor * mean) * self.gain
        largest = torch.addcmul(summand, extremes[0], factor).abs_()
        smallest = torch.addcmul(-summand, extremes[1], factor).abs_()
        features = _normalised(torch.maximum(largest, smallest), sincnet.norm1d[0])
        for number in (1, 2):
            convolution = cast(nn.Conv1d, sincnet.conv1d[number])
            passed = convolution(features.to(convolution.weight.dtype).unsqueeze(0))
            features = _normalised(F.max_pool1d(passed, POOL).squeeze(0).float(), sincnet.norm1d[number])
        return features.unsqueeze(0)


def _mean_and_variance(values: Tensor) -> tuple[Tensor, Tensor]:
    """Return both over the last axis, kept; torch's own take five times as long."""
    mean = values.mean(dim=-1, keepdim=True)
    return mean, (values - mean).square_().mean(dim=-1, keepdim=True)


def _normalised(values: Tensor, norm: nn.Module) -> Tensor:
    """Normalise each channel (channels, n) as an instance norm does, then leaky ReLU."""
    assert isinstance(norm, nn.InstanceNorm1d)
    mean, variance = _mean_and_variance(values)
    factor = norm.weight[:, None] * (variance + norm.eps).rsqrt()
    return F.leaky_relu_(torch.addcmul(norm.bias[:, None] - factor * mean, values, factor))
