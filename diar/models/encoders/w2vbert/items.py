"""Where the chunks of a forward pass lie in the rows of a trunk, and their features.

Nothing of one chunk gets into another: each has a mean and a variance of its own, attention sees its own
frames, and what is between chunks is zero where a convolution would see it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from diar.models.encoders.w2vbert.settings import STACKED
from diar.models.packing import Packing

_EPSILON = 1e-7  # SeamlessM4TFeatureExtractor's, added to variances


@dataclass(frozen=True)
class Item:
    """A chunk in a row, or one in each row, all equally long.

    Attributes:
        rows: that it lies in.
        start: its first fbank frame, a multiple of `STACKED`.
        length: fbank frames.
    """

    rows: slice
    start: int
    length: int

    @property
    def fbank(self) -> tuple[slice, slice]:
        """Rows and fbank frames."""
        return self.rows, slice(self.start, self.start + self.length)

    @property
    def frames(self) -> slice:
        """Trunk frames. Where the length is odd, the last of them is half empty."""
        start = self.start // STACKED
        return slice(start, start + -(-self.length // STACKED))

    @property
    def whole(self) -> slice:
        """Trunk frames that others see: all that are not half empty, or the only one that there is."""
        start = self.start // STACKED
        return slice(start, start + max(1, self.length // STACKED))


def items_of(rows: int, frames: int, packing: Packing | None) -> list[Item]:
    """Return where the chunks are in so many rows of so many fbank frames."""
    if packing is None:
        return [Item(slice(0, rows), 0, frames)]
    return [Item(slice(p.row, p.row + 1), p.start, p.length) for p in packing.places]


def items_within(items: Sequence[Item], first: int, last: int) -> list[Item]:
    """Return the items in the rows from `first` to before `last`, which are numbered anew."""
    found = []
    for item in items:
        start, stop = max(item.rows.start, first), min(item.rows.stop, last)
        if start < stop:
            found.append(Item(slice(start - first, stop - first), item.start, item.length))
    return found


def stacked_features(fbank: Tensor, items: Sequence[Item]) -> Tensor:
    """Return what the trunk is given, as transformers' SeamlessM4TFeatureExtractor has it.

    Each chunk's mels have mean 0 and variance 1 over its frames; pairs of frames lie side by side. What is
    behind an odd last frame, and between chunks, is 0.

    Args:
        fbank: (rows, frames, mels) log energies, with or without their mean.
        items: the chunks.

    Returns:
        (rows, ⌈frames / 2⌉, 2 · mels), float32.
    """
    rows, frames, mels = fbank.shape
    features = fbank.new_zeros(rows, -(-frames // STACKED) * STACKED, mels, dtype=torch.float32)
    for item in items:
        features[item.fbank] = _normalised(fbank[item.fbank].float())
    return features.unflatten(1, (-1, STACKED)).flatten(2)


def _normalised(fbank: Tensor) -> Tensor:
    """Return (batch, frames, mels) with mean 0 and unbiased variance 1; a single frame becomes 0."""
    centred = fbank - fbank.mean(dim=1, keepdim=True)
    variance = centred.square().sum(dim=1, keepdim=True) / max(1, fbank.shape[1] - 1)
    return centred / (variance + _EPSILON).sqrt()


def whole_frames(items: Sequence[Item], features: Tensor) -> Tensor | None:
    """Return which of (rows, trunk frames, …) are whole frames of a chunk; None where all are.

    Returns:
        (rows, trunk frames, 1) float32 of 0 and 1, where the features are.
    """
    rows, frames = features.shape[:2]
    if all(item.whole == slice(0, frames) for item in items):
        return None
    mask = torch.zeros(rows, frames, 1)
    for item in items:
        mask[item.rows, item.whole] = 1
    return mask.to(features.device)
