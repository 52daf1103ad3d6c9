"""The trunk of w2v-BERT 2.0: Conformer layers with relative keys and causal convolutions.

Gulati et al., "Conformer", arXiv:2005.08100; Chung et al., "w2v-BERT", arXiv:2108.06209; version 2.0 came
with Seamless Communication, "Seamless", arXiv:2312.05187. Names of parameters are those of transformers'
Wav2Vec2BertModel.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from diar.models.encoders.w2vbert.attention import RelativeKeyAttention
from diar.models.encoders.w2vbert.items import Item, whole_frames
from diar.models.encoders.w2vbert.layers import CausalConvolution, FeedForward, Norm, Pointwise, Product
from diar.models.encoders.w2vbert.settings import MELS, STACKED, W2VBertSettings


class ConvolutionModule(nn.Module):
    """A gated product, a causal convolution of each channel, and another product."""

    def __init__(self, settings: W2VBertSettings) -> None:
        super().__init__()
        size = settings.size
        self.layer_norm = Norm(size, eps=settings.epsilon)
        self.pointwise_conv1 = Pointwise(size, 2 * size)
        self.depthwise_conv = CausalConvolution(size, settings.taps)
        self.depthwise_layer_norm = Norm(size, eps=settings.epsilon)
        self.pointwise_conv2 = Pointwise(size, size)

    def forward(self, x: Tensor, whole: Tensor | None) -> Tensor:
        """(rows, frames, size) → the same shape; what is not `whole` counts as zeros before a chunk do."""
        gated = F.glu(self.pointwise_conv1(self.layer_norm(x)), dim=-1)
        if whole is not None:
            gated = gated * whole.to(gated.dtype)
        convolved = F.silu(self.depthwise_layer_norm(self.depthwise_conv(gated)), inplace=True)
        out: Tensor = self.pointwise_conv2(convolved)
        return out


class ConformerLayer(nn.Module):
    """Feed forward, attention, convolution, feed forward: each normalises what it sees and is added."""

    def __init__(self, settings: W2VBertSettings) -> None:
        super().__init__()
        size, epsilon = settings.size, settings.epsilon
        self.ffn1_layer_norm = Norm(size, eps=epsilon)
        self.ffn1 = FeedForward(size, settings.hidden)
        self.self_attn_layer_norm = Norm(size, eps=epsilon)
        self.self_attn = RelativeKeyAttention(settings)
        self.conv_module = ConvolutionModule(settings)
        self.ffn2_layer_norm = Norm(size, eps=epsilon)
        self.ffn2 = FeedForward(size, settings.hidden)
        self.final_layer_norm = Norm(size, eps=epsilon)

    def forward(self, x: Tensor, items: Sequence[Item], whole: Tensor | None) -> Tensor:
        """(rows, frames, size) float32 → the same shape."""
        x = x + 0.5 * self.ffn1(self.ffn1_layer_norm(x)).float()
        x = x + self.self_attn(self.self_attn_layer_norm(x), items)
        x = x + self.conv_module(x, whole)
        x = x + 0.5 * self.ffn2(self.ffn2_layer_norm(x)).float()
        out: Tensor = self.final_layer_norm(x)
        return out


class FeatureProjection(nn.Module):
    """Features are normalised and brought to the size of hidden states."""

    def __init__(self, settings: W2VBertSettings) -> None:
        super().__init__()
        self.layer_norm = Norm(MELS * STACKED, eps=settings.epsilon)
        self.projection = Product(MELS * STACKED, settings.size)

    def forward(self, features: Tensor) -> Tensor:
        """(rows, frames, 2 · mels) → (rows, frames, size) float32."""
        projected: Tensor = self.projection(self.layer_norm(features))
        return projected.float()


class Layers(nn.Module):
    """Puts `encoder.layers` into the names of parameters."""

    def __init__(self, settings: W2VBertSettings) -> None:
        super().__init__()
        self.layers = nn.ModuleList(ConformerLayer(settings) for _ in range(settings.num_layers))


class W2VBert(nn.Module):
    """All hidden states of features, one after the other, so that they are never held together."""

    def __init__(self, settings: W2VBertSettings) -> None:
        super().__init__()
        self.feature_projection = FeatureProjection(settings)
        self.encoder = Layers(settings)

    def states(self, features: Tensor, items: Sequence[Item]) -> Iterator[Tensor]:
        """Yield (rows, frames, size): what the first layer is given, then what each layer gives.

        Args:
            features: (rows, frames, 2 · mels) of `stacked_features`.
            items: the chunks in the rows.
        """
        whole = whole_frames(items, features)
        x = self.feature_projection(features)
        if whole is not None:
            x = x * whole
        yield x
        for layer in self.encoder.layers:
            x = layer(x, items, whole)
            yield x
