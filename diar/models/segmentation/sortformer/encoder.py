"""The Sortformer's encoder: mel frames side by side, then Transformer layers that know positions by rotation.

J. Su et al., "RoFormer: enhanced Transformer with rotary position embedding", Neurocomputing 2024, formula
34. Parameters have the names that transformers gives them, but for `in_proj`: queries, keys, values at once.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from diar.models.segmentation.sortformer.settings import SortformerSettings


class Rotation(NamedTuple):
    """By what each pair of channels is rotated in each frame, (frames, channels of a head / 2)."""

    cos: Tensor
    sin: Tensor

    @classmethod
    def of(cls, frames: int, settings: SortformerSettings, device: torch.device) -> Rotation:
        """Return the rotation of `frames` frames, counted from 0."""
        channels = settings.size // settings.num_heads
        exponents = torch.arange(0, channels, 2, device=device).float() / channels
        angles = torch.arange(frames, device=device).float()[:, None] / settings.rotary_base**exponents
        return cls(angles.cos(), angles.sin())

    def rotate(self, values: Tensor) -> Tensor:
        """(…, frames, channels of a head) → likewise; channel i is one of a pair with i + half of them."""
        first, second = values.chunk(2, dim=-1)
        rotated = first * self.cos - second * self.sin, second * self.cos + first * self.sin
        return torch.cat(rotated, dim=-1)


class Attention(nn.Module):
    """Self-attention; positions rotate queries and keys."""

    def __init__(self, settings: SortformerSettings) -> None:
        super().__init__()
        self.num_heads = settings.num_heads
        self.in_proj = nn.Linear(settings.size, 3 * settings.size, bias=False)
        self.o_proj = nn.Linear(settings.size, settings.size)

    def forward(self, frames: Tensor, rotation: Rotation, seen: int) -> Tensor:
        """(batch, frames, size) → likewise; only the first `seen` frames are looked at."""
        batch, count, _ = frames.shape
        qkv = self.in_proj(frames).view(batch, count, 3, self.num_heads, -1).permute(2, 0, 3, 1, 4)
        queries, keys = rotation.rotate(qkv[:2])
        keys, values = keys[:, :, :seen], qkv[2][:, :, :seen]
        attended = F.scaled_dot_product_attention(queries, keys, values)
        output: Tensor = self.o_proj(attended.transpose(1, 2).flatten(2))
        return output


class FeedForward(nn.Module):
    """Two linear layers with a GELU between them: shapes stay."""

    def __init__(self, settings: SortformerSettings) -> None:
        super().__init__()
        self.fc1 = nn.Linear(settings.size, settings.hidden)
        self.fc2 = nn.Linear(settings.hidden, settings.size)

    def forward(self, frames: Tensor) -> Tensor:
        """See the class."""
        output: Tensor = self.fc2(F.gelu(self.fc1(frames)))
        return output


class EncoderLayer(nn.Module):
    """Attention and a feed-forward part, each normalised first: shapes stay."""

    def __init__(self, settings: SortformerSettings) -> None:
        super().__init__()
        self.self_attn = Attention(settings)
        self.layer_norm1 = nn.LayerNorm(settings.size)
        self.mlp = FeedForward(settings)
        self.layer_norm2 = nn.LayerNorm(settings.size)

    def forward(self, frames: Tensor, rotation: Rotation, seen: int) -> Tensor:
        """See the class; arguments as `Attention.forward`."""
        frames = frames + self.self_attn(self.layer_norm1(frames), rotation, seen)
        output: Tensor = frames + self.mlp(self.layer_norm2(frames))
        return output


class Stacking(nn.Module):
    """(batch, mel frames, bands) → (batch, frames, size); zeros fill the last frame."""

    def __init__(self, settings: SortformerSettings) -> None:
        super().__init__()
        self.stacked = settings.stacked
        self.projection = nn.Linear(settings.stacked * settings.mels.bands, settings.size, bias=False)

    def forward(self, mels: Tensor) -> Tensor:
        """See the class."""
        whole = F.pad(mels, (0, 0, 0, -mels.shape[1] % self.stacked))
        output: Tensor = self.projection(whole.unflatten(1, (-1, self.stacked)).flatten(2))
        return output


class Encoder(nn.Module):
    """(batch, mel frames, bands) → (batch, frames, size).

    A frame of which no mel frame has audio is not looked at by the others.
    """

    def __init__(self, settings: SortformerSettings) -> None:
        super().__init__()
        self.settings = settings
        self.embedder = Stacking(settings)
        self.input_layer_norm = nn.LayerNorm(settings.size)
        self.layers = nn.ModuleList(EncoderLayer(settings) for _ in range(settings.num_layers))
        self.layer_norm = nn.LayerNorm(settings.size)

    def forward(self, mels: Tensor, heard: int) -> Tensor:
        """See the class; only the first `heard` mel frames have audio."""
        frames = self.input_layer_norm(self.embedder(mels))
        rotation = Rotation.of(frames.shape[1], self.settings, frames.device)
        seen = -(-heard // self.settings.stacked)
        for layer in self.layers:
            frames = layer(frames, rotation, seen)
        output: Tensor = self.layer_norm(frames)
        return output
