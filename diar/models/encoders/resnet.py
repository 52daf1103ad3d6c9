"""ResNet (He et al., arXiv:1512.03385) as WeSpeaker narrows it: three stages halve both mels and frames."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch.nn.functional as F
from torch import Tensor, nn

from diar.models.encoders.base import StatisticsEncoder
from diar.models.encoders.planes import convolve_relu
from diar.models.encoders.pooling import build_pooling

Stride = int | tuple[int, int]


class BasicBlock(nn.Module):
    """Two 3×3 convolutions and a shortcut."""

    expansion = 1

    def __init__(self, in_planes: int, planes: int, stride: Stride = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_planes, planes, kernel_size=3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, kernel_size=3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.shortcut = make_shortcut(in_planes, planes * self.expansion, stride)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, in_planes, mels, frames) → (batch, planes, mels / stride, frames / stride)."""
        out = convolve_relu(self.conv1, self.bn1, x)
        return convolve_relu(self.conv2, self.bn2, out, self.shortcut(x))


class Bottleneck(nn.Module):
    """1×1, 3×3 and 1×1 convolutions and a shortcut."""

    expansion = 4

    def __init__(self, in_planes: int, planes: int, stride: Stride = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_planes, planes, kernel_size=1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, kernel_size=3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.conv3 = nn.Conv2d(planes, planes * self.expansion, kernel_size=1, bias=False)
        self.bn3 = nn.BatchNorm2d(planes * self.expansion)
        self.shortcut = make_shortcut(in_planes, planes * self.expansion, stride)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, in_planes, mels, frames) → (batch, 4 · planes, mels / stride, frames / stride)."""
        out = convolve_relu(self.conv1, self.bn1, x)
        out = convolve_relu(self.conv2, self.bn2, out)
        return convolve_relu(self.conv3, self.bn3, out, self.shortcut(x))


def make_shortcut(in_planes: int, out_planes: int, stride: Stride) -> nn.Sequential:
    """Return the identity, or a projection where a block changes the shape."""
    if stride == 1 and in_planes == out_planes:
        return nn.Sequential()
    return nn.Sequential(
        nn.Conv2d(in_planes, out_planes, kernel_size=1, stride=stride, bias=False), nn.BatchNorm2d(out_planes)
    )


def make_layer(
    block: Callable[[int, int, Stride], nn.Module],
    expansion: int,
    in_planes: int,
    planes: int,
    num_blocks: int,
    stride: Stride,
) -> nn.Sequential:
    """Return `num_blocks` blocks, the first of which has the stride."""
    first = block(in_planes, planes, stride)
    return nn.Sequential(first, *(block(planes * expansion, planes, 1) for _ in range(num_blocks - 1)))


class SegmentHeadEncoder(StatisticsEncoder):
    """An encoder that ends in WeSpeaker's segment layers: `seg_1`, and `seg_bn_1`, `seg_2` where it has two.

    The embedding is the output of the last one.
    """

    def set_head(self, statistics_dim: int, embed_dim: int, two_emb_layer: bool) -> None:
        """Register the segment layers."""
        self.embedding_dim = embed_dim
        self.seg_1 = nn.Linear(statistics_dim, embed_dim)
        self.seg_bn_1 = nn.BatchNorm1d(embed_dim, affine=False) if two_emb_layer else None
        self.seg_2 = nn.Linear(embed_dim, embed_dim) if two_emb_layer else None

    def embed(self, statistics: Tensor) -> Tensor:
        """(n, statistics) → (n, embedding_dim)."""
        embedding: Tensor = self.seg_1(statistics)
        if self.seg_bn_1 is None or self.seg_2 is None:
            return embedding
        second: Tensor = self.seg_2(self.seg_bn_1(F.relu(embedding)))
        return second


class ResNet(SegmentHeadEncoder):
    """A trunk frame is the channels of all remaining mel rows: 8 · m_channels · expansion · feat_dim / 8."""

    frame_stride, reach = 8, 8

    def __init__(
        self,
        block: type[BasicBlock | Bottleneck],
        num_blocks: tuple[int, int, int, int],
        *,
        feat_dim: int,
        embed_dim: int,
        pooling_func: str = "TSTP",
        two_emb_layer: bool = False,
        m_channels: int = 32,
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, m_channels, kernel_size=3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(m_channels)
        stage = partial(make_layer, block, block.expansion)
        wide = m_channels * block.expansion
        self.layer1 = stage(m_channels, m_channels, num_blocks[0], 1)
        self.layer2 = stage(wide, m_channels * 2, num_blocks[1], 2)
        self.layer3 = stage(wide * 2, m_channels * 4, num_blocks[2], 2)
        self.layer4 = stage(wide * 4, m_channels * 8, num_blocks[3], 2)
        pooling = build_pooling(pooling_func, wide * 8 * (feat_dim // 8))
        self.set_pooling(pooling)
        self.set_head(pooling.out_dim, embed_dim, two_emb_layer)

    def frames(self, fbank: Tensor) -> Tensor:
        """(batch, frames, mels) → (batch, channels, ⌈frames / 8⌉)."""
        out = fbank.transpose(1, 2).unsqueeze(1)
        out = convolve_relu(self.conv1, self.bn1, out)
        out = self.layer4(self.layer3(self.layer2(self.layer1(out))))
        return out.flatten(1, 2)


ResNet18 = partial(ResNet, BasicBlock, (2, 2, 2, 2))
ResNet34 = partial(ResNet, BasicBlock, (3, 4, 6, 3))
ResNet50 = partial(ResNet, Bottleneck, (3, 4, 6, 3))
ResNet101 = partial(ResNet, Bottleneck, (3, 4, 23, 3))
ResNet152 = partial(ResNet, Bottleneck, (3, 8, 36, 3))
ResNet221 = partial(ResNet, Bottleneck, (6, 16, 48, 3))
ResNet293 = partial(ResNet, Bottleneck, (10, 20, 64, 3))
