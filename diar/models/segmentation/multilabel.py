"""Local speakers one by one: the probability of each in a frame, independent of the others.

The older of the two outputs of PyanNet; `Powerset` is the other. H. Bredin, A. Laurent, "End-to-end speaker
segmentation for overlap-aware resegmentation", Interspeech 2021.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class MultiLabel(nn.Module):
    """Independent speakers; methods take log-probabilities (…, speakers), as `Powerset`'s take classes."""

    def __init__(self, num_speakers: int) -> None:
        super().__init__()
        if num_speakers < 1:
            raise ValueError(f"at least one local speaker is needed, got {num_speakers}")
        self.num_speakers = num_speakers

    @property
    def num_classes(self) -> int:
        """Outputs of the network: one a speaker."""
        return self.num_speakers

    def log_probs(self, logits: Tensor) -> Tensor:
        """(…, speakers) → likewise, the logarithm of each speaker's probability."""
        return F.logsigmoid(logits)

    def hard(self, log_probs: Tensor) -> Tensor:
        """Return which speakers are more likely active than not: (…, speakers) → likewise, bool."""
        return log_probs.exp() > 0.5

    def soft(self, log_probs: Tensor) -> Tensor:
        """Return the probability that each speaker is active: (…, speakers) → likewise, 0…1."""
        return log_probs.exp()

    def speech(self, log_probs: Tensor) -> Tensor:
        """Return the probability that anybody speaks, the likeliest speaker's: (…, speakers) → (…)."""
        return log_probs.exp().amax(dim=-1)
