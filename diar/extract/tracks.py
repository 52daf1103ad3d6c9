"""From chunks of samples to tracks: fbank, frames once, one masked pooling per window (DESIGN §4.2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from diar.extract.chunks import Chunk, ChunkSettings, windows_of
from diar.extract.devices import place
from diar.models.features import Fbank, cmn, num_frames
from diar.models.wespeaker import SpeakerModel
from diar.store.schema import Tracks


@dataclass(frozen=True)
class ChunkEmbeddings:
    """What the network says of one chunk."""

    windows: list[tuple[int, int]]  # samples from the recording's start
    embedding: np.ndarray  # (windows, D) float32, L2-normalised
    core_embedding: np.ndarray  # (D,) float32, not normalised, over the core
    core_samples: int


class TrackEmbedder:
    """Fbank and encoder on one device.

    Args:
        model: the encoder and its front end.
        settings: chunk and window lengths.
        device: where both compute; verified by `devices.place`.
    """

    def __init__(self, model: SpeakerModel, settings: ChunkSettings, device: torch.device) -> None:
        self.settings = settings
        self.device = device
        self.encoder = place(model.encoder, device)
        self.fbank = place(Fbank(model.fbank), device)
        self.frame_shift = model.fbank.frame_shift  # samples
        self.frame_length = model.fbank.frame_length

    def count_frames(self, samples: int) -> int:
        """Fbank frames of so many samples."""
        fbank = self.fbank.settings
        return num_frames(samples, fbank.sample_rate, fbank.frame_length_ms, fbank.frame_shift_ms)

    @torch.inference_mode()
    def embed(self, chunks: Sequence[Chunk]) -> list[ChunkEmbeddings]:
        """Embed chunks with the same number of fbank frames in one forward pass."""
        windows = [windows_of(chunk, self.settings) for chunk in chunks]
        shortest = min(len(chunk.samples) for chunk in chunks)  # the rest is less than a frame
        samples = torch.from_numpy(np.stack([chunk.samples[:shortest] for chunk in chunks])).to(self.device)
        frames = self.encoder.frames(cmn(self.fbank(samples)))  # (batch, channels, T')
        masks = self._masks(chunks, windows, frames.shape[-1])
        pooled = self.encoder.pool(frames, torch.from_numpy(masks).to(self.device))  # (batch, tracks, D)
        embeddings = pooled.float().cpu().numpy()
        return [
            ChunkEmbeddings(
                found, normalise(vectors[1 : len(found) + 1]), vectors[0], chunk.core[1] - chunk.core[0]
            )
            for chunk, found, vectors in zip(chunks, windows, embeddings, strict=True)
        ]

    def _masks(
        self, chunks: Sequence[Chunk], windows: Sequence[list[tuple[int, int]]], num_frames: int
    ) -> np.ndarray:
        """(batch, 1 + most windows, T') bool: frames whose centre lies in the core, then in each window."""
        masks = np.zeros((len(chunks), 1 + max(map(len, windows)), num_frames), bool)
        stride = self.frame_shift * self.encoder.frame_stride
        centres = np.arange(num_frames) * stride + self.frame_length / 2
        for mask, chunk, found in zip(masks, chunks, windows, strict=True):
            spans = np.array([chunk.core, *found]) - chunk.start  # (tracks, 2)
            mask[: len(spans)] = (centres >= spans[:, :1]) & (centres < spans[:, 1:])
        return masks


def assemble(chunks: Sequence[ChunkEmbeddings], rate: int) -> tuple[Tracks, np.ndarray]:
    """Tracks and recording-level embedding (D,) of a recording from its chunks, in order.

    The recording-level embedding is the mean of the chunks' core embeddings weighted by their length; for a
    recording of one chunk it is what the encoder's plain forward pass gives.
    """
    spans = np.array([span for chunk in chunks for span in chunk.windows], np.float64).reshape(-1, 2) / rate
    seconds = (spans[:, 1] - spans[:, 0]).astype(np.float32)
    tracks = Tracks(
        start=spans[:, 0],
        end=spans[:, 1],
        local_speaker=np.zeros(len(spans), np.int16),
        active=[[(start, end)] for start, end in spans],
        speech_seconds=seconds,
        clean_seconds=seconds,
        embedding=np.concatenate([chunk.embedding for chunk in chunks]),
    )
    weights = np.array([chunk.core_samples for chunk in chunks], np.float64)
    mean = np.average([chunk.core_embedding for chunk in chunks], axis=0, weights=weights)
    return tracks, normalise(mean[None])[0]


def normalise(vectors: np.ndarray) -> np.ndarray:
    """(n, D) → unit length, float32."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / np.maximum(norms, np.finfo(np.float32).tiny)).astype(np.float32)
