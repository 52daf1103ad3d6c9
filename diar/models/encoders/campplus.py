"""CAM++ (Wang et al., arXiv:2303.00332): convolutions, then a densely connected TDNN with context masks.

The TDNN runs time-major, (batch, T', channels): see `time_major`.
"""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from diar.models.encoders.base import StatisticsEncoder, WholeChunkLayer
from diar.models.encoders.planes import convolve_relu
from diar.models.encoders.pooling import build_pooling
from diar.models.encoders.resnet import BasicBlock, make_layer
from diar.models.encoders.time_major import ScaleAndShift, TimeMajorBatchNorm, TimeMajorConv
from diar.models.kernels import available
from diar.models.packing import spread

SEGMENT_FRAMES = 100  # trunk frames that share one local context


class BatchNormReLU(nn.Sequential):
    """Batch normalisation named as in the checkpoints, then ReLU; time-major."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.add_module("batchnorm", TimeMajorBatchNorm(channels))
        self.add_module("relu", nn.ReLU(inplace=True))


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
        out = convolve_relu(self.conv1, self.bn1, x.unsqueeze(1))
        out = self.layer2(self.layer1(out))
        return convolve_relu(self.conv2, self.bn2, out).flatten(1, 2)


class TDNN(nn.Module):
    """The first 1-D convolution; halves the frame rate."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.linear = nn.Conv1d(in_channels, out_channels, kernel_size=5, stride=2, padding=2, bias=False)
        self.nonlinear = BatchNormReLU(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, in_channels, frames) → (batch, ⌈frames / 2⌉, out_channels)."""
        out: Tensor = self.nonlinear(self.linear(x).transpose(1, 2).contiguous())
        return out


class ContextMask(WholeChunkLayer):
    """A convolution whose output is masked by the mean of the chunk and that of the frame's own segment."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, dilation: int) -> None:
        super().__init__()
        self.linear_local = TimeMajorConv(
            in_channels, out_channels, kernel_size, dilation=dilation, bias=False
        )
        self.linear1 = TimeMajorConv(in_channels, in_channels // 2, kernel_size=1)
        self.linear2 = TimeMajorConv(in_channels // 2, out_channels, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, T', in_channels) → (batch, T', out_channels)."""
        if self.packing is not None:
            weights, segment = self.packing.means(x.shape[1], x, SEGMENT_FRAMES)
            mask = spread(self._mask_of(weights @ x), segment)
            packed: Tensor = self.linear_local(x)
            return packed.mul_(mask)
        out: Tensor = self.linear_local(x)
        mask = self.mask(x)
        if mask.shape[1] > 1:
            mask = mask.repeat_interleave(SEGMENT_FRAMES, dim=1)[:, : x.shape[1]]
        return out.mul_(mask)

    def mask(self, x: Tensor) -> Tensor:
        """(batch, T', in_channels), a row a chunk → (batch, segments, out_channels) in 0…1."""
        mean = x.mean(dim=1, keepdim=True)
        return self._mask_of(mean + (mean if x.shape[1] <= SEGMENT_FRAMES else segment_means(x)))

    def _mask_of(self, context: Tensor) -> Tensor:
        return torch.sigmoid(self.linear2(F.relu(self.linear1(context), inplace=True)))


def segment_means(x: Tensor) -> Tensor:
    """(batch, T', channels) → (batch, segments, channels): means of 100 frames, the last one of the rest."""
    whole = x.shape[1] // SEGMENT_FRAMES * SEGMENT_FRAMES
    means = x[:, :whole].unflatten(1, (-1, SEGMENT_FRAMES)).mean(dim=2) if whole else x[:, :0]
    rest = x[:, whole:]
    return torch.cat([means, rest.mean(dim=1, keepdim=True)], dim=1) if rest.shape[1] else means


class DenseTDNNLayer(nn.Module):
    """Bottleneck and context-masked convolution."""

    def __init__(
        self, in_channels: int, growth_rate: int, bottleneck: int, kernel_size: int, dilation: int
    ) -> None:
        super().__init__()
        self.nonlinear1 = BatchNormReLU(in_channels)
        self.linear1 = TimeMajorConv(in_channels, bottleneck, kernel_size=1, bias=False)
        self.nonlinear2 = BatchNormReLU(bottleneck)
        self.cam_layer = ContextMask(bottleneck, growth_rate, kernel_size, dilation)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, T', in_channels) → (batch, T', growth_rate)."""
        out: Tensor = self.cam_layer(self.nonlinear2(self.linear1(self.nonlinear1(x))))
        return out

    def write(self, x: Tensor, out: Tensor) -> None:
        """Compute `forward` of `x` into `out`: by kernels of our own, where they can be used."""
        norm, cam = self.nonlinear1[0], self.cam_layer
        by_kernels = cam.packing is None and available.usable(x)
        if not (by_kernels and isinstance(norm, ScaleAndShift) and self.linear1.bias is not None):
            out.copy_(self(x))
            return
        from diar.models.kernels.dense import masked_convolution, normalised_product

        narrow = normalised_product(
            x, norm.scale, norm.shift, self.linear1.weight.squeeze(-1), self.linear1.bias, relu=True
        )
        taps = cam.linear_local.weight.permute(2, 1, 0).contiguous()
        dilation = cam.linear_local.dilation[0]
        masked_convolution(narrow, taps, cam.mask(narrow), dilation, SEGMENT_FRAMES, out)


class DenseBlock(nn.Sequential):
    """Layers that each see the block's input and the output of all layers before."""

    def __init__(
        self, num_layers: int, in_channels: int, growth_rate: int, bottleneck: int, dilation: int
    ) -> None:
        super().__init__()
        for layer in range(num_layers):
            channels = in_channels + layer * growth_rate
            self.add_module(
                f"tdnnd{layer + 1}", DenseTDNNLayer(channels, growth_rate, bottleneck, 3, dilation)
            )
        self.growth_rate = growth_rate
        self.out_channels = in_channels + num_layers * growth_rate

    def forward(self, x: Tensor) -> Tensor:
        """(batch, T', in_channels) → (batch, T', out_channels)."""
        channels = x.shape[-1]
        # One array from the start: concatenating after each layer would copy all of it every time
        joined = x.new_empty(*x.shape[:2], self.out_channels)
        joined[..., :channels] = x
        for layer in self.children():
            assert isinstance(layer, DenseTDNNLayer)
            end = channels + self.growth_rate
            layer.write(joined[..., :channels], joined[..., channels:end])
            channels = end
        return joined


class Transit(nn.Module):
    """Halves the channels between dense blocks."""

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.nonlinear = BatchNormReLU(in_channels)
        self.linear = TimeMajorConv(in_channels, in_channels // 2, kernel_size=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, T', in_channels) → (batch, T', in_channels / 2)."""
        norm = self.nonlinear[0]
        if available.usable(x) and isinstance(norm, ScaleAndShift):
            from diar.models.kernels.dense import normalised_product

            weight, bias = self.linear.weight.squeeze(-1), self.linear.bias
            return normalised_product(x, norm.scale, norm.shift, weight, bias, relu=False)
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
    """CAM++. Its context masks see the whole chunk, so a frame depends on the chunk it is in.

    For inference only: normalisation is always by the running statistics.
    """

    frame_stride, reach = 2, 4

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
        for number, (num_layers, dilation) in enumerate([(12, 1), (24, 2), (16, 2)], start=1):
            block = DenseBlock(num_layers, channels, growth_rate, bn_size * growth_rate, dilation)
            self.xvector.add_module(f"block{number}", block)
            self.xvector.add_module(f"transit{number}", Transit(block.out_channels))
            channels = block.out_channels // 2
        self.xvector.add_module("out_nonlinear", BatchNormReLU(channels))
        pooling = build_pooling(pooling_func, channels)
        self.xvector.add_module("stats", pooling)
        self.xvector.add_module("dense", Dense(pooling.out_dim, embed_dim))
        self.set_pooling(pooling)  # WeSpeaker's state dict has it twice, too

    def frames(self, fbank: Tensor) -> Tensor:
        """(batch, frames, mels) → (batch, channels, ⌈frames / 2⌉)."""
        dtype = next(self.xvector.parameters()).dtype  # the front end may be in another precision
        out = self.head(fbank.transpose(1, 2)).to(dtype)
        for layer in list(self.xvector)[:-2]:  # up to the pooling
            out = layer(out)
        return out.transpose(1, 2)

    def embed(self, statistics: Tensor) -> Tensor:
        """(n, statistics) → (n, embedding_dim)."""
        embedding: Tensor = self.xvector[-1](statistics)
        return embedding
