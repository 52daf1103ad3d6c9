"""From chunks of samples to tracks: fbank, frames once, one masked pooling per window (DESIGN §4.2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from diar.extract.chunks import Chunk, ChunkSettings, windows_of
from diar.extract.devices import place
from diar.extract.speech import Activity, Frames, SpeechDetector, join, within
from diar.models.features import Fbank, cmn, num_frames
from diar.models.segmentation import SegmentationModel
from diar.models.wespeaker import SpeakerModel
from diar.store.schema import Tracks

# Less single-speaker speech than this in a chunk says little: the vector is then pooled over its whole core
_LEAST_SPEECH = 0.25  # seconds


@dataclass(frozen=True)
class ChunkEmbeddings:
    """What the networks say of one chunk; positions in samples from the recording's start."""

    windows: list[tuple[int, int]]
    embedding: np.ndarray  # (windows, D) float32, L2-normalised
    core_embedding: np.ndarray  # (D,) float32, not normalised, over the core's single-speaker speech
    core_frames: int  # of the trunk, that `core_embedding` was pooled over
    activity: Activity  # within the core


@dataclass(frozen=True)
class RecordingEmbeddings:
    """A recording, put together from its chunks."""

    tracks: Tracks
    embedding: np.ndarray  # (D,) float32, L2-normalised
    speech_seconds: float
    overlap_seconds: float


class TrackEmbedder:
    """Fbank, encoder and speech detector on one device.

    Args:
        model: the encoder and its front end.
        segmentation: finds speech and overlap; without it, everything is taken for speech of one person.
        settings: chunk and window lengths.
        device: where all compute; verified by `devices.place`.
    """

    def __init__(
        self,
        model: SpeakerModel,
        segmentation: SegmentationModel | None,
        settings: ChunkSettings,
        device: torch.device,
    ) -> None:
        self.settings = settings
        self.device = device
        self.encoder = place(model.encoder, device)
        self.fbank = place(Fbank(model.fbank), device)
        self.detector = None if segmentation is None else SpeechDetector(segmentation, device)

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
        speech = self._speech(samples)
        frames = self.encoder.frames(cmn(self.fbank(samples)))  # (batch, channels, T')
        masks = self._masks(chunks, windows, speech, frames.shape[-1])
        pooled = self.encoder.pool(frames, torch.from_numpy(masks).to(self.device))  # (batch, tracks, D)
        embeddings = pooled.float().cpu().numpy()
        return [
            ChunkEmbeddings(
                windows=windows[i],
                embedding=normalise(embeddings[i, 1 : len(windows[i]) + 1]),
                core_embedding=embeddings[i, 0],
                core_frames=int(masks[i, 0].sum()),
                activity=speech.activity(i, chunk.start, chunk.core),
            )
            for i, chunk in enumerate(chunks)
        ]

    def _speech(self, samples: torch.Tensor) -> Frames:
        if self.detector is not None:
            return self.detector.detect(samples)
        everything = np.ones((len(samples), 1), bool)
        # the edge lies beyond what was cut off as less than a frame; the core bounds it
        return Frames(
            everything, everything, np.array([0, samples.shape[1] + self.fbank.settings.frame_shift])
        )

    def _masks(
        self,
        chunks: Sequence[Chunk],
        windows: Sequence[list[tuple[int, int]]],
        speech: Frames,
        num_frames: int,
    ) -> np.ndarray:
        """(batch, 1 + most windows, T') bool: the core's single-speaker speech, then each window."""
        masks = np.zeros((len(chunks), 1 + max(map(len, windows)), num_frames), bool)
        fbank = self.fbank.settings
        stride = fbank.frame_shift * self.encoder.frame_stride
        centres = np.arange(num_frames) * stride + fbank.frame_length / 2
        least = _LEAST_SPEECH * self.settings.rate / stride
        single = speech.single_at(centres)
        for i, (mask, chunk, found) in enumerate(zip(masks, chunks, windows, strict=True)):
            spans = np.array([chunk.core, *found]) - chunk.start  # (tracks, 2)
            mask[: len(spans)] = (centres >= spans[:, :1]) & (centres < spans[:, 1:])
            alone = mask[0] & single[i]
            if alone.sum() >= least:
                mask[0] = alone
        return masks


def assemble(chunks: Sequence[ChunkEmbeddings], rate: int) -> RecordingEmbeddings:
    """Put a recording together from its chunks, in order.

    The recording-level embedding is the mean of the chunks' core embeddings weighted by their frames. Without
    a segmentation model, that of a recording of one chunk is what the encoder's plain forward pass gives.
    """
    spans = np.array([span for chunk in chunks for span in chunk.windows], np.int64).reshape(-1, 2)
    speech = np.array(join([chunk.activity.speech for chunk in chunks]), np.int64).reshape(-1, 2)
    single = np.array(join([chunk.activity.single for chunk in chunks]), np.int64).reshape(-1, 2)
    active = [within(speech, start, end) for start, end in spans]
    clean = [within(single, start, end) for start, end in spans]
    tracks = Tracks(
        start=spans[:, 0] / rate,
        end=spans[:, 1] / rate,
        local_speaker=np.zeros(len(spans), np.int16),
        active=[[(start / rate, end / rate) for start, end in part] for part in active],
        speech_seconds=np.array([_length(part) / rate for part in active], np.float32),
        clean_seconds=np.array([_length(part) / rate for part in clean], np.float32),
        embedding=np.concatenate([chunk.embedding for chunk in chunks]),
    )
    weights = np.array([chunk.core_frames for chunk in chunks], np.float64)
    mean = np.average([chunk.core_embedding for chunk in chunks], axis=0, weights=weights)
    overlap = (_length(speech) - _length(single)) / rate
    return RecordingEmbeddings(tracks, normalise(mean[None])[0], _length(speech) / rate, overlap)


def _length(intervals: np.ndarray) -> int:
    return int((intervals[:, 1] - intervals[:, 0]).sum())


def normalise(vectors: np.ndarray) -> np.ndarray:
    """(n, D) → unit length, float32."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / np.maximum(norms, np.finfo(np.float32).tiny)).astype(np.float32)
