"""Chunks of one forward pass on the device: a row each, or packed into few rows where lengths differ."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from diar.embedding.transfer import stack_to_device
from diar.models.encoders.base import SpeakerEncoder
from diar.models.features import FrontEnd, FrontEndSettings, cmn
from diar.models.packing import Packing


class ChunkRows:
    """Samples of groups of equally long chunks, on the device.

    Args:
        groups: of samples (n,), equally many in a group, none that the features do not depend on.
        fbank: the front end.
        encoder: whose trunk is to see the chunks.
        longest: samples of the longest chunk that there may be, which a row should have room for.
        device: where the samples go.

    Attributes:
        samples: (batch, n) of each group.
    """

    def __init__(
        self,
        groups: Sequence[Sequence[np.ndarray]],
        fbank: FrontEndSettings,
        encoder: SpeakerEncoder,
        longest: int,
        device: torch.device,
    ) -> None:
        self._packing: Packing | None = None
        if len(groups) == 1:
            self._rows = stack_to_device(groups[0], device)
            self.samples = [self._rows]
            return
        self._sizes = [len(group) for group in groups]
        chunks = [samples for group in groups for samples in group]
        shift, beyond = fbank.frame_shift, fbank.frame_length - fbank.frame_shift
        frames = [fbank.num_frames(len(samples)) for samples in chunks]
        gap = max(encoder.reach, -(-beyond // shift))
        self._packing = Packing(frames, longest // shift, gap, encoder.align or encoder.frame_stride)
        rows = np.zeros((self._packing.rows, self._packing.length * shift + beyond), np.float32)
        ends = []
        for samples, place in zip(chunks, self._packing.places, strict=True):
            start = place.start * shift
            rows[place.row, start : start + len(samples)] = samples
            ends.append((place.row, start, start + len(samples)))
        self._rows = stack_to_device(list(rows), device)
        self.samples = self._grouped([self._rows[row, start:end] for row, start, end in ends])

    def features(self, fbank: FrontEnd) -> tuple[Tensor, Packing | None]:
        """Return the fbank of the rows, (rows, frames, mels), without each chunk's mean, and the places."""
        if self._packing is None:
            return cmn(fbank(self._rows)), None
        features = fbank.of_rows(self._prepared(fbank, self._packing))
        for place in self._packing.places:
            own = features[place.row : place.row + 1, place.start : place.end]
            own.copy_(cmn(own))
        return self._packing.zero_gaps(features, 1), self._packing

    def frames(self, trunk: Tensor) -> list[Tensor]:
        """Return the trunk's frames (batch, channels, T') of each group; `trunk` has those of the rows."""
        if self._packing is None:
            return [trunk]
        places = [self._packing.scaled(place, trunk.shape[2]) for place in self._packing.places]
        return self._grouped([trunk[place.row, :, place.start : place.end] for place in places])

    def _prepared(self, fbank: FrontEnd, packing: Packing) -> Tensor:
        """Return the rows (rows, samples) with each chunk as the front end prepares it alone."""
        if not fbank.prepares:
            return self._rows
        shift = fbank.settings.frame_shift
        beyond = fbank.settings.frame_length - shift
        rows = torch.zeros_like(self._rows)
        chunks = [chunk for group in self.samples for chunk in fbank.prepared(group)]
        for chunk, place in zip(chunks, packing.places, strict=True):
            framed = chunk[: place.length * shift + beyond]
            rows[place.row, place.start * shift :][: len(framed)] = framed
        return rows

    def _grouped(self, chunks: Sequence[Tensor]) -> list[Tensor]:
        one = iter(chunks)
        return [torch.stack([next(one) for _ in range(size)]) for size in self._sizes]
