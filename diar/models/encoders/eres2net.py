"""ERes2Net (Chen et al., arXiv:2305.12838): Res2Net blocks, attention that fuses scales and stages."""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from diar.models.encoders.pooling import build_pooling
from diar.models.encoders.resnet import SegmentHeadEncoder, Stride, make_layer, make_shortcut

EXPANSION = 2  # of a block's planes
SCALE = 2  # shares of a block's channels, each planes / 2 wide


def clipped_relu(x: Tensor) -> Tensor:
    """Apply ReLU with a ceiling of 20."""
    return x.clamp(0.0, 20.0)


class AttentiveFusion(nn.Module):
    """Weigh two maps against each other, point by point."""

    def __init__(self, channels: int, reduction: int = 4) -> None:
        super().__init__()
        self.local_att = nn.Sequential(
            nn.Conv2d(2 * channels, channels // reduction, kernel_size=1),
            nn.BatchNorm2d(channels // reduction),
            nn.SiLU(),
            nn.Conv2d(channels // reduction, channels, kernel_size=1),
            nn.BatchNorm2d(channels),
        )

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Two (batch, channels, mels, frames) → one."""
        attention = torch.tanh(self.local_att(torch.cat([x, y], dim=1)))
        return x * (1 + attention) + y * (1 - attention)


class Res2Block(nn.Module):
    """A residual block whose two shares of channels are convolved in turn, the first added to the second."""

    def __init__(self, in_planes: int, planes: int, stride: Stride = 1) -> None:
        super().__init__()
        width = planes // 2
        self.conv1 = nn.Conv2d(in_planes, width * SCALE, kernel_size=1, stride=stride, bias=False)
        self.bn1 = nn.BatchNorm2d(width * SCALE)
        self.add_convolutions(width)
        self.conv3 = nn.Conv2d(width * SCALE, planes * EXPANSION, kernel_size=1, bias=False)
        self.bn3 = nn.BatchNorm2d(planes * EXPANSION)
        self.shortcut = make_shortcut(in_planes, planes * EXPANSION, stride)

    def add_convolutions(self, width: int) -> None:
        """Register the convolutions of the shares."""
        self.convs = nn.ModuleList(conv3x3(width) for _ in range(SCALE))
        self.bns = nn.ModuleList(nn.BatchNorm2d(width) for _ in range(SCALE))

    def convolve(self, first: Tensor, second: Tensor) -> Tensor:
        """Two shares (batch, width, mels, frames) → (batch, 2 · width, mels, frames)."""
        first = clipped_relu(self.bns[0](self.convs[0](first)))
        second = clipped_relu(self.bns[1](self.convs[1](first + second)))
        return torch.cat([first, second], dim=1)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, in_planes, mels, frames) → (batch, 2 · planes, mels / stride, frames / stride)."""
        out = clipped_relu(self.bn1(self.conv1(x)))
        first, second = out.chunk(SCALE, dim=1)
        out = self.bn3(self.conv3(self.convolve(first, second)))
        return clipped_relu(out + self.shortcut(x))


class FusedRes2Block(Res2Block):
    """The same, but the shares are fused by attention instead of added."""

    def add_convolutions(self, width: int) -> None:
        """Register the convolutions of the shares and their fusion."""
        self.conv2_1 = conv3x3(width)
        self.bn2_1 = nn.BatchNorm2d(width)
        self.convs = nn.ModuleList([conv3x3(width)])
        self.bns = nn.ModuleList([nn.BatchNorm2d(width)])
        self.fuse_models = nn.ModuleList([AttentiveFusion(width)])

    def convolve(self, first: Tensor, second: Tensor) -> Tensor:
        """Two shares (batch, width, mels, frames) → (batch, 2 · width, mels, frames)."""
        first = clipped_relu(self.bn2_1(self.conv2_1(first)))
        second = self.convs[0](self.fuse_models[0](first, second))
        return torch.cat([first, clipped_relu(self.bns[0](second))], dim=1)


def conv3x3(width: int) -> nn.Conv2d:
    """Return a convolution that keeps the shape."""
    return nn.Conv2d(width, width, kernel_size=3, padding=1, bias=False)


def downsample(in_channels: int) -> nn.Conv2d:
    """Return a convolution that halves mels and frames and doubles channels, as the next stage does."""
    return nn.Conv2d(in_channels, 2 * in_channels, kernel_size=3, stride=2, padding=1, bias=False)


class ERes2Net(SegmentHeadEncoder):
    """A trunk frame is the channels of all remaining mel rows: 16 · m_channels · feat_dim / 8."""

    frame_stride, reach = 8, 8

    def __init__(
        self,
        m_channels: int,
        num_blocks: tuple[int, int, int, int],
        *,
        feat_dim: int,
        embed_dim: int,
        pooling_func: str = "TSTP",
        two_emb_layer: bool = False,
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, m_channels, kernel_size=3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(m_channels)
        plain, fused = (partial(make_layer, block, EXPANSION) for block in (Res2Block, FusedRes2Block))
        self.layer1 = plain(m_channels, m_channels, num_blocks[0], 1)
        self.layer2 = plain(m_channels * 2, m_channels * 2, num_blocks[1], 2)
        self.layer3 = fused(m_channels * 4, m_channels * 4, num_blocks[2], 2)
        self.layer4 = fused(m_channels * 8, m_channels * 8, num_blocks[3], 2)
        self.layer1_downsample = downsample(m_channels * 2)
        self.layer2_downsample = downsample(m_channels * 4)
        self.layer3_downsample = downsample(m_channels * 8)
        self.fuse_mode12 = AttentiveFusion(m_channels * 4)
        self.fuse_mode123 = AttentiveFusion(m_channels * 8)
        self.fuse_mode1234 = AttentiveFusion(m_channels * 16)
        pooling = build_pooling(pooling_func, m_channels * 16 * (feat_dim // 8))
        self.set_pooling(pooling)
        self.set_head(pooling.out_dim, embed_dim, two_emb_layer)

    def frames(self, fbank: Tensor) -> Tensor:
        """(batch, frames, mels) → (batch, channels, ⌈frames / 8⌉)."""
        out = F.relu(self.bn1(self.conv1(fbank.transpose(1, 2).unsqueeze(1))))
        out1 = self.layer1(out)
        out2 = self.layer2(out1)
        out3 = self.layer3(out2)
        out4 = self.layer4(out3)
        fused = self.fuse_mode12(out2, self.layer1_downsample(out1))
        fused = self.fuse_mode123(out3, self.layer2_downsample(fused))
        fused = self.fuse_mode1234(out4, self.layer3_downsample(fused))
        trunk: Tensor = fused.flatten(1, 2)
        return trunk


ERes2Net34_Base = partial(ERes2Net, 32, (3, 4, 6, 3))
ERes2Net34_Large = partial(ERes2Net, 64, (3, 4, 6, 3))
