"""The first layer of SincNet by one kernel.

torch computes a convolution of one channel without tensor cores. Its output is eight times the waveform, and
is written and read three times until the largest of three neighbours is taken.
"""

from __future__ import annotations

import torch.nn.functional as F
import triton
import triton.language as tl
from torch import Tensor

_ROWS = 32  # frames of one program
_TAPS = 32  # that a program multiplies at a time


def largest_magnitudes(waveform: Tensor, filters: Tensor, stride: int, pool: int) -> Tensor:
    """Compute `max_pool1d(conv1d(waveform, filters).abs())`.

    Products are three of TF32, which are as exact as one of fp32.

    Args:
        waveform: (batch, samples) float32, contiguous.
        filters: (filters, taps) float32.
        stride: samples.
        pool: frames of which one is left.

    Returns:
        (batch, filters, frames).
    """
    assert waveform.is_contiguous()
    batch, samples = waveform.shape
    count, taps = filters.shape
    frames = ((samples - taps) // stride + 1) // pool
    columns, filled = triton.next_power_of_2(count), triton.cdiv(taps, _TAPS) * _TAPS
    factors = F.pad(filters, (0, filled - taps, 0, columns - count)).T.contiguous()  # (filled, columns)
    out = waveform.new_empty(batch, count, frames)
    _largest_magnitudes[triton.cdiv(frames, _ROWS), batch](
        waveform, factors, out, samples, frames, count,
        stride, pool, filled, _ROWS, columns, _TAPS, num_warps=4, num_stages=3,
    )  # fmt: skip
    return out


@triton.jit
def _largest_magnitudes(
    waveform, factors, out, samples, frames, count,
    STRIDE: tl.constexpr, POOL: tl.constexpr, FILLED: tl.constexpr,
    ROWS: tl.constexpr, COLUMNS: tl.constexpr, TAPS: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    number = tl.program_id(1).to(tl.int64)
    column = tl.arange(0, COLUMNS)
    largest = tl.zeros((ROWS, COLUMNS), tl.float32)
    for phase in tl.static_range(POOL):
        begin = (row * POOL + phase) * STRIDE
        total = tl.zeros((ROWS, COLUMNS), tl.float32)
        for start in range(0, FILLED, TAPS):
            tap = start + tl.arange(0, TAPS)
            place = begin[:, None] + tap[None, :]
            value = tl.load(waveform + number * samples + place, mask=place < samples, other=0.0)
            factor = tl.load(factors + tap[:, None] * COLUMNS + column[None, :])
            total = tl.dot(value, factor, total, input_precision="tf32x3")
        largest = tl.maximum(largest, tl.abs(total))
    target = out + (number * count + column[None, :]) * frames + row[:, None]
    tl.store(target, largest, mask=(row < frames)[:, None] & (column < count)[None, :])
