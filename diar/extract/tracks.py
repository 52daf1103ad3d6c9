"""From chunks of samples to tracks: fbank, frames once, one masked pooling per track (DESIGN §4.2)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from diar.extract.chunks import Chunk, ChunkSettings
from diar.extract.devices import place
from diar.extract.masks import TrunkFrames, core_masks, local_speaker_masks, sliding_masks
from diar.extract.rows import (
    ChunkEmbeddings,
    SlidingWindows,
    local_rows,
    segmentation_windows,
    speech_in_core,
)
from diar.extract.speech import ChunkSpeech, SpeechDetector
from diar.models.features import Fbank, cmn, num_frames
from diar.models.wespeaker import SpeakerModel


class TrackEmbedder:
    """Fbank, encoder and speech detector on one device.

    Args:
        model: the encoder and its front end.
        detector: finds local speakers, speech and overlap; without it, all is taken for speech of one person.
        settings: chunk and window lengths.
        device: where all compute; verified by `devices.place`.
    """

    def __init__(
        self,
        model: SpeakerModel,
        detector: SpeechDetector | None,
        settings: ChunkSettings,
        device: torch.device,
    ) -> None:
        self.settings = settings
        self.device = device
        self.encoder = place(model.encoder, device)
        self.fbank = place(Fbank(model.fbank), device)
        self.detector = detector

    def count_frames(self, samples: int) -> int:
        """Fbank frames of so many samples."""
        fbank = self.fbank.settings
        return num_frames(samples, fbank.sample_rate, fbank.frame_length_ms, fbank.frame_shift_ms)

    @torch.inference_mode()
    def embed(self, chunks: Sequence[Chunk]) -> list[ChunkEmbeddings]:
        """Embed chunks with the same number of fbank frames in one forward pass."""
        samples = self._stack(chunks)
        speech = self._detect(samples)
        windows = [SlidingWindows.of(chunk, self.settings, speech, item) for item, chunk in enumerate(chunks)]
        frames = self.encoder.frames(cmn(self.fbank(samples)))  # (batch, channels, T')
        masks = self._masks(chunks, windows, speech, frames.shape[-1])
        pooled = self.encoder.pool(frames, torch.from_numpy(np.concatenate(masks, axis=1)).to(self.device))
        embeddings = pooled.float().cpu().numpy()  # (batch, tracks, D)
        core, local, sliding = np.split(embeddings, np.cumsum([part.shape[1] for part in masks])[:2], axis=1)
        core_frames, seen = masks[0].sum(axis=(1, 2)), speech.local
        return [
            ChunkEmbeddings(
                local=None if seen is None else local_rows(chunk, seen, item, local[item]),
                windows=segmentation_windows(chunk, seen),
                sliding=windows[item].rows(chunk, sliding[item, : len(windows[item])]),
                spare=windows[item].spare,
                core_embedding=core[item, 0].copy(),  # a view would keep all tracks of the batch
                core_frames=int(core_frames[item]),
                speech=speech_in_core(chunk, speech, speech.speech[item]),
                single=speech_in_core(chunk, speech, speech.single[item]),
            )
            for item, chunk in enumerate(chunks)
        ]

    def _stack(self, chunks: Sequence[Chunk]) -> torch.Tensor:
        """(batch, samples) without what is less than an fbank frame, lest a chunk depend on its batch."""
        fbank = self.fbank.settings
        used = (self.count_frames(len(chunks[0].samples)) - 1) * fbank.frame_shift + fbank.frame_length
        return torch.from_numpy(np.stack([chunk.samples[:used] for chunk in chunks])).to(self.device)

    def _detect(self, samples: torch.Tensor) -> ChunkSpeech:
        if self.detector is None:
            return ChunkSpeech.everywhere(*samples.shape)
        return self.detector.detect(samples)

    def _masks(
        self,
        chunks: Sequence[Chunk],
        windows: Sequence[SlidingWindows],
        speech: ChunkSpeech,
        num_frames: int,
    ) -> list[np.ndarray]:
        """(batch, tracks, T') bool for each chunk's core, its local speakers and its sliding windows."""
        fbank = self.fbank.settings
        stride = fbank.frame_shift * self.encoder.frame_stride
        centres = np.arange(num_frames) * stride + fbank.frame_length / 2
        trunk = TrunkFrames(centres, stride / fbank.sample_rate)
        cores = np.array([np.subtract(chunk.core, chunk.start) for chunk in chunks])
        local = np.empty((len(chunks), 0, num_frames), bool)
        if speech.local is not None:
            local = local_speaker_masks(speech.local, trunk)
        sliding = sliding_masks(windows, speech, trunk)
        return [core_masks(cores, speech, trunk), local, sliding]
