"""Self-attention whose queries look up what a distance adds: relative keys.

Shaw et al., "Self-attention with relative position representations", arXiv:1803.02155, with keys only, and
other furthest distances back than ahead.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from diar.models.encoders.w2vbert.items import Item
from diar.models.encoders.w2vbert.layers import Product
from diar.models.encoders.w2vbert.settings import W2VBertSettings

MOST_SCORES = 2**24  # of queries and keys at a time, which bounds memory


class RelativeKeyAttention(nn.Module):
    """Attention of each chunk to its own whole frames."""

    def __init__(self, settings: W2VBertSettings) -> None:
        super().__init__()
        self.num_heads, self.back = settings.num_heads, settings.back
        head = settings.size // settings.num_heads
        self.linear_q = Product(settings.size, settings.size)
        self.linear_k = Product(settings.size, settings.size)
        self.linear_v = Product(settings.size, settings.size)
        self.linear_out = Product(settings.size, settings.size)
        self.distance_embedding = nn.Embedding(settings.back + settings.ahead + 1, head)

    def forward(self, x: Tensor, items: Sequence[Item]) -> Tensor:
        """(rows, frames, size) → the same shape; 0 before the last product where no chunk is."""
        projections = (self.linear_q, self.linear_k, self.linear_v)
        query, key, value = (
            project(x).unflatten(-1, (self.num_heads, -1)).transpose(1, 2) for project in projections
        )
        attended = torch.zeros_like(query)
        for item in items:
            own = (item.rows, slice(None), item.frames)
            seen = (item.rows, slice(None), item.whole)
            attended[own] = self._attend(query[own], key[seen], value[seen])
        out: Tensor = self.linear_out(attended.transpose(1, 2).flatten(2))
        return out

    def _attend(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """(batch, heads, frames, head), of keys and values perhaps one frame less → as the queries."""
        batch, heads, queries, head = query.shape
        step = max(1, MOST_SCORES // (batch * heads * key.shape[2]))
        parts = []
        for first in range(0, queries, step):
            own = query[:, :, first : first + step]
            by_key = own @ self.distance_embedding.weight.T * head**-0.5
            added = by_distance(by_key, first, key.shape[2], self.back)
            if added.device.type != "cpu":  # kernels of GPUs want rows that begin at a multiple of 16 bytes
                added = added.contiguous()
            parts.append(F.scaled_dot_product_attention(own, key, value, attn_mask=added))
        return torch.cat(parts, dim=2)


def by_distance(scores: Tensor, first: int, keys: int, back: int) -> Tensor:
    """Return what each query adds to its score with each key.

    A row of the result is a row of `scores`, moved by the query's number, with the outermost distances
    repeated. So all rows are laid into one wide array, of which a view has rows that begin one number
    earlier each.

    Args:
        scores: (batch, heads, queries, distances) of distances from −back to the furthest ahead.
        first: number of the first query among the frames.
        keys: how many there are, all frames but perhaps the last.
        back: the furthest distance back that is told apart, at least 1.

    Returns:
        (batch, heads, queries, keys), a view.
    """
    batch, heads, queries, distances = scores.shape
    ahead = distances - back - 1
    low, high = 1 - first - queries, keys - 1 - first  # from the last query to the first key, the other way
    near = scores[..., max(low, -back) + back : min(high, ahead) + back + 1]
    before = scores[..., :1].expand(-1, -1, -1, max(0, -back - low))
    behind = scores[..., -1:].expand(-1, -1, -1, max(0, high - ahead))
    wide = torch.cat([before, near, behind], dim=-1)
    width = keys + queries - 1
    strides = (heads * queries * width, queries * width, width - 1, 1)
    return wide.as_strided((batch, heads, queries, keys), strides, queries - 1)
