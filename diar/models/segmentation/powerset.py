"""Powerset classes: one class for each set of local speakers that may speak in a frame.

A. Plaquet, H. Bredin, "Powerset multi-class cross entropy loss for neural speaker diarization",
Interspeech 2023.
"""

from __future__ import annotations

from itertools import combinations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Powerset(nn.Module):
    """The sets of at most `max_simultaneous` out of `num_speakers`, smallest sets first.

    Three speakers, two at once: {}, {0}, {1}, {2}, {0, 1}, {0, 2}, {1, 2}.

    The methods take log-probabilities (…, classes), usually (batch, frames, classes).
    """

    mapping: Tensor  # (classes, speakers), 1.0 where the speaker is in the set

    def __init__(self, num_speakers: int, max_simultaneous: int) -> None:
        super().__init__()
        if not 1 <= max_simultaneous <= num_speakers:
            raise ValueError(
                f"max_simultaneous must be 1 to num_speakers {num_speakers}, got {max_simultaneous}"
            )
        self.num_speakers = num_speakers
        sizes = range(max_simultaneous + 1)
        self.classes = [members for size in sizes for members in combinations(range(num_speakers), size)]
        rows = [[float(speaker in members) for speaker in range(num_speakers)] for members in self.classes]
        self.register_buffer("mapping", torch.tensor(rows), persistent=False)

    @property
    def num_classes(self) -> int:
        """Number of sets."""
        return len(self.classes)

    def log_probs(self, logits: Tensor) -> Tensor:
        """(…, classes) → likewise, the logarithm of each set's probability."""
        return F.log_softmax(logits, dim=-1)

    def hard(self, log_probs: Tensor) -> Tensor:
        """Return the most probable set: (…, classes) → (…, speakers) bool."""
        return self.mapping[log_probs.argmax(dim=-1)] > 0

    def soft(self, log_probs: Tensor) -> Tensor:
        """Return the probability that each speaker is active: (…, classes) → (…, speakers) in 0…1."""
        return log_probs.exp() @ self.mapping

    def speech(self, log_probs: Tensor) -> Tensor:
        """Return the probability that anybody speaks: (…, classes) → (…)."""
        return self._probability_of_at_least(1, log_probs)

    def overlap(self, log_probs: Tensor) -> Tensor:
        """Return the probability that two or more speak at once: (…, classes) → (…)."""
        return self._probability_of_at_least(2, log_probs)

    def _probability_of_at_least(self, count: int, log_probs: Tensor) -> Tensor:
        chosen = self.mapping.sum(dim=-1) >= count  # (classes,)
        return log_probs.exp() @ chosen.to(log_probs)
