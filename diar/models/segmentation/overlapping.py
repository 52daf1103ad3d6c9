"""SincNet on windows that overlap, on the CPU: what does not depend on the window is computed once a chunk.

A window's waveform is normalised, which is a factor and a summand. So its filtered waveform is that of the
chunk with the same factor, and a summand a filter; and the largest magnitude of neighbours is that of the
greatest or the least of them. All that follows is computed for each window by itself.

Channels are the last dimension here, as oneDNN convolves fastest and the LSTM wants them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from diar.models.segmentation.sincnet import POOL, SINC_TAPS, SincConvolution, SincNet


def features_of_windows(sincnet: SincNet, chunks: Tensor, starts: Sequence[int], size: int) -> Tensor:
    """Return the features of windows, (batch · windows, frames, features): those of `sincnet` up to rounding.

    Args:
        sincnet: its convolutions after the filters may be in bf16.
        chunks: (batch, samples).
        starts: of the windows, in samples; multiples of `POOL` times the filters' stride.
        size: samples of a window.
    """
    features = _largest_magnitudes(sincnet, chunks, starts, size)
    for number, norm in enumerate(sincnet.norm1d):
        if number:
            features = _pooled_convolution(sincnet.conv1d[number], features)
        features = _rectified_norm(norm, features)
    return features


def _largest_magnitudes(sincnet: SincNet, chunks: Tensor, starts: Sequence[int], size: int) -> Tensor:
    """Return the largest magnitudes of neighbours in each window, (batch · windows, frames, filters)."""
    sinc, norm = cast(SincConvolution, sincnet.conv1d[0]), sincnet.wav_norm1d
    chunks = chunks - chunks.mean(dim=1, keepdim=True)  # else an offset would swallow a quiet voice
    greatest, least = _extremes(sinc, chunks)
    constant = sinc.filterbank.kernels.sum(dim=2).T  # (1, filters): what becomes of 1
    frames = ((size - SINC_TAPS) // sinc.stride + 1) // POOL
    largest = chunks.new_empty(len(chunks), len(starts), frames, greatest.shape[2])
    for number, start in enumerate(starts):
        samples = chunks[:, start : start + size]
        mean = samples.mean(dim=1, keepdim=True)
        variance = (samples - mean).square_().mean(dim=1, keepdim=True)  # torch.var is slow
        factor = (norm.weight / (variance + norm.eps).sqrt()).unsqueeze(2)
        summand = (norm.bias - factor * mean.unsqueeze(2)) * factor.sign() * constant
        begin = start // (sinc.stride * POOL)
        seen = slice(begin, begin + frames)
        torch.maximum(
            torch.addcmul(summand, greatest[:, seen], factor.abs()),
            torch.addcmul(-summand, least[:, seen], -factor.abs()),
            out=largest[:, number],
        )
    return largest.flatten(0, 1)


def _extremes(sinc: SincConvolution, chunks: Tensor) -> tuple[Tensor, Tensor]:
    """Return the greatest and the least of neighbours of the filtered chunks, (batch, frames, filters) each.

    As many samples as a stride are the channels of one: oneDNN is slower on a single channel.
    """
    stride, filters = sinc.stride, sinc.filterbank.kernels.squeeze(1)
    steps = -(-SINC_TAPS // stride)
    beyond = steps * stride - SINC_TAPS
    kernels = F.pad(filters, (0, beyond)).unflatten(1, (steps, stride)).transpose(1, 2)
    chunks = F.pad(chunks, (0, beyond + -(chunks.shape[1] + beyond) % stride))
    filtered = _convolved(chunks.unflatten(1, (-1, stride)), kernels, None).squeeze(2).transpose(1, 2)
    frames = filtered.shape[1] // POOL
    neighbours = filtered[:, : frames * POOL].unflatten(1, (frames, POOL))
    return neighbours.amax(dim=2), neighbours.amin(dim=2)


def _pooled_convolution(convolution: nn.Module, features: Tensor) -> Tensor:
    """Convolve (n, frames, channels), take the largest of neighbours; the precision stays."""
    weight, bias = cast(Tensor, convolution.weight), cast(Tensor, convolution.bias)
    pooled = F.max_pool2d(_convolved(features.to(weight.dtype), weight, bias), (1, POOL))
    return pooled.squeeze(2).transpose(1, 2).to(features.dtype)


def _convolved(features: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Convolve (n, frames, inputs) over time; return (n, outputs, 1, frames), channels last in memory."""
    planes = weight.unsqueeze(2).contiguous(memory_format=torch.channels_last)
    return F.conv2d(features.transpose(1, 2).unsqueeze(2), planes, bias)


def _rectified_norm(norm: nn.Module, features: Tensor) -> Tensor:
    """Normalise each channel of (n, frames, channels) over the frames, and rectify.

    torch normalises channels that lie apart in memory several times as slowly.
    """
    norm = cast(nn.InstanceNorm1d, norm)
    mean = features.mean(dim=1, keepdim=True)
    variance = (features.square().mean(dim=1, keepdim=True) - mean.square()).clamp_min(0)
    scale = norm.weight / (variance + norm.eps).sqrt()
    return F.leaky_relu_(torch.addcmul(norm.bias - mean * scale, features, scale))
