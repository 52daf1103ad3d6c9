"""ReDimNet2 (arXiv:2603.11841) in the seven sizes that WeSpeaker names: stages that also halve the frames.

A stage's rows are repeated back to the features' frame rate, so that later stages can add them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from diar.models.encoders.base import StatisticsEncoder
from diar.models.encoders.pooling import build_pooling
from diar.models.encoders.redimnet_blocks import (
    CONTEXT_REACH,
    EPSILON,
    Block,
    TimeContext,
    ToPlanes,
    ToRows,
    stem,
    strided_mels,
    weighted_sum,
)

TIME_STRIDE = 4  # of the last stages
_STRIDES = ((1, 1), (2, 1), (1, 2), (2, 1), (1, 2), (2, 1))  # of mel rows and frames, stage by stage


@dataclass(frozen=True)
class Size:
    """One of the sizes.

    Attributes:
        channels: of the first planes.
        out_channels: of the trunk; None for channels · mels.
        num_blocks: of each stage.
        expansions: of channels within a stage's blocks.
        reductions: of the channels in each stage's context over time.
        strides: of each stage, mel rows and frames.
        planes: the trunk's last layer sees planes and keeps their mel rows; `out_channels` are a row's.
    """

    channels: int
    out_channels: int | None
    num_blocks: tuple[int, ...]
    expansions: tuple[float, ...]
    reductions: tuple[int, ...]
    strides: tuple[tuple[int, int], ...] = _STRIDES
    planes: bool = False


class WeightedSum(nn.Module):
    """`weighted_sum` with weights of its own."""

    def __init__(self, number: int, rows: int) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.zeros(1, number, rows, 1))

    def forward(self, given: list[Tensor]) -> Tensor:
        """Add the rows (batch, rows, frames) that all stages before gave."""
        return weighted_sum(self.w, given)


class Repeat(nn.Module):
    """Repeat each frame of (batch, rows, frames)."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times

    def forward(self, x: Tensor) -> Tensor:
        """(batch, rows, frames) → (batch, rows, times · frames)."""
        if self.times == 1:
            return x
        return x.unsqueeze(-1).expand(-1, -1, -1, self.times).flatten(2)


class Stage(nn.Module):
    """One stage; its layers have the numbers that they have in checkpoints, 0 the weighted sum."""

    def __init__(self, layers: list[nn.Module]) -> None:
        super().__init__()
        for number, layer in enumerate(layers):
            self.add_module(str(number), layer)

    def forward(self, given: list[Tensor]) -> Tensor:
        """Rows of all stages before, each (batch, rows, frames) → one more."""
        weigh, reshape, convolution, *others = self.children()
        assert isinstance(convolution, nn.Conv2d)
        out = convolution(reshape(weigh(given)).to(convolution.weight.dtype))
        for layer in others:
            out = layer(out)
        return out


class Backbone(nn.Module):
    """The trunk, (batch, mels, frames) → (batch, channels, frames); frames are a multiple of TIME_STRIDE."""

    def __init__(self, size: Size, block: Block, mels: int) -> None:
        super().__init__()
        rows, channels, times = size.channels * mels, size.channels, 1
        self.num_stages = len(size.strides)
        self.stem = nn.Sequential(*stem(channels), ToRows())
        for number, (mel_stride, time_stride) in enumerate(size.strides):
            times *= time_stride
            layers = [WeightedSum(number + 1, rows), ToPlanes(channels, mels)]
            layers += _planes(channels, (mel_stride, times), size.expansions[number])
            channels, mels = channels * mel_stride, strided_mels(mels, mel_stride)
            wide = int(channels * size.expansions[number])
            layers += [block.build(wide, mels) for _ in range(size.num_blocks[number])]
            if wide != channels:
                squeeze = nn.Conv2d(wide, channels, kernel_size=1)
                layers.append(nn.Sequential(squeeze, nn.BatchNorm2d(channels, eps=EPSILON)))
            layers += [ToRows(), TimeContext(rows, size.reductions[number]), Repeat(times)]
            self.add_module(f"stage{number}", Stage(layers))
        self.fin_wght1d = WeightedSum(self.num_stages + 1, rows)
        self.fin_to2d = ToPlanes(channels, mels) if size.planes else nn.Identity()
        self.head = _head(size, channels, rows)
        self.out_channels = rows if size.out_channels is None else size.out_channels
        self.out_channels *= mels if size.planes else 1

    def forward(self, fbank: Tensor) -> Tensor:
        """(batch, mels, frames) → (batch, out_channels, frames)."""
        given = [self.stem(fbank.unsqueeze(1).to(next(self.stem.parameters()).dtype))]
        for number in range(self.num_stages):
            given.append(self.get_submodule(f"stage{number}")(given))
        out = self.fin_to2d(self.fin_wght1d(given))
        if not isinstance(self.head, nn.Conv2d):
            rows: Tensor = self.head(out)
            return rows
        planes: Tensor = self.head(out.to(self.head.weight.dtype))
        return planes.flatten(1, 2)


