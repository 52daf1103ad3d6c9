"""Trunks without what exporters cannot follow: private operators, slices written in place, Python's branches.

A layer that runs fast on a CPU has a twin here that computes the same with the same weights, of plain
operators whose sizes follow from their input. The fast layers stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from diar.export.errors import ExportError
from diar.export.graph.pooling import AttentionOfTracks
from diar.models.encoders.base import SpeakerEncoder, StatisticsEncoder
from diar.models.encoders.campplus import SEGMENT_FRAMES, DenseBlock, DenseTDNNLayer
from diar.models.encoders.pooling import ASTP
from diar.models.encoders.simam_resnet import REGULARISATION, SimAMBlock
from diar.models.encoders.time_major import ScaleAndShift, TimeMajorConv
from diar.models.inference import Trunk


class TimeMajorProduct(nn.Module):
    """`TimeMajorConv` by `F.linear`."""

    def __init__(self, convolution: TimeMajorConv) -> None:
        super().__init__()
        self.kernel, self.dilation = convolution.kernel_size[0], convolution.dilation[0]
        weight = convolution.weight.detach().transpose(1, 2).flatten(1)  # (out, kernel · in)
        self.weight = nn.Parameter(weight, requires_grad=False)
        self.bias = convolution.bias

    def forward(self, x: Tensor) -> Tensor:
        """(batch, T', in_channels) → (batch, T', out_channels)."""
        if self.kernel == 1:
            return F.linear(x, self.weight, self.bias)
        around = (self.kernel - 1) * self.dilation  # frames on both sides together
        padded = F.pad(x, (0, 0, around // 2, around // 2))
        starts = range(0, around + 1, self.dilation)
        seen = torch.cat([padded[:, start : (start - around) or None] for start in starts], dim=-1)
        return F.linear(seen, self.weight, self.bias)


class Affine(nn.Module):
    """`ScaleAndShift` by a product and a sum."""

    scale: Tensor
    shift: Tensor

    def __init__(self, norm: ScaleAndShift) -> None:
        super().__init__()
        self.register_buffer("scale", norm.scale)
        self.register_buffer("shift", norm.shift)

    def forward(self, x: Tensor) -> Tensor:
        """Scale and shift each channel of (batch, T', channels)."""
        return x * self.scale + self.shift


class ConcatenatedBlock(nn.Module):
    """`DenseBlock` by concatenation; means over segments of frames are matrix products."""

    def __init__(self, block: DenseBlock) -> None:
        super().__init__()
        self.layers = nn.ModuleList(block.children())

    def forward(self, x: Tensor) -> Tensor:
        """(batch, T', in_channels) → (batch, T', out_channels)."""
        means, segment = segments_of(x)
        for layer in self.layers:
            x = torch.cat([x, _masked(cast(DenseTDNNLayer, layer), x, means, segment)], dim=-1)
        return x


def segments_of(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return which of (batch, T', channels) frames share a context.

    Returns:
        (segments, T') weights of each segment's mean plus the chunk's, and (T', segments) 1 where a frame
        belongs to a segment.
    """
    frames = x.shape[1]
    number = torch.arange(frames, device=x.device) // SEGMENT_FRAMES
    segments = torch.arange((frames + SEGMENT_FRAMES - 1) // SEGMENT_FRAMES, device=x.device)
    belongs = (number.unsqueeze(1) == segments.unsqueeze(0)).to(x.dtype)
    everything = torch.ones_like(belongs)
    means = belongs / belongs.sum(dim=0, keepdim=True) + everything / everything.sum(dim=0, keepdim=True)
    return means.transpose(0, 1), belongs


def _masked(layer: DenseTDNNLayer, x: Tensor, means: Tensor, segment: Tensor) -> Tensor:
    """Compute `DenseTDNNLayer.forward`; see `ContextMask`."""
    narrow: Tensor = layer.nonlinear2(layer.linear1(layer.nonlinear1(x)))
    context = layer.cam_layer
    mask = torch.sigmoid(context.linear2(F.relu(context.linear1(means @ narrow))))
    masked: Tensor = context.linear_local(narrow) * (segment @ mask)
    return masked


class PlainSimAMBlock(nn.Module):
    """`SimAMBlock` on chunks that have a row each."""

    def __init__(self, block: SimAMBlock) -> None:
        super().__init__()
        self.conv1, self.bn1 = block.conv1, block.bn1
        self.conv2, self.bn2 = block.conv2, block.bn2
        self.downsample = block.downsample

    def forward(self, x: Tensor) -> Tensor:
        """(batch, in_planes, mels, frames) → (batch, planes, mels / stride, frames / stride)."""
        out = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        squares = (out - out.mean(dim=(2, 3), keepdim=True)).square()
        points = torch.ones_like(out[:1, :1]).sum(dim=(2, 3), keepdim=True)  # in a plane
        variance = squares.sum(dim=(2, 3), keepdim=True) / (points - 1)
        out = out * torch.sigmoid(squares / (4 * (variance + REGULARISATION)) + 0.5)
        return F.relu(out + self.downsample(x))


_TWINS: dict[type[nn.Module], Callable[..., nn.Module]] = {
    TimeMajorConv: TimeMajorProduct,
    ScaleAndShift: Affine,
    DenseBlock: ConcatenatedBlock,
    SimAMBlock: PlainSimAMBlock,
    ASTP: AttentionOfTracks,
}


def exportable(encoder: SpeakerEncoder, num_mel_bins: int) -> StatisticsEncoder:
    """Return a copy of an encoder that exporters can follow, with its batch normalisations folded.

    Raises:
        ExportError: an architecture of the wespeaker package, which has no trunk, or one that is too large.
    """
    if encoder.recordings_only:
        raise ExportError(
            f"{type(encoder).__name__} cannot be exported: it has more weights than an ONNX file holds; "
            "stage 1 runs it as it is, with `backend=torch`"
        )
    if not isinstance(encoder, StatisticsEncoder):
        raise ExportError(
            f"{type(encoder).__name__} runs only as its package defines it: it cannot be exported"
        )
    copy = cast(StatisticsEncoder, Trunk(encoder, num_mel_bins).encoder)
    _replace(copy)
    return copy.eval().requires_grad_(False)


def _replace(module: nn.Module) -> None:
    """Put twins in the place of layers, the innermost first."""
    for name, child in list(module.named_children()):
        _replace(child)
        if type(child) in _TWINS:
            module._modules[name] = _TWINS[type(child)](child)
