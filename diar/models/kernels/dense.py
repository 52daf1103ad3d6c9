"""A dense layer of CAM++ by two kernels, in half precision.

As torch computes it, most of the time goes into reading and writing the layer's input, which grows with each
layer, for its normalisation and its ReLU. Here, the product's kernel does both when it loads the input.
"""

from __future__ import annotations

import triton
import triton.language as tl
from torch import Tensor

_ROWS = 128  # frames of one program
_INPUTS = 64  # channels that a program loads at a time


def normalised_product(
    x: Tensor, scale: Tensor, shift: Tensor, weight: Tensor, bias: Tensor | None, relu: bool
) -> Tensor:
    """Compute `linear(relu(x · scale + shift))`, and its ReLU if `relu`.

    Args:
        x: (batch, frames, inputs), half precision; rows may lie apart.
        scale: (inputs,)
        shift: (inputs,)
        weight: (outputs, inputs); outputs are a multiple of 64.
        bias: (outputs,)
        relu: of the result, too.

    Returns:
        (batch, frames, outputs).
    """
    batch, frames, inputs = x.shape
    assert x.stride(2) == 1 and x.stride(0) == frames * x.stride(1) and weight.is_contiguous()
    outputs, rows = weight.shape[0], batch * frames
    out = x.new_empty(batch, frames, outputs)
    columns = 128 if outputs % 128 == 0 else 64
    grid = (triton.cdiv(rows, _ROWS), outputs // columns)
    _normalised_product[grid](
        x, scale, shift, weight, bias if bias is not None else weight, out,
        rows, inputs, x.stride(1), outputs,
        bias is not None, relu, _ROWS, columns, _INPUTS, num_warps=8, num_stages=3,
    )  # fmt: skip
    return out


def masked_convolution(
    x: Tensor, weight: Tensor, mask: Tensor, dilation: int, segment: int, out: Tensor
) -> None:
    """Convolve over time with three taps, and multiply by the mask of the frame's segment.

    Args:
        x: (batch, frames, inputs), contiguous, half precision; inputs are a power of two.
        weight: (3, inputs, outputs), contiguous; outputs are a power of two from 16.
        mask: (batch, segments, outputs), contiguous.
        dilation: frames from one tap to the next.
        segment: frames of a segment.
        out: (batch, frames, outputs), written; rows may lie apart.
    """
    batch, frames, inputs = x.shape
    assert x.is_contiguous() and weight.is_contiguous() and mask.is_contiguous() and out.stride(2) == 1
    grid = (triton.cdiv(frames, _ROWS), batch)
    _masked_convolution[grid](
        x, weight, mask, out, frames, mask.shape[1], out.stride(0), out.stride(1),
        dilation, segment, inputs, weight.shape[2], _ROWS, num_warps=4, num_stages=2,
    )  # fmt: skip


@triton.jit
def _normalised_product(
    x, scale, shift, weight, bias, out, rows, inputs, x_stride, out_stride,
    HAS_BIAS: tl.constexpr, RELU: tl.constexpr,
    ROWS: tl.constexpr, COLUMNS: tl.constexpr, INPUTS: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    column = tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)
    x_row = x + row[:, None].to(tl.int64) * x_stride
    total = tl.zeros((ROWS, COLUMNS), tl.float32)
    for start in range(0, inputs, INPUTS):
        channel = start + tl.arange(0, INPUTS)
        there = channel < inputs
        value = tl.load(x_row + channel[None, :], mask=(row < rows)[:, None] & there[None, :], other=0.0)
        factor = tl.load(scale + channel, mask=there, other=0.0).to(tl.float32)
        summand = tl.load(shift + channel, mask=there, other=0.0).to(tl.float32)
        value = tl.maximum(value.to(tl.float32) * factor[None, :] + summand[None, :], 0.0)
        factors = tl.load(
            weight + column[None, :] * inputs + channel[:, None], mask=there[:, None], other=0.0
        )
        total = tl.dot(value.to(factors.dtype), factors, total)
    if HAS_BIAS:
        total += tl.load(bias + column).to(tl.float32)[None, :]
    if RELU:
        total = tl.maximum(total, 0.0)
    target = out + row[:, None].to(tl.int64) * out_stride + column[None, :]
    tl.store(target, total.to(out.dtype.element_ty), mask=(row < rows)[:, None])


@triton.jit
def _masked_convolution(
    x, weight, mask, out, frames, segments, out_batch, out_stride,
    DILATION: tl.constexpr, SEGMENT: tl.constexpr, INPUTS: tl.constexpr, OUTPUTS: tl.constexpr,
    ROWS: tl.constexpr,
):  # fmt: skip
    frame = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    number = tl.program_id(1).to(tl.int64)
    channel, column = tl.arange(0, INPUTS), tl.arange(0, OUTPUTS)
    total = tl.zeros((ROWS, OUTPUTS), tl.float32)
    for tap in tl.static_range(3):
        seen = frame + (tap - 1) * DILATION
        there = (seen >= 0) & (seen < frames)
        value = tl.load(
            x + (number * frames + seen[:, None]) * INPUTS + channel[None, :], mask=there[:, None], other=0.0
        )
        factors = tl.load(weight + (tap * INPUTS + channel[:, None]) * OUTPUTS + column[None, :])
        total = tl.dot(value, factors, total)
    inside = (frame < frames)[:, None]
    factor = tl.load(
        mask + (number * segments + frame[:, None] // SEGMENT) * OUTPUTS + column[None, :],
        mask=inside,
        other=0.0,
    )
    target = out + number * out_batch + frame[:, None].to(tl.int64) * out_stride + column[None, :]
    tl.store(target, (total * factor.to(tl.float32)).to(out.dtype.element_ty), mask=inside)