def _planes(channels: int, stride: tuple[int, int], expansion: float) -> list[nn.Module]:
    """Return the convolution that begins a stage: it reduces mel rows and frames and makes more channels."""
    wide = int(stride[0] * channels * expansion)
    groups = math.gcd(channels, wide)
    return [nn.Conv2d(channels, wide, kernel_size=stride, stride=stride, groups=groups)]


def _head(size: Size, channels: int, rows: int) -> nn.Module:
    """Return the last layer of the trunk."""
    if size.out_channels is None:
        return nn.Identity()
    if size.planes:
        return nn.Conv2d(channels, size.out_channels, kernel_size=1)
    return nn.Conv1d(rows, size.out_channels, kernel_size=1)


class ReDimNet2(StatisticsEncoder):
    """A trunk frame has the last head's channels; by attention it depends on the chunk that it is in.

    Where a chunk's length is no multiple of 4, its last one to three frames are seen with mean features
    behind them; WeSpeaker drops them.

    Args:
        size: one of the sizes below.
        feat_dim: mels, a multiple of the product of the strides.
        emb_bn: normalise the embedding.
    """

    frame_stride, reach = 1, CONTEXT_REACH * TIME_STRIDE
    align = TIME_STRIDE

    def __init__(
        self,
        size: Size,
        *,
        feat_dim: int = 72,
        embed_dim: int = 192,
        pooling_func: str = "ASTP",
        emb_bn: bool = False,
    ) -> None:
        super().__init__()
        self.embedding_dim = embed_dim
        self.backbone = Backbone(size, Block("resnet", 1), feat_dim)
        pooling = build_pooling(pooling_func, self.backbone.out_channels, global_context_att=True)
        self.set_pooling(pooling)
        self.bn = nn.BatchNorm1d(pooling.out_dim)
        self.linear = nn.Linear(pooling.out_dim, embed_dim)
        self.bn2 = nn.BatchNorm1d(embed_dim) if emb_bn else nn.Identity()

    def frames(self, fbank: Tensor) -> Tensor:
        """(batch, frames, mels) → (batch, channels, frames)."""
        frames = fbank.shape[1]
        trunk: Tensor = self.backbone(F.pad(fbank.transpose(1, 2), (0, -frames % TIME_STRIDE)))
        return trunk[..., :frames]

    def embed(self, statistics: Tensor) -> Tensor:
        """(n, statistics) → (n, embedding_dim)."""
        embedding: Tensor = self.bn2(self.linear(self.bn(statistics)))
        return embedding


_BLOCKS = (2, 3, 4, 5, 4, 3)
_NARROW = (2, 1, 1, 1, 1, 1)
_WIDE = (4, 3, 2, 1, 1, 1)
_THIRD = (*_STRIDES[:3], (3, 1), *_STRIDES[4:])  # the fourth stage leaves a third of the mel rows
_REDUCTIONS = (36, 36, 36, 36, 18, 18)
ReDimNet2B0 = partial(ReDimNet2, Size(12, 64, _BLOCKS, _NARROW, _REDUCTIONS))
ReDimNet2B1 = partial(ReDimNet2, Size(16, 64, _BLOCKS, _NARROW, (32, 32, 32, 32, 16, 16)))
ReDimNet2B2 = partial(ReDimNet2, Size(20, 64, _BLOCKS, _NARROW, (40, 30, 30, 20, 20, 10), _THIRD))
ReDimNet2B3 = partial(ReDimNet2, Size(24, 64, _BLOCKS, _NARROW, _REDUCTIONS))
ReDimNet2B4 = partial(ReDimNet2, Size(32, None, _BLOCKS, _WIDE, (24, 24, 24, 24, 24, 24)))
ReDimNet2B5 = partial(ReDimNet2, Size(48, 256, _BLOCKS, _WIDE, (48, 48, 48, 48, 32, 32)))
ReDimNet2B6 = partial(
    ReDimNet2,
    Size(64, 224, (3, 4, 5, 5, 4, 3), (3, 2, 2, 1, 0.75, 0.5), (64, 64, 48, 48, 32, 24), planes=True),
)
