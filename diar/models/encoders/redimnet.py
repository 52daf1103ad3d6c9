"""ReDimNet (Yakovlev et al., arXiv:2407.18223) in the seven sizes that WeSpeaker names.

Each stage sees a weighted sum of what all stages before it gave, as planes of fewer mel rows and more
channels.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

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
from diar.models.encoders.resnet import SegmentHeadEncoder


@dataclass(frozen=True)
class Stage:
    """One stage: mel rows by `stride`, channels times `stride`, within blocks also times `expansion`.

    Attributes:
        reduction: of the channels in the context over time; None for a stage without.
    """

    stride: int
    num_blocks: int
    expansion: int
    reduction: int | None


class Backbone(nn.Module):
    """The trunk, (batch, mels, frames) → (batch, channels · mels, frames)."""

    def __init__(self, mels: int, channels: int, block: Block, stages: tuple[Stage, ...]) -> None:
        super().__init__()
        rows = mels * channels
        self.num_stages = len(stages)
        self.inputs_weights = nn.ParameterList([nn.Parameter(torch.ones(1, 1, 1, 1))])
        for number in range(1, len(stages) + 1):
            self.inputs_weights.append(nn.Parameter(torch.zeros(1, number + 1, rows, 1)))
        self.stem = nn.Sequential(*stem(channels))
        self.shapes: list[ToPlanes] = []
        for number, stage in enumerate(stages):
            self.shapes.append(ToPlanes(channels, mels))
            left = strided_mels(mels, stage.stride)
            layers = stage_layers(stage, channels, left, block)
            if stage.reduction is not None:
                layers.append(TimeContext(rows, stage.reduction))
            self.add_module(f"stage{number}", nn.Sequential(*layers))
            channels, mels = channels * stage.stride, left

    def forward(self, fbank: Tensor) -> Tensor:
        """(batch, mels, frames) → (batch, channels · mels, frames)."""
        planes = fbank.unsqueeze(1).to(next(self.stem.parameters()).dtype)
        given = [ToRows()(self.stem(planes))]
        for number in range(self.num_stages):
            stage = self.get_submodule(f"stage{number}")
            seen = self.shapes[number](weighted_sum(self.inputs_weights[number], given))
            given.append(stage(seen.to(planes.dtype)))
        return weighted_sum(self.inputs_weights[self.num_stages], given)


def stage_layers(stage: Stage, channels: int, mels: int, block: Block) -> list[nn.Module]:
    """Return the layers of a stage up to where planes are rows again.

    Args:
        channels: that it is given.
        mels: that are left behind its stride.
    """
    narrow = channels * stage.stride
    wide = narrow * stage.expansion
    stride = (stage.stride, 1)
    layers: list[nn.Module] = [nn.Conv2d(channels, wide, kernel_size=stride, stride=stride)]
    layers += [block.build(wide, mels) for _ in range(stage.num_blocks)]
    if stage.expansion != 1:
        groups = narrow // block.group_divisor
        layers.append(
            nn.Sequential(
                nn.Conv2d(wide, narrow, kernel_size=3, padding=1, groups=groups),
                nn.BatchNorm2d(narrow, eps=EPSILON),
                nn.GELU(),
                nn.Conv2d(narrow, narrow, kernel_size=1),
            )
        )
    return [*layers, ToRows()]


class ReDimNet(SegmentHeadEncoder):
    """A trunk frame is the channels of all mel rows; by attention it depends on the chunk that it is in.

    Args:
        channels: of the first planes.
        block: of all stages.
        stages: stride, blocks, expansion and reduction of each.
        feat_dim: mels, a multiple of the product of the strides.
    """

    frame_stride, reach = 1, CONTEXT_REACH

    def __init__(
        self,
        channels: int,
        block: Block,
        stages: tuple[tuple[int, int, int, int | None], ...],
        *,
        feat_dim: int = 72,
        embed_dim: int = 192,
        pooling_func: str = "ASTP",
        two_emb_layer: bool = False,
    ) -> None:
        super().__init__()
        self.backbone = Backbone(feat_dim, channels, block, tuple(Stage(*stage) for stage in stages))
        pooling = build_pooling(pooling_func, channels * feat_dim, global_context_att=True)
        self.set_pooling(pooling)
        self.set_head(pooling.out_dim, embed_dim, two_emb_layer)

    def frames(self, fbank: Tensor) -> Tensor:
        """(batch, frames, mels) → (batch, channels, frames)."""
        trunk: Tensor = self.backbone(fbank.transpose(1, 2))
        return trunk


_M = ((1, 2, 1, 12), (2, 2, 1, 12), (1, 3, 1, 12), (2, 4, 1, 8), (1, 4, 1, 8), (2, 4, 1, 4))
_L = ((1, 4, 2, 48), (2, 4, 2, 48), (1, 6, 2, 48), (2, 6, 1, 32), (1, 8, 1, 24), (2, 4, 1, 16))
ReDimNetB0 = partial(
    ReDimNet,
    10,
    Block("resnet", 1),
    ((1, 2, 1, 30), (2, 3, 2, 30), (1, 3, 3, 30), (2, 4, 2, 10), (1, 3, 1, 10)),
    feat_dim=60,
)
ReDimNetB1 = partial(
    ReDimNet,
    12,
    Block("convnext", 8),
    ((1, 2, 1, None), (2, 3, 1, None), (3, 4, 1, 12), (2, 5, 1, 12), (2, 3, 1, 8)),
)
ReDimNetB2 = partial(ReDimNet, 16, Block("convnext", 4), _M)
ReDimNetB3 = partial(
    ReDimNet,
    16,
    Block("resnet_fwse", 1),
    ((1, 6, 4, 32), (2, 6, 2, 32), (1, 8, 2, 32), (2, 10, 2, 16), (1, 10, 1, 16), (2, 8, 1, 16)),
)
ReDimNetB4 = partial(ReDimNet, 32, Block("resnet_fwse", 1), _L)
ReDimNetB5 = partial(ReDimNet, 32, Block("resnet_fwse", 16), _L)
ReDimNetB6 = partial(
    ReDimNet,
    32,
    Block("resnet", 32),
    ((1, 4, 4, 32), (2, 6, 2, 32), (1, 6, 2, 24), (3, 8, 1, 24), (1, 8, 1, 16), (2, 8, 1, 16)),
)
