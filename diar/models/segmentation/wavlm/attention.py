"""Self-attention that knows how far frames are apart, as WavLM has it.

S. Chen et al., "WavLM: large-scale self-supervised pre-training for full stack speech processing", IEEE JSTSP
2022, formulas 3 to 6. Heads may be pruned; what is left of a layer knows the numbers that its heads had.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from diar.models.segmentation.wavlm.settings import WavLMSettings


def attend(qkv: Tensor, num_heads: int, bias: Tensor | None = None) -> Tensor:
    """Return the attention's output, (batch, frames, heads · size).

    Args:
        qkv: queries, keys and values side by side, (batch, frames, 3 · heads · size).
        num_heads: how many heads there are.
        bias: what is added to the scores, (batch, heads, frames, frames).
    """
    batch, frames, _ = qkv.shape
    queries, keys, values = qkv.view(batch, frames, 3, num_heads, -1).permute(2, 0, 3, 1, 4)
    attended = F.scaled_dot_product_attention(queries, keys, values, attn_mask=bias)
    return attended.transpose(1, 2).flatten(2)


def distance_buckets(frames: int, buckets: int, max_distance: int) -> Tensor:
    """Return the bucket of each distance from −(frames − 1) to frames − 1, (2 · frames − 1,).

    Half of the buckets are for frames that follow. Half of these hold one distance each, the others more and
    more up to `max_distance`.
    """
    distance = torch.arange(1 - frames, frames)
    half, far = buckets // 2, distance.abs()
    exact = half // 2
    scale = math.log(max_distance / exact)
    logarithmic = torch.log(far.float() / exact) / scale * (half - exact)
    shared = (exact + logarithmic.clamp(min=0).long()).clamp(max=half - 1)
    return torch.where(far < exact, far, shared) + half * (distance > 0)


class RelativePositions(nn.Module):
    """What each head adds to the scores of two frames, by their distance."""

    def __init__(self, settings: WavLMSettings) -> None:
        super().__init__()
        self.max_distance = settings.max_distance
        self.rel_attn_embed = nn.Embedding(settings.buckets, settings.num_heads)

    def forward(self, frames: int) -> Tensor:
        """Return (heads, frames, frames), before the gates of a layer."""
        weight = self.rel_attn_embed.weight
        bucket = distance_buckets(frames, len(weight), self.max_distance).to(weight.device)
        by_distance = weight[bucket].T.contiguous()  # (heads, 2 · frames − 1)
        return by_distance.unfold(1, frames, 1).flip(1)  # a frame's row begins at the distance of the first


class GatedAttention(nn.Module):
    """Self-attention of one layer, with a gate on what distances add.

    Args:
        settings: of WavLM.
        heads: that are left, some.
    """

    heads: Tensor

    def __init__(self, settings: WavLMSettings, heads: Sequence[int]) -> None:
        super().__init__()
        inner = len(heads) * settings.head_size
        self.in_proj = nn.Linear(settings.size, 3 * inner)
        self.out_proj = nn.Linear(inner, settings.size)
        self.gru_rel_pos_linear = nn.Linear(settings.head_size, 8)
        self.gru_rel_pos_const = nn.Parameter(torch.ones(1, settings.num_heads, 1, 1))
        self.register_buffer("heads", torch.tensor(heads), persistent=False)

    def forward(self, frames: Tensor, positions: Tensor | None) -> Tensor:
        """(batch, frames, size) → likewise.

        Args:
            frames: of the layer.
            positions: what `RelativePositions` returns; None without them.
        """
        bias = None if positions is None else self._gates(frames) * positions[self.heads]
        return self.out_proj(attend(self.in_proj(frames), len(self.heads), bias))

    def _gates(self, frames: Tensor) -> Tensor:
        """Return (batch, heads, frames, 1): how much distances count for a frame."""
        constants = self.gru_rel_pos_const[:, self.heads]
        by_head = frames.unflatten(2, (self.gru_rel_pos_const.shape[1], -1))[:, :, self.heads]
        # The eight outputs are summed by fours, so the weights can be
        weight = self.gru_rel_pos_linear.weight.unflatten(0, (2, 4)).sum(dim=1)
        bias = self.gru_rel_pos_linear.bias.unflatten(0, (2, 4)).sum(dim=1)
        update, reset = F.linear(by_head, weight, bias).sigmoid().transpose(1, 2).chunk(2, dim=-1)
        return update * (reset * constants - 1.0) + 2.0
