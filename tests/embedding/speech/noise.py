"""Noise that is the same each time."""

import torch

from tests.commands import RATE


def noise(batch: int, seconds: float) -> torch.Tensor:
    generator = torch.Generator().manual_seed(round(100 * seconds))
    return 0.1 * torch.randn(batch, round(seconds * RATE), generator=generator)
