"""The two halves of a speaker encoder: `frames` runs the trunk, `pool` makes embeddings of its frames.

The trunk is most of the work. An embedding is a statistic of trunk frames. So a chunk passes the trunk once,
and each sliding window or local speaker costs one masked pooling.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from diar.errors import DiarError
from diar.models.encoders.pooling import Pooling
from diar.models.packing import Packing

_MOST_TOLD = 2_000  # characters of a message


class ModelError(DiarError):
    """A model that cannot be used; a very long message, which quotes what a file holds, loses its middle."""

    def __init__(self, message: str) -> None:
        first, last = _MOST_TOLD * 3 // 4, _MOST_TOLD // 4
        super().__init__(message if len(message) <= _MOST_TOLD else f"{message[:first]} … {message[-last:]}")


class SpeakerEncoder(nn.Module, ABC):
    """The interface of every encoder.

    Attributes:
        embedding_dim: numbers in an embedding.
        frame_stride: fbank frames from one trunk frame to the next; trunk frame i is centred on fbank frame
            i × frame_stride.
        reach: fbank frames that a convolution sees beyond the end of a chunk, a multiple of `frame_stride`.
        align: where it is not 0, the trunk has layers of a coarser stride than `frame_stride`: it sees chunks
            whose length is rounded up to a multiple of so many fbank frames.
        exact_input: the trunk is given features in fp32 in any precision.
        recordings_only: it is too large for live streams, and for what an exported file may hold.
    """

    embedding_dim: int
    frame_stride: int
    reach: int
    align: int = 0
    exact_input: bool = False
    recordings_only: bool = False

    @abstractmethod
    def frames(self, fbank: Tensor) -> Tensor:
        """The trunk: (batch, frames, mels) after `cmn` → (batch, channels, T'), T' = `num_frames(frames)`."""

    @abstractmethod
    def pool(self, frames: Tensor, masks: Tensor) -> Tensor:
        """Return the embeddings of chosen frames.

        Args:
            frames: (batch, channels, T') of `frames`.
            masks: (batch, tracks, T') boolean or 0/1, the frames of each track.

        Returns:
            (batch, tracks, embedding_dim), not normalised. An empty mask gives the zero vector, which no
            speech gives. The variance of one frame is 0, where WeSpeaker gives NaN.

        Raises:
            ValueError: masks do not fit the frames.
        """

    def forward(self, fbank: Tensor) -> Tensor:
        """(batch, frames, mels) → (batch, embedding_dim): pooled over all frames, WeSpeaker's plain pass."""
        frames = self.frames(fbank)
        everything = torch.ones_like(frames[:, :1])
        return self.pool(frames, everything).squeeze(1)

    def num_frames(self, fbank_frames: int) -> int:
        """Return T' for that many fbank frames: fbank_frames / frame_stride, rounded up."""
        return -(-fbank_frames // self.frame_stride)

    def weights(self) -> nn.Module:
        """Return the module whose state dict has the names of a WeSpeaker checkpoint."""
        return self


class WholeChunkLayer(nn.Module):
    """Base of layers whose output in a frame depends on all frames of the chunk.

    Attributes:
        packing: where chunks lie in the rows of the input; None where a row is a chunk.
    """

    packing: Packing | None = None


class ExactLayer(nn.Module):
    """Base of layers whose parameters stay fp32 in any precision of the trunk."""


class StatisticsEncoder(SpeakerEncoder):
    """Base of our own encoders: a trunk, statistics over time, and layers that make an embedding of them.

    Parameter names are WeSpeaker's, so its checkpoints load strictly. A subclass gives `frames` and `embed`,
    and calls `set_pooling` where WeSpeaker's state dict has the pooling.

    Attributes:
        pooling_name: WeSpeaker's name for the pooling layer.
    """

    pooling_name = "pool"

    def set_pooling(self, pooling: Pooling) -> None:
        """Register the pooling layer."""
        self._modules[self.pooling_name] = pooling  # not by attribute: `pool` is our method

    @abstractmethod
    def embed(self, statistics: Tensor) -> Tensor:
        """The layers after the pooling: (n, statistics) → (n, embedding_dim)."""

    def pool(self, frames: Tensor, masks: Tensor) -> Tensor:
        """See `SpeakerEncoder.pool`; the frames are never copied for each track."""
        check_masks(frames, masks)
        pooling = self._modules[self.pooling_name]
        assert pooling is not None
        weights = masks.to(frames.dtype)
        statistics = pooling(frames, weights)  # (batch, tracks, statistics)
        embeddings = self.embed(statistics.flatten(0, 1)).unflatten(0, masks.shape[:2])
        return embeddings * weights.amax(dim=-1, keepdim=True)


def check_masks(frames: Tensor, masks: Tensor) -> None:
    """Raise ValueError unless masks (batch, tracks, T') fit frames (batch, channels, T')."""
    if masks.ndim != 3 or masks.shape[::2] != frames.shape[::2]:
        raise ValueError(
            f"masks must be (batch, tracks, T') for frames {tuple(frames.shape)}, got {tuple(masks.shape)}"
        )
