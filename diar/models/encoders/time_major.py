"""Layers over time on (batch, T', channels).

Their convolutions are matrix products of contiguous rows, which CPUs and GPUs multiply fastest in half
precision (decision 042). Parameters have the names and shapes of torch's layers on (batch, channels, T').
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# Rows from which the cost of preparing a product for a new number of rows no longer matters
_MANY_ROWS = 1024


def linear(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Compute `F.linear`; fp32 on the CPU by oneDNN, where this build of torch has it.

    There, `F.linear` uses MKL, which leaves half of the AVX-512 of other makers' processors unused. But
    oneDNN compiles code for every number of rows. For short recordings of many lengths, that takes longer
    than the product. So small products are padded to one of a few numbers of rows. A row of the product
    depends on no other.
    """
    if (
        x.device.type != "cpu"
        or x.dtype != torch.float32
        or not hasattr(torch.ops.mkldnn, "_linear_pointwise")
    ):
        return F.linear(x, weight, bias)
    rows = x.shape[:-1].numel()
    if rows >= _MANY_ROWS:
        return _product(x, weight, bias)
    filled = F.pad(x.reshape(rows, -1), (0, 0, 0, _few_numbers(rows) - rows))
    return _product(filled, weight, bias)[:rows].unflatten(0, x.shape[:-1])


def _product(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    product: Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")
    return product


def _few_numbers(rows: int) -> int:
    """Round `rows` up by a quarter at most, to one of four numbers for each doubling."""
    step = 1 << max(0, rows.bit_length() - 3)
    return -(-rows // step) * step


class TimeMajorConv(nn.Conv1d):
    """A convolution over time that keeps the frames: (batch, T', in_channels) → (batch, T', out_channels)."""

    def forward(self, x: Tensor) -> Tensor:
        """Multiply the frames that each output frame sees, as one matrix product."""
        kernel, dilation = self.kernel_size[0], self.dilation[0]
        if kernel == 1:
            return linear(x, self.weight.squeeze(-1), self.bias)
        frames = x.shape[1]
        side = (kernel - 1) // 2 * dilation
        padded = F.pad(x, (0, 0, side, side))
        seen = torch.cat([padded[:, k * dilation : k * dilation + frames] for k in range(kernel)], dim=-1)
        return linear(seen, self.weight.transpose(1, 2).flatten(1), self.bias)


class TimeMajorBatchNorm(nn.BatchNorm1d):
    """Batch normalisation of (batch, T', channels), always by the running statistics."""

    def forward(self, x: Tensor) -> Tensor:
        """Scale and shift each channel."""
        scale, shift = self.scale_and_shift()
        return torch.addcmul(shift, x, scale)

    def scale_and_shift(self) -> tuple[Tensor, Tensor]:
        """Return the factor and the summand of each channel, two tensors (channels,)."""
        assert self.running_mean is not None and self.running_var is not None
        scale = self.weight * torch.rsqrt(self.running_var + self.eps)
        return scale, self.bias - self.running_mean * scale


class ScaleAndShift(nn.Module):
    """A batch normalisation of (batch, T', channels) as one factor and summand a channel, made in fp32."""

    scale: Tensor
    shift: Tensor

    def __init__(self, norm: TimeMajorBatchNorm) -> None:
        super().__init__()
        scale, shift = norm.scale_and_shift()
        self.register_buffer("scale", scale.detach())
        self.register_buffer("shift", shift.detach())

    def forward(self, x: Tensor) -> Tensor:
        """Scale and shift each channel."""
        return torch.addcmul(self.shift, x, self.scale)
