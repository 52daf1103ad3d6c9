"""What of a stream went through the filters already, so that a hop filters only what is new.

It is computed in blocks at fixed samples of the stream, all of one shape. So values do not depend on when
hops look, and a stream that is restored computes the same ones again.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from diar.embedding.speech.band_levels import BANDS, FINE_BANDS, BandLevels, smoothed
from diar.models.segmentation.incremental import IncrementalSincNet
from diar.models.segmentation.sincnet import SincNet

_FRAMES = 20  # of the network in a block: 0.34 s
_SPARE = 8  # blocks that are kept beyond those of a window, so that they are moved seldom


class Filters:
    """Filters and band levels of one network, in blocks.

    Args:
        sincnet: of the network, on the CPU.
        levels: of the bands, in the network's frames.

    Attributes:
        block: samples from one block to the next.
        seen: samples that a block sees.
        points: of the filters in a block.
        channels: of the filters.
    """

    def __init__(self, sincnet: SincNet, levels: BandLevels) -> None:
        self.sincnet, self.levels = IncrementalSincNet(sincnet), levels
        self.frames = levels.frames
        self.block = _FRAMES * self.frames.step
        self.points = self.block // self.sincnet.step
        last_frame = (_FRAMES - 1) * self.frames.step + self.frames.size
        self.seen = max(self.sincnet.samples_seen(self.points), last_frame)
        self.channels = len(self.sincnet.gain)

    def front(self, window: int) -> Front:
        """Return a stream's own part, for windows of at most so many samples."""
        return Front(self, window)


class Front:
    """The filtered blocks of one stream, for windows that end later and later.

    Args:
        filters: that all streams share.
        window: most samples of a window.
    """

    def __init__(self, filters: Filters, window: int) -> None:
        self._filters = filters
        self._room = -(-window // filters.block) + 2 + _SPARE  # blocks
        self._first = 0  # block at the start of what is kept
        self._known = 0  # the block after the last that is complete
        self._extremes = torch.zeros(2, filters.channels, self._room * filters.points)
        self._levels = torch.zeros(BANDS + FINE_BANDS, self._room * _FRAMES)
        self._zero = torch.zeros(1, self._room * _FRAMES, dtype=torch.bool)

    def hear(self, samples: Tensor, begin: int, start: int) -> tuple[Tensor, Tensor]:
        """Return features (1, 60, frames) and band levels (1, bands, frames) of a window.

        Args:
            samples: (n,) up to the end of the window, from the sample `begin` of the stream on.
            begin: where a block begins, at most one block before `start`.
            start: first sample of the window, where a frame begins.
        """
        filters, window = self._filters, samples[start - begin :]
        self._filter(samples, begin)
        place = start - self._first * filters.block
        point, frame = place // filters.sincnet.step, place // filters.frames.step
        extremes = self._extremes[..., point : point + filters.sincnet.count(len(window))]
        frames = slice(frame, frame + filters.frames.num_frames(len(window)))
        levels = smoothed(self._levels[None, :, frames], self._zero[None, :, frames])
        return filters.sincnet.features(extremes, window), levels

    def _filter(self, samples: Tensor, begin: int) -> None:
        """Filter the blocks from `begin` on that are not complete."""
        filters, end = self._filters, begin + len(samples)
        earliest, last = begin // filters.block, (end - 1) // filters.block
        if not self._first <= earliest <= self._known:  # nothing is kept of it, as in a restored stream
            self._first = self._known = earliest
        if last >= self._first + self._room:
            self._move(earliest)
        for number in range(self._known, last + 1):
            at = number * filters.block - begin
            piece = samples[at : at + filters.seen]
            if len(piece) == filters.seen:
                self._known = number + 1
            self._put(number, F.pad(piece, (0, filters.seen - len(piece))))

    def _put(self, number: int, piece: Tensor) -> None:
        filters, place = self._filters, number - self._first
        levels, zero = filters.levels.rough(piece.unsqueeze(0))
        frames = slice(place * _FRAMES, (place + 1) * _FRAMES)
        self._levels[:, frames], self._zero[:, frames] = levels[0, :, :_FRAMES], zero[0, :, :_FRAMES]
        points = slice(place * filters.points, (place + 1) * filters.points)
        self._extremes[..., points] = filters.sincnet.extremes(piece)[..., : filters.points]

    def _move(self, earliest: int) -> None:
        """Forget the blocks before `earliest`."""
        gone = earliest - self._first
        for kept, size in (
            (self._extremes, self._filters.points),
            (self._levels, _FRAMES),
            (self._zero, _FRAMES),
        ):
            kept[..., : -gone * size] = kept[..., gone * size :].clone()
        self._first = earliest
