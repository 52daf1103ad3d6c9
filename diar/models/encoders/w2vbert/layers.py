"""Layers of a w2v-BERT: products in the trunk's precision, sums and normalisations in fp32.

So it is in training, too: WeSpeaker trains with automatic mixed precision, where the same products are in
half precision and the same normalisations are not.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from diar.models.encoders.base import ExactLayer


class Norm(nn.LayerNorm, ExactLayer):
    """Layer normalisation in fp32."""

    def forward(self, x: Tensor) -> Tensor:
        """(…, channels) → the same shape, float32."""
        return super().forward(x.float())


class Product(nn.Linear):
    """A linear layer in the precision of its weight."""

    def forward(self, x: Tensor) -> Tensor:
        """(…, in) → (…, out)."""
        return F.linear(x.to(self.weight.dtype), self.weight, self.bias)


class Pointwise(nn.Module):
    """A convolution over one frame without a bias, as a product; the weight's shape is a convolution's."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(outputs, inputs, 1))
        nn.init.kaiming_uniform_(self.weight, a=math.sqrt(5))

    def forward(self, x: Tensor) -> Tensor:
        """(rows, frames, in) → (rows, frames, out)."""
        return F.linear(x.to(self.weight.dtype), self.weight.squeeze(-1))


class CausalConvolution(nn.Module):
    """A convolution of each channel by itself over a frame and those before it, without a bias.

    Not torch's layer: `Trunk` would zero the gaps between packed chunks once more.
    """

    def __init__(self, channels: int, taps: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(channels, 1, taps))
        nn.init.kaiming_uniform_(self.weight, a=math.sqrt(5))

    def forward(self, x: Tensor) -> Tensor:
        """(rows, frames, channels) → the same shape; zeros come before the first frame."""
        channels, _, taps = self.weight.shape
        padded = F.pad(x.to(self.weight.dtype).transpose(1, 2), (taps - 1, 0))
        return F.conv1d(padded, self.weight, groups=channels).transpose(1, 2)


class FeedForward(nn.Module):
    """Two products with swish between them."""

    def __init__(self, size: int, hidden: int) -> None:
        super().__init__()
        self.intermediate_dense = Product(size, hidden)
        self.output_dense = Product(hidden, size)

    def forward(self, x: Tensor) -> Tensor:
        """(rows, frames, size) → the same shape."""
        out: Tensor = self.output_dense(F.silu(self.intermediate_dense(x), inplace=True))
        return out
