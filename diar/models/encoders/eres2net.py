"""ERes2Net (Chen et al., arXiv:2305.12838): Res2Net blocks, attention that fuses scales and stages."""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from diar.models.encoders.pooling import build_pooling
from diar.models.encoders.resnet import SegmentHeadEncoder, Stride, make_layer, make_shortcut


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
    """A residual block whose shares of channels are convolved in turn, each added to the next.

    Args:
        width: channels of a share, planes · base_width / 64.
        scale: shares.
        expansion: of the block's planes.
    """

    def __init__(
        self,
        in_planes: int,
        planes: int,
        stride: Stride = 1,
        *,
        base_width: int = 32,
        scale: int = 2,
        expansion: int = 2,
    ) -> None:
        super().__init__()
        self.scale, width = scale, planes * base_width // 64
        self.conv1 = nn.Conv2d(in_planes, width * scale, kernel_size=1, stride=stride, bias=False)
        self.bn1 = nn.BatchNorm2d(width * scale)
        self.add_convolutions(width)
        self.conv3 = nn.Conv2d(width * scale, planes * expansion, kernel_size=1, bias=False)
        self.bn3 = nn.BatchNorm2d(planes * expansion)
        self.shortcut = make_shortcut(in_planes, planes * expansion, stride)

    def add_convolutions(self, width: int) -> None:
        """Register the convolutions of the shares."""
        self.convs = nn.ModuleList(conv3x3(width) for _ in range(self.scale))
        self.bns = nn.ModuleList(nn.BatchNorm2d(width) for _ in range(self.scale))

    def convolve(self, shares: tuple[Tensor, ...]) -> list[Tensor]:
        """Shares (batch, width, mels, frames) → as many of the same shape."""
        results: list[Tensor] = []
        for number, (share, conv, bn) in enumerate(zip(shares, self.convs, self.bns, strict=True)):
            mixed = self.mix(number - 1, results[-1], share) if results else share
            results.append(clipped_relu(bn(conv(mixed))))
        return results

    def mix(self, number: int, result: Tensor, share: Tensor) -> Tensor:
        """Return what is convolved next, from the last result and the next share."""
        return result + share

    def forward(self, x: Tensor) -> Tensor:
        """(batch, in_planes, mels, frames) → (batch, expansion · planes, mels / stride, frames / stride)."""
        out = clipped_relu(self.bn1(self.conv1(x)))
        out = torch.cat(self.convolve(out.chunk(self.scale, dim=1)), dim=1)
        return clipped_relu(self.bn3(self.conv3(out)) + self.shortcut(x))


class FusedRes2Block(Res2Block):
    """The same, but the shares are fused by attention instead of added. Names are those of ERes2NetV2."""

    def add_convolutions(self, width: int) -> None:
        """Register the convolutions of the shares and their fusion."""
        super().add_convolutions(width)
        self.fuse_models = nn.ModuleList(AttentiveFusion(width) for _ in range(self.scale - 1))

    def mix(self, number: int, result: Tensor, share: Tensor) -> Tensor:
        """Fuse the last result and the next share."""
        mixed: Tensor = self.fuse_models[number](result, share)
        return mixed


class SplitRes2Block(FusedRes2Block):
    """The same with the names of ERes2Net, which keeps the first convolution apart from the others."""

    def add_convolutions(self, width: int) -> None:
        """Register the convolutions of the shares and their fusion."""
        self.conv2_1 = conv3x3(width)
        self.bn2_1 = nn.BatchNorm2d(width)
        self.convs = nn.ModuleList(conv3x3(width) for _ in range(self.scale - 1))
        self.bns = nn.ModuleList(nn.BatchNorm2d(width) for _ in range(self.scale - 1))
        self.fuse_models = nn.ModuleList(AttentiveFusion(width) for _ in range(self.scale - 1))

    def convolve(self, shares: tuple[Tensor, ...]) -> list[Tensor]:
        """Shares (batch, width, mels, frames) → as many of the same shape."""
        results = [clipped_relu(self.bn2_1(self.conv2_1(shares[0])))]
        later = zip(shares[1:], self.fuse_models, self.convs, self.bns, strict=True)
        for share, fuse, conv, bn in later:
            results.append(clipped_relu(bn(conv(fuse(results[-1], share)))))
        return results


def conv3x3(width: int) -> nn.Conv2d:
    """Return a convolution that keeps the shape."""
    return nn.Conv2d(width, width, kernel_size=3, padding=1, bias=False)


def downsample(in_channels: int) -> nn.Conv2d:
    """Return a convolution that halves mels and frames and doubles channels, as the next stage does."""
    return nn.Conv2d(in_channels, 2 * in_channels, kernel_size=3, stride=2, padding=1, bias=False)


