"""Where the seg_windows lie in a chunk."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch


def window_frames(length: int, window: int, step: int, frame_step: int) -> np.ndarray:
    """Return (windows,): the frame of the chunk at which each seg_window starts.

    They are spread evenly from the chunk's start to its end, at most `step` apart. All start at a frame, so
    their frames coincide.

    Args:
        length: samples of the chunk.
        window: samples of a seg_window, at most `length`.
        step: samples.
        frame_step: samples from one frame to the next.
    """
    last = (length - window) // frame_step
    windows = -(-last * frame_step // step) + 1
    return np.round(np.linspace(0, last, windows)).astype(np.int64)


class ChunkWindows(NamedTuple):
    """The seg_windows of equally long chunks."""

    chunks: torch.Tensor  # (batch, samples)
    first: np.ndarray  # (windows,) frame of the chunk at which each starts
    starts: list[int]  # likewise, samples
    size: int  # samples of each

    def samples(self) -> torch.Tensor:
        """Return (batch, windows, size)."""
        return torch.stack([self.chunks[:, start : start + self.size] for start in self.starts], dim=1)


class SegWindows:
    """Equally long seg_windows on the frames of a chunk.

    Attributes:
        frame: (windows, frames) the chunk's frame that is frame j of seg_window i.
        frames: of a seg_window.
        count: frames of the chunk.
    """

    def __init__(self, first: np.ndarray, frames: int) -> None:
        self.frames = frames
        self.frame = first[:, None] + np.arange(frames)
        self.count = int(self.frame[-1, -1]) + 1

    def mean(self, values: torch.Tensor) -> torch.Tensor:
        """Return (batch, count) float32: (batch, windows, frames) averaged over what sees a frame."""
        total, times = values.new_zeros(len(values), self.count), values.new_zeros(self.count)
        for window, first in enumerate(self.frame[:, 0].tolist()):
            total[:, first : first + self.frames] += values[:, window]
            times[first : first + self.frames] += 1
        return total / times
