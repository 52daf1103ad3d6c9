"""CAM++ (Wang et al., arXiv:2303.00332): convolutions, then a densely connected TDNN with context masks."""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from diar.models.encoder import StatisticsEncoder
from diar.models.pooling import build_pooling
from diar.models.resnet import BasicBlock, make_layer

SEGMENT_FRAMES = 100  # trunk frames that share one local context


class BatchNormReLU(nn.Sequential):
    """Batch normalisation named as in the checkpoints, then ReLU."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.add_module("batchnorm", nn.BatchNorm1d(channels))
        self.add_module("relu", nn.ReLU())


class FrontEnd(nn.Module):
    """2-D convolutions that reduce the mels eightfold and keep the frames."""

    def __init__(self, feat_dim: int, planes: int = 32) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, planes, kernel_size=3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        stage = partial(make_layer, BasicBlock, BasicBlock.expansion)
        self.layer1 = stage(planes, planes, 2, (2, 1))
        self.layer2 = stage(planes, planes, 2, (2, 1))
        self.conv2 = nn.Conv2d(planes, planes, kernel_size=3, stride=(2, 1), padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.out_channels = planes * (feat_dim // 8)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, mels, frames) → (batch, out_channels, frames)."""
        out = F.relu(self.bn1(self.conv1(x.unsqueeze(1))))
        out = self.layer2(self.layer1(out))
        return F.relu(self.bn2(self.conv2(out))).flatten(1, 2)


class TDNN(nn.Module):
    """The first 1-D convolution; halves the frame rate."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.linear = nn.Conv1d(in_channels, out_channels, kernel_size=5, stride=2, padding=2, bias=False)
        self.nonlinear = BatchNormReLU(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, in_channels, frames) → (batch, out_channels, ⌈frames / 2⌉)."""
        out: Tensor = self.nonlinear(self.linear(x))
        return out


class ContextMask(nn.Module):
    """A convolution whose output is masked by what the whole chunk and the frame's own segment sound like."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, dilation: int) -> None:
        super().__init__()
        padding = (kernel_size - 1) // 2 * dilation
        self.linear_local = nn.Conv1d(
            in_channels, out_channels, kernel_size, padding=padding, dilation=dilation, bias=False
        )
        self.linear1 = nn.Conv1d(in_channels, in_channels // 2, kernel_size=1)
        self.linear2 = nn.Conv1d(in_channels // 2, out_channels, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, in_channels, T') → (batch, out_channels, T')."""
        segments = F.avg_pool1d(x, SEGMENT_FRAMES, stride=SEGMENT_FRAMES, ceil_mode=True)
        context = x.mean(dim=-1, keepdim=True) + segments  # (batch, in_channels, segments)
        mask = torch.sigmoid(self.linear2(F.relu(self.linear1(context))))
        out: Tensor = self.linear_local(x)
        return out * mask.repeat_interleave(SEGMENT_FRAMES, dim=-1)[..., : x.shape[-1]]


class DenseTDNNLayer(nn.Module):
    """Bottleneck and context-masked convolution; its output joins its input."""

    def __init__(
        self, in_channels: int, growth_rate: int, bottleneck: int, kernel_size: int, dilation: int
    ) -> None:
        super().__init__()
        self.nonlinear1 = BatchNormReLU(in_channels)
        self.linear1 = nn.Conv1d(in_channels, bottleneck, kernel_size=1, bias=False)
        self.nonlinear2 = BatchNormReLU(bottleneck)
        self.cam_layer = ContextMask(bottleneck, growth_rate, kernel_size, dilation)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, in_channels, T') → (batch, in_channels + growth_rate, T')."""
        out = self.nonlinear2(self.linear1(self.nonlinear1(x)))
        return torch.cat([x, self.cam_layer(out)], dim=1)


class Transit(nn.Module):
    """Halves the channels between dense blocks."""

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.nonlinear = BatchNormReLU(in_channels)
        self.linear = nn.Conv1d(in_channels, in_channels // 2, kernel_size=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, in_channels, T') → (batch, in_channels / 2, T')."""
        out: Tensor = self.linear(self.nonlinear(x))
        return out


class Dense(nn.Module):
    """The embedding layer."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.linear = nn.Conv1d(in_channels, out_channels, kernel_size=1, bias=False)
        self.nonlinear = nn.Sequential()
        self.nonlinear.add_module("batchnorm", nn.BatchNorm1d(out_channels, affine=False))

    def forward(self, x: Tensor) -> Tensor:
        """(n, in_channels) → (n, out_channels)."""
        out: Tensor = self.nonlinear(self.linear(x.unsqueeze(-1)).squeeze(-1))
        return out


class CAMPPlus(StatisticsEncoder):
    """The context masks see the whole chunk, so frames depend on the chunk that they are in."""

    frame_stride = 2

    def __init__(
        self,
        feat_dim: int = 80,
        embed_dim: int = 512,
        pooling_func: str = "TSTP",
        growth_rate: int = 32,
        bn_size: int = 4,
        init_channels: int = 128,
    ) -> None:
        super().__init__()
        self.embedding_dim = embed_dim
        self.head = FrontEnd(feat_dim)
        self.xvector = nn.Sequential()
        self.xvector.add_module("tdnn", TDNN(self.head.out_channels, init_channels))
        channels = init_channels
        for block, (num_layers, dilation) in enumerate([(12, 1), (24, 2), (16, 2)], start=1):
            dense = nn.Sequential()
            for layer in range(1, num_layers + 1):
                dense.add_module(
                    f"tdnnd{layer}", DenseTDNNLayer(channels, growth_rate, bn_size * growth_rate, 3, dilation)
                )
                channels += growth_rate
            self.xvector.add_module(f"block{block}", dense)
            self.xvector.add_module(f"transit{block}", Transit(channels))
            channels //= 2
        self.xvector.add_module("out_nonlinear", BatchNormReLU(channels))
        pooling = build_pooling(pooling_func, channels)
        self.xvector.add_module("stats", pooling)
        self.xvector.add_module("dense", Dense(pooling.out_dim, embed_dim))
        self.set_pooling(pooling)  # WeSpeaker's state dict has it twice, too

    def frames(self, fbank: Tensor) -> Tensor:
        """(batch, frames, mels) → (batch, channels, ⌈frames / 2⌉)."""
        out = self.head(fbank.transpose(1, 2))
        for layer in list(self.xvector)[:-2]:  # up to the pooling
            out = layer(out)
        trunk: Tensor = out
        return trunk

    def embed(self, statistics: Tensor) -> Tensor:
        """(n, statistics) → (n, embedding_dim)."""
        embedding: Tensor = self.xvector[-1](statistics)
        return embedding
