"""ECAPA-TDNN (Desplanques et al., arXiv:2005.07143), as in WeSpeaker: ReLU before batch normalisation."""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from diar.models.encoders.base import StatisticsEncoder, WholeChunkLayer
from diar.models.encoders.pooling import build_pooling
from diar.models.packing import spread

RES2_SCALE = 8
SQUEEZE_DIM = 128
TRUNK_CHANNELS = 1536  # whatever the width of the blocks


class ConvReLUNorm(nn.Module):
    """1-D convolution that keeps the frames, ReLU, batch normalisation."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv1d(in_channels, out_channels, kernel_size, padding=kernel_size // 2)
        self.bn = nn.BatchNorm1d(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, in_channels, T) → (batch, out_channels, T)."""
        out: Tensor = self.bn(F.relu(self.conv(x)))
        return out


class Res2Conv(nn.Module):
    """Convolutions of eight shares of the channels in turn, each added to the next; the last is kept."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        if channels % RES2_SCALE:
            raise ValueError(f"channels {channels} is not a multiple of {RES2_SCALE}")
        width = channels // RES2_SCALE
        self.convs = nn.ModuleList(
            nn.Conv1d(width, width, kernel_size=3, padding=dilation, dilation=dilation)
            for _ in range(RES2_SCALE - 1)
        )
        self.bns = nn.ModuleList(nn.BatchNorm1d(width) for _ in range(RES2_SCALE - 1))

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, T) → the same shape."""
        *shares, last = x.chunk(RES2_SCALE, dim=1)
        results: list[Tensor] = []
        for share, conv, bn in zip(shares, self.convs, self.bns, strict=True):
            mixed = share + results[-1] if results else share
            results.append(bn(F.relu(conv(mixed))))
        return torch.cat([*results, last], dim=1)


class SqueezeExcitation(WholeChunkLayer):
    """Scale each channel by a function of the chunk's mean."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.linear1 = nn.Linear(channels, SQUEEZE_DIM)
        self.linear2 = nn.Linear(SQUEEZE_DIM, channels)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, T) → the same shape."""
        if self.packing is not None:
            weights, number = self.packing.means(x.shape[2], x)
            return x * spread(self._scale(weights @ x.transpose(1, 2)), number).transpose(1, 2)
        return x * self._scale(x.mean(dim=2)).unsqueeze(2)

    def _scale(self, means: Tensor) -> Tensor:
        return torch.sigmoid(self.linear2(F.relu(self.linear1(means))))


class SERes2Block(nn.Module):
    """Convolution, Res2 convolution, convolution, squeeze and excitation, and a shortcut."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.se_res2block = nn.Sequential(
            ConvReLUNorm(channels, channels),
            Res2Conv(channels, dilation),
            ConvReLUNorm(channels, channels),
            SqueezeExcitation(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, T) → the same shape."""
        return x + self.se_res2block(x)


class ECAPATDNN(StatisticsEncoder):
    """ECAPA-TDNN. Squeeze and excitation see the whole chunk, so a frame depends on the chunk it is in.

    Args:
        channels: width of the blocks.
        global_context_att: let the attention of `ASTP` see the statistics of the chosen frames.
        emb_bn: normalise the embedding, as some self-supervised models do.
    """

    frame_stride, reach = 1, 4

    def __init__(
        self,
        channels: int,
        global_context_att: bool,
        *,
        feat_dim: int,
        embed_dim: int,
        pooling_func: str = "ASTP",
        emb_bn: bool = False,
    ) -> None:
        super().__init__()
        self.embedding_dim = embed_dim
        self.layer1 = ConvReLUNorm(feat_dim, channels, kernel_size=5)
        self.layer2 = SERes2Block(channels, dilation=2)
        self.layer3 = SERes2Block(channels, dilation=3)
        self.layer4 = SERes2Block(channels, dilation=4)
        self.conv = nn.Conv1d(3 * channels, TRUNK_CHANNELS, kernel_size=1)
        pooling = build_pooling(pooling_func, TRUNK_CHANNELS, global_context_att)
        self.set_pooling(pooling)
        self.bn = nn.BatchNorm1d(pooling.out_dim)
        self.linear = nn.Linear(pooling.out_dim, embed_dim)
        self.bn2 = nn.BatchNorm1d(embed_dim) if emb_bn else nn.Identity()

    def frames(self, fbank: Tensor) -> Tensor:
        """(batch, frames, mels) → (batch, 1536, frames)."""
        first = self.layer1(fbank.transpose(1, 2))
        second = self.layer2(first)
        third = self.layer3(second)
        fourth = self.layer4(third)
        return F.relu(self.conv(torch.cat([second, third, fourth], dim=1)))

    def embed(self, statistics: Tensor) -> Tensor:
        """(n, statistics) → (n, embedding_dim)."""
        embedding: Tensor = self.bn2(self.linear(self.bn(statistics)))
        return embedding


ECAPA_TDNN_c512 = partial(ECAPATDNN, 512, False)
ECAPA_TDNN_GLOB_c512 = partial(ECAPATDNN, 512, True)
ECAPA_TDNN_c1024 = partial(ECAPATDNN, 1024, False)
ECAPA_TDNN_GLOB_c1024 = partial(ECAPATDNN, 1024, True)
