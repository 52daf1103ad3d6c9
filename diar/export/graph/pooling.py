"""Attentive pooling of all tracks at once, without a loop over tracks."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from diar.models.encoders.pooling import (
    ASTP,
    EPSILON,
    LOWEST_LOGIT,
    Pooling,
    attentive_mean_deviation,
    masked_mean_variance,
)


class AttentionOfTracks(Pooling):
    """`ASTP`; with global context, the attention of all tracks is one array (batch, tracks, channels, T')."""

    def __init__(self, pooling: ASTP) -> None:
        super().__init__()
        self.in_dim, self.out_dim = pooling.in_dim, pooling.out_dim
        self.global_context_att = pooling.global_context_att
        self.linear1, self.linear2 = pooling.linear1, pooling.linear2

    def forward(self, frames: Tensor, masks: Tensor) -> Tensor:
        """Mean, then standard deviation."""
        if self.global_context_att:
            return self._with_global_context(frames, masks)
        logits = self.linear2(torch.tanh(self.linear1(frames)))
        return torch.cat(attentive_mean_deviation(frames, logits, masks, EPSILON), dim=-1)

    def _with_global_context(self, frames: Tensor, masks: Tensor) -> Tensor:
        mean, variance = masked_mean_variance(frames, masks)
        context = torch.cat([mean, (variance + EPSILON).sqrt()], dim=-1)  # (batch, tracks, 2 · channels)
        first, second = self.linear1.weight.squeeze(-1), self.linear2.weight.squeeze(-1)
        of_frames = first[:, : self.in_dim] @ frames  # (batch, bottleneck, T')
        of_context = F.linear(context, first[:, self.in_dim :], self.linear1.bias)
        hidden = torch.tanh(of_frames.unsqueeze(1) + of_context.unsqueeze(-1))
        logits = second @ hidden + self.linear2.bias.unsqueeze(-1)  # type: ignore[union-attr]
        return torch.cat(self._statistics(frames.unsqueeze(1), logits, masks.unsqueeze(2)), dim=-1)

    @staticmethod
    def _statistics(frames: Tensor, logits: Tensor, masks: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and deviation, each (batch, tracks, channels), of what is (batch, tracks, …, T')."""
        unheard = (1 - masks) * 1e3 * LOWEST_LOGIT  # logits of frames outside the mask are no largest
        largest = (logits + unheard).amax(dim=-1, keepdim=True)
        weights = (logits - largest).clamp(min=LOWEST_LOGIT, max=0).exp() * masks
        total = weights.sum(dim=-1, keepdim=True).clamp(min=torch.finfo(weights.dtype).tiny)
        mean = (weights * frames).sum(dim=-1, keepdim=True) / total
        variance = (weights * (frames - mean).square()).sum(dim=-1) / total.squeeze(-1)
        return mean.squeeze(-1), variance.clamp(min=EPSILON).sqrt()