class StagedEncoder(SegmentHeadEncoder):
    """Base: a convolution and four stages, the last three of which halve mels and frames."""

    frame_stride, reach = 8, 8

    def set_stages(
        self,
        m_channels: int,
        num_blocks: tuple[int, int, int, int],
        fused: type[Res2Block],
        sizes: dict[str, int],
    ) -> None:
        """Register the layers: two stages of plain blocks, two of fused ones."""
        expansion = sizes["expansion"]
        wide = m_channels * expansion
        self.conv1 = nn.Conv2d(1, m_channels, kernel_size=3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(m_channels)
        plain_stage, fused_stage = (
            partial(make_layer, partial(block, **sizes), expansion) for block in (Res2Block, fused)
        )
        self.layer1 = plain_stage(m_channels, m_channels, num_blocks[0], 1)
        self.layer2 = plain_stage(wide, m_channels * 2, num_blocks[1], 2)
        self.layer3 = fused_stage(wide * 2, m_channels * 4, num_blocks[2], 2)
        self.layer4 = fused_stage(wide * 4, m_channels * 8, num_blocks[3], 2)


class ERes2Net(StagedEncoder):
    """A trunk frame is the channels of all remaining mel rows: 8 · expansion · m_channels · feat_dim / 8.

    Args:
        baseWidth: of 64, the width of a block's shares.
        scale: shares of a block.
        expansion: of a block's planes.
    """

    def __init__(
        self,
        m_channels: int,
        num_blocks: tuple[int, int, int, int],
        *,
        feat_dim: int,
        embed_dim: int,
        pooling_func: str = "TSTP",
        two_emb_layer: bool = False,
        expansion: int = 2,
        baseWidth: int = 32,
        scale: int = 2,
    ) -> None:
        super().__init__()
        sizes = {"base_width": baseWidth, "scale": scale, "expansion": expansion}
        self.set_stages(m_channels, num_blocks, SplitRes2Block, sizes)
        wide = m_channels * expansion
        self.layer1_downsample = downsample(wide)
        self.layer2_downsample = downsample(wide * 2)
        self.layer3_downsample = downsample(wide * 4)
        self.fuse_mode12 = AttentiveFusion(wide * 2)
        self.fuse_mode123 = AttentiveFusion(wide * 4)
        self.fuse_mode1234 = AttentiveFusion(wide * 8)
        pooling = build_pooling(pooling_func, wide * 8 * (feat_dim // 8))
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


class ERes2NetV2(StagedEncoder):
    """ERes2NetV2 (Chen et al., arXiv:2406.02167), of 3D-Speaker: only the last two stages are fused.

    Args:
        baseWidth: of 64, the width of a block's shares; 24 in `eres2netv2w24s4ep4`.
        scale: shares of a block; 4 there.
        expansion: of a block's planes; 4 there.
    """

    def __init__(
        self,
        *,
        feat_dim: int = 80,
        embed_dim: int = 192,
        pooling_func: str = "TSTP",
        two_emb_layer: bool = False,
        m_channels: int = 64,
        baseWidth: int = 26,
        scale: int = 2,
        expansion: int = 2,
    ) -> None:
        super().__init__()
        sizes = {"base_width": baseWidth, "scale": scale, "expansion": expansion}
        self.set_stages(m_channels, (3, 4, 6, 3), FusedRes2Block, sizes)
        wide = m_channels * expansion
        self.layer3_ds = downsample(wide * 4)
        self.fuse34 = AttentiveFusion(wide * 8)
        pooling = build_pooling(pooling_func, wide * 8 * (feat_dim // 8))
        self.set_pooling(pooling)
        self.set_head(pooling.out_dim, embed_dim, two_emb_layer)

    def frames(self, fbank: Tensor) -> Tensor:
        """(batch, frames, mels) → (batch, channels, ⌈frames / 8⌉)."""
        out = F.relu(self.bn1(self.conv1(fbank.transpose(1, 2).unsqueeze(1))))
        out3 = self.layer3(self.layer2(self.layer1(out)))
        fused: Tensor = self.fuse34(self.layer4(out3), self.layer3_ds(out3))
        return fused.flatten(1, 2)


ERes2Net34_Base = partial(ERes2Net, 32, (3, 4, 6, 3))
ERes2Net34_Large = partial(ERes2Net, 64, (3, 4, 6, 3))
ERes2Net34_aug = partial(ERes2Net, 64, (3, 4, 6, 3), expansion=4, baseWidth=24, scale=3)
