"""WavLM: samples to a mixture of what its layers make of them. Parameters have their published names."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from diar.models.segmentation.wavlm.attention import GatedAttention, RelativePositions
from diar.models.segmentation.wavlm.front import FeatureExtractor
from diar.models.segmentation.wavlm.settings import WavLMSettings


class FeatureProjection(nn.Module):
    """The front end's channels to those of the layers: (batch, frames, channels) → (batch, frames, size)."""

    def __init__(self, settings: WavLMSettings) -> None:
        super().__init__()
        self.layer_norm = nn.LayerNorm(settings.convolutions[-1].channels)
        self.projection = nn.Linear(settings.convolutions[-1].channels, settings.size)

    def forward(self, frames: Tensor) -> Tensor:
        """See the class."""
        projected: Tensor = self.projection(self.layer_norm(frames))
        return projected


class PositionalConvolution(nn.Module):
    """A convolution over the frames around each, which tells frames their places: shapes stay."""

    def __init__(self, settings: WavLMSettings) -> None:
        super().__init__()
        taps, groups = settings.position_taps, settings.position_groups
        self.conv = nn.Conv1d(settings.size, settings.size, taps, padding=taps // 2, groups=groups)

    def forward(self, frames: Tensor) -> Tensor:
        """See the class."""
        return F.gelu(self.conv(frames.transpose(1, 2))[..., : frames.shape[1]]).transpose(1, 2)


class FeedForward(nn.Module):
    """Two linear layers with a GELU between them: shapes stay."""

    def __init__(self, size: int, hidden: int) -> None:
        super().__init__()
        self.intermediate_dense = nn.Linear(size, hidden)
        self.output_dense = nn.Linear(hidden, size)

    def forward(self, frames: Tensor) -> Tensor:
        """See the class."""
        output: Tensor = self.output_dense(F.gelu(self.intermediate_dense(frames)))
        return output


class EncoderLayer(nn.Module):
    """Attention and a feed-forward part, either of which may be pruned away."""

    def __init__(self, settings: WavLMSettings, heads: Sequence[int], hidden: int) -> None:
        super().__init__()
        self.first = settings.large  # norms come before the two parts, not after them
        self.attention = GatedAttention(settings, heads) if heads else None
        self.layer_norm = nn.LayerNorm(settings.size)
        self.feed_forward = FeedForward(settings.size, hidden) if hidden else None
        self.final_layer_norm = nn.LayerNorm(settings.size)

    def forward(self, frames: Tensor, positions: Tensor | None) -> Tensor:
        """(batch, frames, size) → likewise; `positions` as `GatedAttention` takes them."""
        if self.attention is not None:
            given = self.layer_norm(frames) if self.first else frames
            frames = frames + self.attention(given, positions)
        if self.first:
            if self.feed_forward is not None:
                frames = frames + self.feed_forward(self.final_layer_norm(frames))
            return frames
        frames = self.layer_norm(frames)  # also where nothing is left of the layer
        if self.feed_forward is not None:
            frames = frames + self.feed_forward(frames)
        normed: Tensor = self.final_layer_norm(frames)
        return normed


class Transformer(nn.Module):
    """The layers; `forward` mixes their outputs."""

    def __init__(self, settings: WavLMSettings) -> None:
        super().__init__()
        self.first = settings.large
        self.pos_conv_embed = PositionalConvolution(settings)
        self.layer_norm = nn.LayerNorm(settings.size)  # in WavLM-Large it follows the last layer: not mixed
        self.layers = nn.ModuleList(
            EncoderLayer(settings, heads, hidden)
            for heads, hidden in zip(settings.heads, settings.hidden, strict=True)
        )
        # It belongs to the attention of the first layer: where that is pruned, no layer knows distances
        self.positions = RelativePositions(settings) if settings.heads[0] else None

    def forward(self, frames: Tensor, weights: Tensor) -> Tensor:
        """(batch, frames, size) → likewise.

        Args:
            frames: of the projection.
            weights: (layers,) of the layers' outputs, or (1 + layers,): the first is then of their input.
        """
        frames = frames + self.pos_conv_embed(frames)
        if not self.first:
            frames = self.layer_norm(frames)
        shares = weights.unbind()
        mixed = torch.zeros_like(frames)
        if len(shares) > len(self.layers):
            mixed, shares = frames * shares[0], shares[1:]
        positions = None if self.positions is None else self.positions(frames.shape[1])
        for layer, share in zip(self.layers, shares, strict=True):
            frames = layer(frames, positions)
            mixed = torch.addcmul(mixed, frames, share)
        return mixed


class Encoder(nn.Module):
    """What follows the front end."""

    def __init__(self, settings: WavLMSettings) -> None:
        super().__init__()
        self.feature_projection = FeatureProjection(settings)
        self.transformer = Transformer(settings)

    def forward(self, frames: Tensor, weights: Tensor) -> Tensor:
        """(batch, frames, channels) → (batch, frames, size)."""
        mixed: Tensor = self.transformer(self.feature_projection(frames), weights)
        return mixed


class WavLM(nn.Module):
    """(batch, samples) float32 in ±1 → (batch, frames, size)."""

    def __init__(self, settings: WavLMSettings) -> None:
        super().__init__()
        self.normalized = settings.normalized
        self.feature_extractor = FeatureExtractor(settings)
        self.encoder = Encoder(settings)

    def forward(self, waveform: Tensor, weights: Tensor) -> Tensor:
        """Mix the layers' outputs by `weights`; see `Transformer.forward`."""
        if self.normalized:
            waveform = F.layer_norm(waveform, waveform.shape[1:])
        mixed: Tensor = self.encoder(self.feature_extractor(waveform), weights)
        return mixed
