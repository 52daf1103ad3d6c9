"""ResNets with parameter-free attention (SimAM; Yang et al., 2021; for speakers Qin et al., 2022)."""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from diar.models.encoders.base import StatisticsEncoder, WholeChunkLayer
from diar.models.encoders.planes import convolve_relu
from diar.models.encoders.pooling import ASP
from diar.models.encoders.resnet import Stride, make_layer, make_shortcut
from diar.models.packing import Packing, spread

REGULARISATION = 1e-4  # λ of the paper


class SimAMBlock(WholeChunkLayer):
    """Two 3×3 convolutions, attention, and a shortcut."""

    expansion = 1

    def __init__(self, in_planes: int, planes: int, stride: Stride = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_planes, planes, kernel_size=3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, kernel_size=3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.downsample = make_shortcut(in_planes, planes, stride)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, in_planes, mels, frames) → (batch, planes, mels / stride, frames / stride)."""
        out = convolve_relu(self.conv1, self.bn1, x)
        out = self.bn2(self.conv2(out))
        out = simam(out) if self.packing is None else packed_simam(out, self.packing)
        return F.relu(out.add_(self.downsample(x)), inplace=True)


def simam(x: Tensor) -> Tensor:
    """Weigh each point of (batch, channels, mels, frames) by how far it is from its channel's mean."""
    squares = (x - x.mean(dim=(2, 3), keepdim=True)).square()
    variance = squares.sum(dim=(2, 3), keepdim=True) / max(x.shape[2] * x.shape[3] - 1, 1)
    return x * torch.sigmoid(squares / (4 * (variance + REGULARISATION)) + 0.5)


def packed_simam(x: Tensor, packing: Packing) -> Tensor:
    """Compute `simam` of each of the items that are packed in (rows, channels, mels, frames)."""
    weights, number = packing.means(x.shape[3], x[:0].float())  # sums are fp32 in any precision

    def mean(values: Tensor, factor: Tensor) -> Tensor:
        """Return factor × the item's mean of (rows, channels, mels, frames): (rows, channels, 1, frames)."""
        means = weights @ values.mean(dim=2, dtype=torch.float32).transpose(1, 2) * factor
        return spread(means, number).transpose(1, 2).unsqueeze(2).to(x.dtype)

    counts = x.shape[2] / weights.amax(dim=2, keepdim=True)  # a weight is one by an item's frames
    squares = (x - mean(x, torch.ones_like(counts))).square()
    variance = mean(squares, counts / (counts - 1).clamp(min=1))
    return x * torch.sigmoid(squares / (4 * (variance + REGULARISATION)) + 0.5)


class SimAMTrunk(nn.Module):
    """A ResNet of SimAM blocks with three stride-2 stages."""

    def __init__(self, in_planes: int, num_blocks: tuple[int, int, int, int]) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, in_planes, kernel_size=3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(in_planes)
        stage = partial(make_layer, SimAMBlock, SimAMBlock.expansion)
        self.layer1 = stage(in_planes, in_planes, num_blocks[0], 1)
        self.layer2 = stage(in_planes, in_planes * 2, num_blocks[1], 2)
        self.layer3 = stage(in_planes * 2, in_planes * 4, num_blocks[2], 2)
        self.layer4 = stage(in_planes * 4, in_planes * 8, num_blocks[3], 2)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 1, mels, frames) → (batch, 8 · in_planes, mels / 8, frames / 8)."""
        out = convolve_relu(self.conv1, self.bn1, x)
        trunk: Tensor = self.layer4(self.layer3(self.layer2(self.layer1(out))))
        return trunk


class SimAMResNet(StatisticsEncoder):
    """SimAM-ResNet with attentive statistics pooling.

    The attention inside the trunk sees the whole chunk, so a frame depends on the chunk it is in.
    `dropout` is a training setting that the configuration carries.
    """

    frame_stride, reach = 8, 8
    pooling_name = "pooling"

    def __init__(
        self,
        num_blocks: tuple[int, int, int, int],
        *,
        in_planes: int = 64,
        embed_dim: int = 256,
        acoustic_dim: int = 80,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.embedding_dim = embed_dim
        self.front = SimAMTrunk(in_planes, num_blocks)
        pooling = ASP(in_planes * 8 * (acoustic_dim // 8))
        self.set_pooling(pooling)
        self.bottleneck = nn.Linear(pooling.out_dim, embed_dim)
        self.drop = nn.Dropout(dropout)

    def frames(self, fbank: Tensor) -> Tensor:
        """(batch, frames, mels) → (batch, channels, ⌈frames / 8⌉)."""
        trunk: Tensor = self.front(fbank.transpose(1, 2).unsqueeze(1))
        return trunk.flatten(1, 2)

    def embed(self, statistics: Tensor) -> Tensor:
        """(n, statistics) → (n, embedding_dim)."""
        embedding: Tensor = self.bottleneck(self.drop(statistics))
        return embedding


SimAM_ResNet34_ASP = partial(SimAMResNet, (3, 4, 6, 3))
SimAM_ResNet100_ASP = partial(SimAMResNet, (6, 16, 24, 3))
