"""WavLM's front end: convolutions on the waveform, computed as products of matrices.

Channels are the last dimension, which norms want, and in which neighbouring frames lie side by side: a
convolution is one product over them.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from diar.models.segmentation.wavlm.settings import Convolution, WavLMSettings


class ConvolutionBlock(nn.Module):
    """A convolution, its norm if it has one, and GELU: (batch, n, channels) → (batch, frames, channels)."""

    def __init__(self, channels: int, sizes: Convolution, biased: bool, norm: nn.Module | None) -> None:
        super().__init__()
        self.layer_norm = norm
        self.conv = nn.Conv1d(channels, sizes.channels, sizes.taps, sizes.stride, bias=biased)

    def forward(self, values: Tensor) -> Tensor:
        """See the class."""
        (taps,), (stride,) = self.conv.kernel_size, self.conv.stride
        weight = self.conv.weight.transpose(1, 2).flatten(1)  # (outputs, taps · inputs)
        neighbours = values.unfold(1, taps, stride).transpose(2, 3).flatten(2)
        frames = F.linear(neighbours, weight, self.conv.bias)
        return F.gelu(frames if self.layer_norm is None else self.layer_norm(frames))


class OverTime(nn.GroupNorm):
    """Normalise each channel of (batch, frames, channels) over the frames."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, channels)

    def forward(self, input: Tensor) -> Tensor:
        """See the class; torch's own wants frames side by side, not channels."""
        centred = input - input.mean(dim=1, keepdim=True)
        variance = centred.square().mean(dim=1, keepdim=True)
        return torch.addcmul(self.bias, centred, self.weight * (variance + self.eps).rsqrt())


class FeatureExtractor(nn.Module):
    """Samples to frames: (batch, samples) → (batch, frames, channels)."""

    def __init__(self, settings: WavLMSettings) -> None:
        super().__init__()
        self.conv_layers = nn.ModuleList()
        channels = 1
        for number, sizes in enumerate(settings.convolutions):
            norm: nn.Module | None = nn.LayerNorm(sizes.channels) if settings.large else None
            if number == 0 and not settings.large:
                norm = OverTime(sizes.channels)
            self.conv_layers.append(ConvolutionBlock(channels, sizes, settings.biased, norm))
            channels = sizes.channels
        self.dummy_weight = nn.Parameter(torch.ones(channels)) if settings.scaled else None

    def forward(self, waveform: Tensor) -> Tensor:
        """See the class."""
        values = waveform.unsqueeze(2)
        for layer in self.conv_layers:
            values = layer(values)
        return values if self.dummy_weight is None else values * self.dummy_weight
