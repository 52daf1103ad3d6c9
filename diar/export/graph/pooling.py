"""Attentive pooling of all tracks at once, without a loop over tracks."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor

from diar.models.encoders.pooling import (
    ASTP,
    EPSILON,
    LOWEST_LOGIT,
    Pooling,
)


class AttentionOfTracks(Pooling):
    """`ASTP`; with global context, the attention of all tracks is one array (batch, tracks, channels, T')."""

    def __init__(self, pooling: ASTP) -> None:
        super().__init__()
        self.in_dim, self.out_dim = pooling.in_dim, pooling.out_dim
        self._pooling = pooling

    def forward(self, frames: Tensor, masks: Tensor) -> Tensor:
        """Mean, then standard deviation."""
        if not self._pooling.global_context_att:
            return cast("Tensor", self._pooling(frames, masks))
        of_frames, of_context = self._pooling.attention_parts(frames, masks)
        last = self._pooling.linear2
        hidden = torch.tanh(of_frames.unsqueeze(1) + of_context.unsqueeze(-1))
        logits = last.weight.squeeze(-1) @ hidden + last.bias.unsqueeze(-1)  # type: ignore[union-attr]
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
