"""What ReDimNet and ReDimNet2 are built of: planes of (mels, frames) that become rows over time, and back.

In half precision two-dimensional convolutions may have another dtype than all else; what takes a tensor from
one side to the other casts it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from diar.models.encoders.base import WholeChunkLayer
from diar.models.packing import spread

EPSILON = 1e-6  # of layer normalisations
CONTEXT_KERNELS = (7, 19, 31, 59)  # frames that the convolutions of a `TimeContext` see, one after the other
CONTEXT_REACH = CONTEXT_KERNELS[-1] // 2
HEADS = 4


@dataclass(frozen=True)
class Block:
    """The kind of a stage's blocks.

    Attributes:
        kind: "resnet", "resnet_fwse" (with squeeze and excitation of mel rows) or "convnext".
        group_divisor: channels of a group of the 3×3 convolutions.
    """

    kind: str
    group_divisor: int

    def build(self, channels: int, mels: int) -> nn.Module:
        """Return a block, named as in checkpoints."""
        if self.kind == "convnext":
            return Named(ConvNeXt2d(channels, channels // self.group_divisor))
        return Named(ResBlock(channels, mels, self.group_divisor, squeezes=self.kind == "resnet_fwse"))


class Named(nn.Module):
    """Puts `conv_block` into the names of parameters."""

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.conv_block = block

    def forward(self, x: Tensor) -> Tensor:
        """Run the block."""
        out: Tensor = self.conv_block(x)
        return out


class ToRows(nn.Module):
    """(batch, channels, mels, frames) → (batch, mels · channels, frames)."""

    def forward(self, x: Tensor) -> Tensor:
        """Reshape."""
        return x.transpose(1, 2).flatten(1, 2)


class ToPlanes(nn.Module):
    """(batch, mels · channels, frames) → (batch, channels, mels, frames)."""

    def __init__(self, channels: int, mels: int) -> None:
        super().__init__()
        self.channels, self.mels = channels, mels

    def forward(self, x: Tensor) -> Tensor:
        """Reshape."""
        return x.unflatten(1, (self.mels, self.channels)).transpose(1, 2)


def weighted_sum(weights: Tensor, rows: Sequence[Tensor]) -> Tensor:
    """Add rows (batch, channels, frames) by the softmax of weights (1, rows, channels, 1)."""
    shares = F.softmax(weights, dim=1)
    total = shares[:, 0] * rows[0]
    for number, row in enumerate(rows[1:], start=1):
        total = total + shares[:, number] * row
    return total


class ChannelNorm(nn.Module):
    """Layer normalisation over the channels of (batch, channels, …)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise each point; in the dtype of the parameters."""
        end = x.ndim - 1  # not -1, which the exporter to ONNX gets wrong
        last = x.to(self.weight.dtype).transpose(1, end)
        return F.layer_norm(last, self.weight.shape, self.weight, self.bias, EPSILON).transpose(1, end)


class MelSqueezeExcitation(WholeChunkLayer):
    """Scale each mel row by a function of the chunk's mean of all rows."""

    def __init__(self, mels: int, width: int) -> None:
        super().__init__()
        self.squeeze = nn.Linear(mels, width)
        self.exitation = nn.Linear(width, mels)  # the checkpoints' spelling

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, mels, frames) → the same shape."""
        rows = x.mean(dim=1, dtype=torch.float32).transpose(1, 2)  # (batch, frames, mels)
        if self.packing is None:
            scale = self._scale(rows.mean(dim=1, keepdim=True))
        else:
            weights, number = self.packing.means(rows.shape[1], rows)
            scale = spread(self._scale(weights @ rows), number)
        return x * scale.transpose(1, 2).unsqueeze(1).to(x.dtype)

    def _scale(self, means: Tensor) -> Tensor:
        means = means.to(self.squeeze.weight.dtype)
        return torch.sigmoid(self.exitation(F.relu(self.squeeze(means))))


class ResBlock(nn.Module):
    """Two grouped 3×3 convolutions, each with a 1×1 behind it, and the input added."""

    def __init__(self, channels: int, mels: int, group_divisor: int, squeezes: bool) -> None:
        super().__init__()
        groups = channels // group_divisor
        self.conv1 = nn.Conv2d(channels, channels, kernel_size=3, padding=1, bias=False, groups=groups)
        self.conv1pw = nn.Conv2d(channels, channels, kernel_size=1)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, kernel_size=3, padding=1, bias=False, groups=groups)
        self.conv2pw = nn.Conv2d(channels, channels, kernel_size=1)
        self.bn2 = nn.BatchNorm2d(channels)
        width = min(64, max(channels, 32))
        self.se = MelSqueezeExcitation(mels, width) if squeezes else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, mels, frames) → the same shape."""
        out = self.bn1(F.relu(self.conv1pw(self.conv1(x))))  # not in place: no norm follows the convolution
        out = self.se(self.bn2(self.conv2pw(self.conv2(out))))
        return F.relu(out + x)


