"""WeSpeaker's pooling layers with masks: statistics over time of chosen frames, for many choices at once.

A masked sum over time for all tracks is one matrix product, masks (tracks, T') times values (T', channels),
so the frames are never copied for each track. Second moments are taken about a centre common to all tracks,
subtracted before squaring, which keeps float32 accurate. Every layer maps

    frames (batch, channels, T'), masks (batch, tracks, T') of 0 and 1 → (batch, tracks, out_dim)

and is finite for masks of one frame and of none.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

EPSILON = 1e-7  # WeSpeaker's, under the square root of variances
LOWEST_LOGIT = -60.0  # below the largest of its channel: a weight of 1e-26, which float32 still divides by


def masked_sum(values: Tensor, masks: Tensor) -> Tensor:
    """Sum over time: (batch, channels, T'), (batch, tracks, T') → (batch, tracks, channels)."""
    return masks @ values.transpose(1, 2)


def masked_mean_variance(frames: Tensor, masks: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and unbiased variance of the chosen frames, each (batch, tracks, channels).

    The variance of fewer than two frames is 0.
    """
    centre = frames.mean(dim=-1, keepdim=True)
    deviations = frames - centre
    count = masks.sum(dim=-1, keepdim=True)  # (batch, tracks, 1)
    offset = masked_sum(deviations, masks) / count.clamp(min=1)
    squares = masked_sum(deviations.square(), masks) - count * offset.square()
    return centre.transpose(1, 2) + offset, squares.clamp(min=0) / (count - 1).clamp(min=1)


def attentive_mean_deviation(
    frames: Tensor, logits: Tensor, masks: Tensor, min_variance: float
) -> tuple[Tensor, Tensor]:
    """Return mean and deviation under a softmax over chosen frames, each (batch, tracks, channels).

    Args:
        logits: (batch, channels, T'). Those more than 60 below their channel's largest in the whole chunk
            count as 60 below. Otherwise a track of such frames alone would have no mean.
        min_variance: floor of the variance.
    """
    weights = (logits - logits.amax(dim=-1, keepdim=True)).clamp(min=LOWEST_LOGIT).exp()
    centre = (weights * frames).sum(dim=-1, keepdim=True) / weights.sum(dim=-1, keepdim=True)
    deviations = frames - centre
    weighted = weights * deviations
    total, first, second = masked_sum(
        torch.cat([weights, weighted, weighted * deviations], dim=1), masks
    ).chunk(3, dim=-1)
    total = total.clamp(min=torch.finfo(total.dtype).tiny)
    offset = first / total
    variance = second / total - offset.square()
    return centre.transpose(1, 2) + offset, variance.clamp(min=min_variance).sqrt()


class Pooling(nn.Module, ABC):
    """Base: `out_dim` numbers for each track."""

    out_dim: int

    @abstractmethod
    def forward(self, frames: Tensor, masks: Tensor) -> Tensor:
        """(batch, channels, T'), (batch, tracks, T') → (batch, tracks, out_dim)."""


class TAP(Pooling):
    """Temporal average pooling."""

    def __init__(self, in_dim: int) -> None:
        super().__init__()
        self.out_dim = in_dim

    def forward(self, frames: Tensor, masks: Tensor) -> Tensor:
        """Mean."""
        return masked_mean_variance(frames, masks)[0]


class TSDP(TAP):
    """Temporal standard deviation pooling."""

    def forward(self, frames: Tensor, masks: Tensor) -> Tensor:
        """Standard deviation."""
        return (masked_mean_variance(frames, masks)[1] + EPSILON).sqrt()


class TSTP(Pooling):
    """Temporal statistics pooling (Snyder et al., x-vectors, 2018)."""

    def __init__(self, in_dim: int) -> None:
        super().__init__()
        self.out_dim = 2 * in_dim

    def forward(self, frames: Tensor, masks: Tensor) -> Tensor:
        """Mean, then standard deviation."""
        mean, variance = masked_mean_variance(frames, masks)
        return torch.cat([mean, (variance + EPSILON).sqrt()], dim=-1)


