"""Many items of many lengths in a few rows of one length: nothing is cut, next to nothing is padded.

Items lie one after the other along time, with gaps between them. Every layer that looks further than one
frame sees zeros in the gaps, as it sees zeros beyond the ends of an item that is alone. So its frames are
those that the item has alone, up to rounding, whatever else is in the row.
"""

from __future__ import annotations

import copy
import heapq
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

_BITS = 3  # rows have 2³ lengths for each doubling: oneDNN prepares each layer anew for every length


@dataclass(frozen=True)
class Place:
    """Where an item lies, in frames."""

    row: int
    start: int
    length: int

    @property
    def end(self) -> int:
        """First frame after the item."""
        return self.start + self.length


class Packing:
    """Places of items in rows.

    Args:
        lengths: frames of each item.
        capacity: frames that a row should have room for; rounding the number of rows may make it more.
        gap: least frames between two items.
        align: items start at a multiple of so many frames, and rows are a multiple long.

    Attributes:
        places: of the items, in their order.
        rows: how many.
        length: frames of a row.
    """

    def __init__(self, lengths: Sequence[int], capacity: int, gap: int, align: int) -> None:
        rooms = [_up_to_multiple(length + gap, align) for length in lengths]
        self.rows = max(1, min(len(lengths), round(sum(rooms) / capacity)))
        filled = [(0, row) for row in range(self.rows)]  # a heap
        places: dict[int, Place] = {}
        for item in sorted(range(len(lengths)), key=lambda i: -rooms[i]):
            end, row = filled[0]  # the largest first, each into the emptiest row
            places[item] = Place(row, end, lengths[item])
            heapq.heapreplace(filled, (end + rooms[item], row))
        self.places = [places[item] for item in range(len(lengths))]
        self.length = _few_lengths(max(filled)[0], align)
        self._masks: dict[tuple[int, torch.device], Tensor] = {}
        self._means: dict[tuple[int, int, torch.device, torch.dtype], tuple[Tensor, Tensor]] = {}

    def scaled(self, place: Place, frames: int) -> Place:
        """Return where an item lies in the output of a layer that has `frames` a row."""
        stride = self.length // frames
        return Place(place.row, place.start // stride, -(-place.length // stride))

    def rounded_up(self, step: int) -> Packing:
        """Return the same with lengths rounded up to a multiple of `step`, a divisor of `align`."""
        twin = copy.copy(self)
        twin.places = [replace(place, length=_up_to_multiple(place.length, step)) for place in self.places]
        twin._masks, twin._means = {}, {}
        return twin

    def zero_gaps(self, x: Tensor, dim: int) -> Tensor:
        """Set all to zero that belongs to no item, in place, and return it.

        Args:
            x: (rows, …), of which dimension `dim` is time.
            dim: at least 1.
        """
        frames = x.shape[dim]
        if x.device.type == "cpu":
            for row, start, end in self._gaps(frames):
                x[row].narrow(dim - 1, start, end - start).zero_()
            return x
        shape = [self.rows] + [1] * (x.ndim - 1)
        shape[dim] = frames
        return x.masked_fill_(self._mask(frames, x.device).view(shape), 0)

    def means(self, frames: int, like: Tensor, segment: int = 0) -> tuple[Tensor, Tensor]:
        """Return what computes each item's mean over time, and who it is for.

        Args:
            frames: a row's, where the mean is taken.
            like: has the device and the precision.
            segment: with it, an item has a mean for each so many of its frames, and the item's own is added.

        Returns:
            weights (rows, means, frames) to multiply (rows, frames, channels) with, and for each frame of
            the rows the number of its mean (rows, frames).
        """
        key = (frames, segment, like.device, like.dtype)
        if key not in self._means:
            weights, number = self._weights(frames, segment)
            self._means[key] = weights.to(like), number.to(like.device)
        return self._means[key]

    def _weights(self, frames: int, segment: int) -> tuple[Tensor, Tensor]:
        spans: list[list[tuple[Place, int, int]]] = [[] for _ in range(self.rows)]
        for place in (self.scaled(place, frames) for place in self.places):
            step = segment or place.length
            for start in range(place.start, place.end, step):
                spans[place.row].append((place, start, min(start + step, place.end)))
        weights = torch.zeros(self.rows, max(map(len, spans)), frames)
        number = torch.zeros(self.rows, frames, dtype=torch.long)
        for row, own in enumerate(spans):
            for mean, (place, start, end) in enumerate(own):
                weights[row, mean, start:end] = 1 / (end - start)
                if segment:
                    weights[row, mean, place.start : place.end] += 1 / place.length
                number[row, start:end] = mean
        return weights, number

    def _gaps(self, frames: int) -> list[tuple[int, int, int]]:
        """Return row, start and end of what belongs to no item."""
        ends: dict[int, int] = dict.fromkeys(range(self.rows), 0)
        gaps = []
        for place in sorted((self.scaled(place, frames) for place in self.places), key=lambda p: p.start):
            gaps.append((place.row, ends[place.row], place.start))
            ends[place.row] = place.end
        gaps += [(row, end, frames) for row, end in ends.items()]
        return [gap for gap in gaps if gap[1] < gap[2]]

    def _mask(self, frames: int, device: torch.device) -> Tensor:
        """Return (rows, frames) bool: the gaps."""
        if (frames, device) not in self._masks:
            mask = torch.zeros(self.rows, frames, dtype=torch.bool)
            for row, start, end in self._gaps(frames):
                mask[row, start:end] = True
            self._masks[frames, device] = mask.to(device)
        return self._masks[frames, device]


def spread(means: Tensor, number: Tensor) -> Tensor:
    """Give each frame its mean: (rows, means, channels), (rows, frames) → (rows, frames, channels)."""
    return means.gather(1, number.unsqueeze(-1).expand(-1, -1, means.shape[-1]))


def _up_to_multiple(number: int, step: int) -> int:
    return -(-number // step) * step


def _few_lengths(frames: int, align: int) -> int:
    """Round up by an eighth at most, to one of eight numbers for each doubling."""
    step = 1 << max(0, (frames - 1).bit_length() - 1 - _BITS)
    return _up_to_multiple(_up_to_multiple(frames, step), align)