class ConvNeXt2d(nn.Module):
    """A grouped 3×3 convolution, normalisation, GELU, a 1×1 convolution, and the input added."""

    def __init__(self, channels: int, groups: int) -> None:
        super().__init__()
        self.dwconvs = nn.ModuleList([nn.Conv2d(channels, channels, kernel_size=3, padding=1, groups=groups)])
        self.norm = nn.BatchNorm2d(channels)
        self.pwconv1 = nn.Conv2d(channels, channels, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, mels, frames) → the same shape."""
        return x + self.pwconv1(F.gelu(self.norm(self.dwconvs[0](x))))


class ConvNeXt1d(nn.Module):
    """The same over time, each channel convolved by itself."""

    def __init__(self, channels: int, kernel_size: int) -> None:
        super().__init__()
        each = nn.Conv1d(channels, channels, kernel_size, padding=kernel_size // 2, groups=channels)
        self.dwconvs = nn.ModuleList([each])
        self.norm = nn.BatchNorm1d(channels)
        self.pwconv1 = nn.Conv1d(channels, channels, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, frames) → the same shape."""
        return x + self.pwconv1(F.gelu(self.norm(self.dwconvs[0](x))))


class SelfAttention(WholeChunkLayer):
    """Each frame attends to all frames of its chunk."""

    def __init__(self, width: int) -> None:
        super().__init__()
        if width % HEADS:
            raise ValueError(f"{width} channels cannot be shared among {HEADS} heads")
        self.k_proj = nn.Linear(width, width)
        self.v_proj = nn.Linear(width, width)
        self.q_proj = nn.Linear(width, width)
        self.out_proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, frames, width) → the same shape."""
        projections = (self.q_proj, self.k_proj, self.v_proj)
        given = tuple(project(x).unflatten(-1, (HEADS, -1)).transpose(1, 2) for project in projections)
        attended = self._attend(given) if self.packing is None else self._attend_packed(given)
        out: Tensor = self.out_proj(attended.transpose(1, 2).flatten(2))
        return out

    def _attend_packed(self, given: tuple[Tensor, ...]) -> Tensor:
        assert self.packing is not None
        attended = torch.zeros_like(given[0])
        for place in self.packing.places:
            place = self.packing.scaled(place, attended.shape[2])
            own = slice(place.row, place.row + 1), slice(None), slice(place.start, place.end)
            attended[own] = self._attend(tuple(each[own] for each in given))
        return attended

    def _attend(self, given: tuple[Tensor, ...]) -> Tensor:
        query, key, value = given
        return F.scaled_dot_product_attention(query, key, value)


class FeedForward(nn.Module):
    """Two layers for each frame, with the approximate GELU between them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.intermediate_dense = nn.Linear(width, width)
        self.output_dense = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, frames, width) → the same shape."""
        out: Tensor = self.output_dense(F.gelu(self.intermediate_dense(x), approximate="tanh"))
        return out


class TransformerLayer(nn.Module):
    """Self-attention and a feed-forward layer, each with its input added and normalised after that."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.attention = SelfAttention(width)
        self.layer_norm = nn.LayerNorm(width, eps=EPSILON)
        self.feed_forward = FeedForward(width)
        self.final_layer_norm = nn.LayerNorm(width, eps=EPSILON)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, width, frames) → the same shape."""
        frames = x.transpose(1, 2)
        frames = self.layer_norm(frames + self.attention(frames))
        out: Tensor = self.final_layer_norm(frames + self.feed_forward(frames))
        return out.transpose(1, 2)


class TimeContext(nn.Module):
    """Fewer channels, convolutions over ever more frames, attention to all of them, and the input added."""

    def __init__(self, channels: int, reduction: int) -> None:
        super().__init__()
        width = channels // reduction
        self.red_dim_conv = nn.Sequential(nn.Conv1d(channels, width, kernel_size=1), ChannelNorm(width))
        convolutions = (ConvNeXt1d(width, kernel_size) for kernel_size in CONTEXT_KERNELS)
        self.tcm = nn.Sequential(*convolutions, TransformerLayer(width))
        self.exp_dim_conv = nn.Conv1d(width, channels, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, frames) → the same shape."""
        x = x.to(self.exp_dim_conv.weight.dtype)
        return x + self.exp_dim_conv(self.tcm(self.red_dim_conv(x)))


def stem(channels: int) -> list[nn.Module]:
    """Return the layers that see the features: (batch, 1, mels, frames) → (batch, channels, mels, frames)."""
    return [nn.Conv2d(1, channels, kernel_size=3, padding=1), ChannelNorm(channels)]


def strided_mels(mels: int, stride: int) -> int:
    """Return how many mel rows are left of `mels`.

    Raises:
        ValueError: the stride does not divide them.
    """
    if mels % stride:
        raise ValueError(f"{mels} mel rows cannot be divided by a stage's stride of {stride}")
    return mels // stride