class StatsPool(TSTP):
    """Temporal statistics pooling as pyannote.audio has it: nothing is added to the variance.

    The deviation of a channel that is constant over a track is 0 exactly, so deviations are taken track by
    track, about its own mean.
    """

    def forward(self, frames: Tensor, masks: Tensor) -> Tensor:
        """Mean, then standard deviation; both are 0 for an empty mask."""
        count = masks.sum(dim=-1, keepdim=True)  # (batch, tracks, 1)
        mean = masked_sum(frames, masks) / count.clamp(min=1)
        squares = [
            masked_sum((frames - mean[:, track, :, None]).square(), masks[:, track : track + 1])
            for track in range(masks.shape[1])
        ]
        variance = torch.cat(squares, dim=1) / (count - 1).clamp(min=1)
        return torch.cat([mean, variance.sqrt()], dim=-1)


class ASTP(Pooling):
    """Attentive statistics pooling, channel-dependent (Desplanques et al., ECAPA-TDNN, 2020).

    With `global_context_att` the attention also sees mean and deviation of the chosen frames. It then differs
    between tracks, which are therefore pooled one after the other.
    """

    def __init__(self, in_dim: int, bottleneck_dim: int = 128, global_context_att: bool = False) -> None:
        super().__init__()
        self.in_dim, self.out_dim = in_dim, 2 * in_dim
        self.global_context_att = global_context_att
        self.linear1 = nn.Conv1d(in_dim * (3 if global_context_att else 1), bottleneck_dim, kernel_size=1)
        self.linear2 = nn.Conv1d(bottleneck_dim, in_dim, kernel_size=1)

    def forward(self, frames: Tensor, masks: Tensor) -> Tensor:
        """Mean, then standard deviation."""
        if self.global_context_att:
            return self._with_global_context(frames, masks)
        logits = self.linear2(torch.tanh(self.linear1(frames)))
        return torch.cat(attentive_mean_deviation(frames, logits, masks, EPSILON), dim=-1)

    def attention_parts(self, frames: Tensor, masks: Tensor) -> tuple[Tensor, Tensor]:
        """Return what frames and their context add to the attention, before its tanh.

        The first is (batch, bottleneck, T'), shared by the tracks; the second (batch, tracks, bottleneck).
        """
        mean, variance = masked_mean_variance(frames, masks)
        context = torch.cat([mean, (variance + EPSILON).sqrt()], dim=-1)  # (batch, tracks, 2 · channels)
        weight = self.linear1.weight.squeeze(-1)
        of_context = F.linear(context, weight[:, self.in_dim :], self.linear1.bias)
        return weight[:, : self.in_dim] @ frames, of_context

    def _with_global_context(self, frames: Tensor, masks: Tensor) -> Tensor:
        of_frames, of_context = self.attention_parts(frames, masks)
        used = masks.amax(dim=0) > 0  # (tracks, T'): a track's attention need not see other frames
        used[:, 0] |= ~used.any(dim=-1)
        pooled = []
        for track, columns in enumerate(used):
            hidden = torch.tanh(of_frames[..., columns] + of_context[:, track, :, None])
            mean_deviation = attentive_mean_deviation(
                frames[..., columns], self.linear2(hidden), masks[:, track : track + 1, columns], EPSILON
            )
            pooled.append(torch.cat(mean_deviation, dim=-1))
        return torch.cat(pooled, dim=1)


class ASP(Pooling):
    """Attentive statistics pooling as the SimAM-ResNets have it: ReLU and batch norm in the attention."""

    min_variance = 1e-5

    def __init__(self, in_dim: int, bottleneck_dim: int = 128) -> None:
        super().__init__()
        self.out_dim = 2 * in_dim
        self.attention = nn.Sequential(
            nn.Conv1d(in_dim, bottleneck_dim, kernel_size=1),
            nn.ReLU(),
            nn.BatchNorm1d(bottleneck_dim),
            nn.Conv1d(bottleneck_dim, in_dim, kernel_size=1),
        )

    def forward(self, frames: Tensor, masks: Tensor) -> Tensor:
        """Mean, then standard deviation."""
        logits = self.attention(frames)
        return torch.cat(attentive_mean_deviation(frames, logits, masks, self.min_variance), dim=-1)


