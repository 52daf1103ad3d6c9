"""Where somebody speaks, and where exactly one does, in the chunks of a recording."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from diar.extract.devices import place
from diar.models.segmentation import SegmentationModel

Interval = tuple[int, int]  # samples [start, end)


@dataclass(frozen=True)
class Activity:
    """Sorted, disjoint intervals in samples: of any speech, and of speech by one person alone."""

    speech: list[Interval]
    single: list[Interval]


@dataclass(frozen=True)
class Frames:
    """Hard decisions for the frames of some equally long chunks."""

    speech: np.ndarray  # (batch, frames) bool
    single: np.ndarray  # (batch, frames) bool: speech, but no overlap
    edges: (
        np.ndarray
    )  # (frames + 1,) samples from the chunk's start; frame i answers for edges[i] … edges[i + 1]

    def single_at(self, centres: np.ndarray) -> np.ndarray:
        """(batch, n) bool: whether one person alone speaks at `centres` (n,), in samples of the chunk."""
        frame = np.searchsorted(self.edges, centres, side="right") - 1
        chosen: np.ndarray = self.single[:, np.clip(frame, 0, self.single.shape[1] - 1)]
        return chosen

    def activity(self, chunk: int, start: int, core: Interval) -> Activity:
        """Intervals of one chunk that starts at sample `start` of its recording, within its core."""
        edges = np.clip(self.edges + start, *core)
        return Activity(runs(self.speech[chunk], edges), runs(self.single[chunk], edges))


class SpeechDetector:
    """A segmentation network on one device; chunks longer than its training chunks are seen in equal pieces.

    Args:
        model: the network.
        device: where it computes; verified by `devices.place`.
    """

    def __init__(self, model: SegmentationModel, device: torch.device) -> None:
        self.network = place(model.network, device)
        self.longest = model.chunk_samples

    def detect(self, samples: torch.Tensor) -> Frames:
        """Decisions for chunks (batch, samples) on the network's device."""
        batch, length = samples.shape
        if length < self.network.min_samples:  # less than 80 ms: taken for speech, as nothing tells
            everything = np.ones((batch, 1), bool)
            return Frames(everything, everything, np.array([0, length]))
        pieces = -(-length // self.longest)
        size = length // pieces
        cut = samples[:, : pieces * size].reshape(batch * pieces, size)
        log_probs = self.network(cut)
        speakers = self.network.powerset.hard(log_probs).sum(dim=-1)  # (batch · pieces, frames)
        counts = speakers.reshape(batch, -1).cpu().numpy()
        edges = np.concatenate([self._edges(size)[:-1] + piece * size for piece in range(pieces)])
        return Frames(counts > 0, counts == 1, np.append(edges, length))

    def _edges(self, size: int) -> np.ndarray:
        geometry = self.network.frames
        frames = geometry.num_frames(size)
        edges = np.round([geometry.center(i - 0.5) * geometry.sample_rate for i in range(frames + 1)])
        edges[0], edges[-1] = 0, size
        return edges.astype(np.int64)


def runs(mask: np.ndarray, edges: np.ndarray) -> list[Interval]:
    """Intervals, none empty, where `mask` (frames,) is true; frame i lasts from edges[i] to edges[i + 1]."""
    steps = np.diff(np.concatenate([[0], mask.astype(np.int8), [0]]))
    starts, ends = edges[np.flatnonzero(steps == 1)], edges[np.flatnonzero(steps == -1)]
    return [(int(start), int(end)) for start, end in zip(starts, ends, strict=True) if end > start]


def join(parts: Sequence[list[Interval]]) -> list[Interval]:
    """Concatenate the intervals of successive chunks; those that touch become one."""
    joined: list[Interval] = []
    for start, end in (interval for part in parts for interval in part):
        if joined and joined[-1][1] >= start:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    return joined


def within(intervals: np.ndarray, start: int, end: int) -> np.ndarray:
    """The parts of sorted, disjoint `intervals` (n, 2) inside [start, end), (m, 2)."""
    first = np.searchsorted(intervals[:, 1], start, side="right")
    last = np.searchsorted(intervals[:, 0], end, side="left")
    return np.clip(intervals[first:last], start, end)