class MHASTP(Pooling):
    """Multi-head attentive statistics pooling: each head attends to its own share of the channels.

    Args:
        in_dim: channels, a multiple of `head_num`.
        layer_num: layers of each head's attention.
        d_s: above 1, a head has one weight for each channel and frame; else one for each frame.
    """

    def __init__(
        self, in_dim: int, layer_num: int = 2, head_num: int = 2, d_s: int = 1, bottleneck_dim: int = 64
    ) -> None:
        super().__init__()
        if in_dim % head_num:
            raise ValueError(f"{in_dim} channels cannot be shared among {head_num} heads")
        self.head_num, self.head_dim, self.out_dim = head_num, in_dim // head_num, 2 * in_dim
        widths = [self.head_dim, *[bottleneck_dim] * (layer_num - 1), self.head_dim if d_s > 1 else 1]
        self.heads_att_trans = nn.ModuleList(self._attention(widths) for _ in range(head_num))

    @staticmethod
    def _attention(widths: list[int]) -> nn.Sequential:
        attention = nn.Sequential()
        for layer, (inputs, outputs) in enumerate(pairwise(widths)):
            if layer > 0:
                attention.add_module(f"tanh{layer - 1}", nn.Tanh())
            attention.add_module(f"att_{layer}", nn.Conv1d(inputs, outputs, kernel_size=1))
        return attention

    def forward(self, frames: Tensor, masks: Tensor) -> Tensor:
        """Mean and standard deviation of the first head, then of the second, …"""
        shares = frames.chunk(self.head_num, dim=1)
        logits = torch.cat(
            [head(share).expand_as(share) for head, share in zip(self.heads_att_trans, shares, strict=True)],
            dim=1,
        )
        mean, deviation = attentive_mean_deviation(frames, logits, masks, EPSILON)
        heads = [part.unflatten(-1, (self.head_num, self.head_dim)) for part in (mean, deviation)]
        return torch.cat(heads, dim=-1).flatten(-2)


class MQMHASTP(Pooling):
    """Multi-query multi-head attentive statistics pooling (Zhao et al., arXiv:2110.05042)."""

    def __init__(
        self,
        in_dim: int,
        layer_num: int = 2,
        query_num: int = 2,
        head_num: int = 8,
        d_s: int = 2,
        bottleneck_dim: int = 64,
    ) -> None:
        super().__init__()
        self.out_dim = 2 * in_dim * query_num
        self.n_query = nn.ModuleList(
            MHASTP(in_dim, layer_num, head_num, d_s, bottleneck_dim) for _ in range(query_num)
        )

    def forward(self, frames: Tensor, masks: Tensor) -> Tensor:
        """The statistics of the first query, then of the second, …"""
        return torch.cat([query(frames, masks) for query in self.n_query], dim=-1)


POOLINGS: dict[str, type[Pooling]] = {
    layer.__name__: layer for layer in (TAP, TSDP, TSTP, StatsPool, ASTP, MHASTP, MQMHASTP)
}


def build_pooling(pooling_func: str, in_dim: int, global_context_att: bool = False) -> Pooling:
    """Return the layer that a model's `pooling_func` names; only `ASTP` has a global context.

    Raises:
        ValueError: no such pooling.
    """
    if pooling_func not in POOLINGS:
        raise ValueError(f"pooling_func {pooling_func!r} is not one of {', '.join(POOLINGS)}")
    if global_context_att and POOLINGS[pooling_func] is ASTP:
        return ASTP(in_dim, global_context_att=True)
    layer: type = POOLINGS[pooling_func]
    return layer(in_dim)
