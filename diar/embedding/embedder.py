"""From chunks of samples to tracks: fbank, frames once, one masked pooling per track (DESIGN §4.2)."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from diar.embedding.chunk_rows import ChunkRows
from diar.embedding.chunks import Chunk, ChunkSettings
from diar.embedding.denoisers import Denoisers
from diar.embedding.masks import TrunkFrames, core_masks, local_speaker_masks, sliding_masks
from diar.embedding.rows import (
    ChunkEmbeddings,
    SlidingWindows,
    local_rows,
    segmentation_windows,
    speech_in_core,
)
from diar.embedding.speech.detector import (
    ChunkSpeech,
    KnownSpeech,
    LocalActivity,
    PendingSpeech,
    SpeechDetector,
    speech_of,
)
from diar.embedding.timing import Meter, NoMeter, StepTimer
from diar.embedding.transfer import HostCopy, stack_to_device, to_device
from diar.models.device import place
from diar.models.encoders.wespeaker import SpeakerModel
from diar.models.inference import Precision, Trunk
from diar.models.packing import Packing


@dataclass(frozen=True)
class StartedGroup:
    """The chunks of one length in a forward pass whose networks are launched."""

    order: Sequence[int]  # of the chunks, their numbers in the pass
    chunks: Sequence[Chunk]
    detection: PendingSpeech
    frames: torch.Tensor | None  # (batch, channels, T') of the trunk; None where nobody speaks


LocalMasks = Callable[[LocalActivity, TrunkFrames], np.ndarray]
StartedPass = list[StartedGroup]


@dataclass(frozen=True)
class PooledGroup:
    """The chunks of one length in a forward pass whose pooling is launched."""

    order: Sequence[int]  # of the chunks, their numbers in the pass
    chunks: Sequence[Chunk]
    speech: ChunkSpeech
    windows: list[SlidingWindows]
    embeddings: HostCopy  # (batch, tracks, D): the core's, then of local speakers, then of sliding windows
    sizes: tuple[int, int]  # tracks of the core and of local speakers
    core_frames: np.ndarray  # (batch,) trunk frames that the core's embedding is pooled over


PooledPass = list[PooledGroup]


class TrackEmbedder:
    """Fbank, encoder and speech detector on one device.

    A forward pass has three parts, so that the host never waits for a GPU: `start` launches the networks,
    `pool` turns what the detector found into masks and launches the pooling, `finish` makes rows.

    Args:
        model: the encoder and its front end.
        detector: finds local speakers, speech and overlap; without it, all counts as speech of one person.
        settings: chunk and window lengths.
        device: where the networks compute; `device.place` verifies it.
        precision: of the encoder's trunk.
        denoisers: take noise away before.
        meter: counts the seconds of each step.
        trunk: computes the encoder's frames in place of torch.
        local_masks: chooses the frames that a local speaker's embedding is pooled over.
    """

    def __init__(
        self,
        model: SpeakerModel,
        detector: SpeechDetector | None,
        settings: ChunkSettings,
        device: torch.device,
        *,
        precision: Precision = "fp32",
        denoisers: Denoisers = Denoisers(),  # noqa: B008 - it never changes
        meter: Meter | None = None,
        trunk: Callable[[torch.Tensor, Packing | None], torch.Tensor] | None = None,
        local_masks: LocalMasks = local_speaker_masks,
    ) -> None:
        self.settings = settings
        self._denoisers = denoisers
        self.device = device
        self._local_masks = local_masks
        self.trunk = trunk or place(Trunk(model.encoder, model.fbank.num_mel_bins, precision), device)
        self.encoder = place(model.encoder, device)
        self.fbank = place(model.fbank.front_end(), device)
        self.detector = detector
        self.timer = StepTimer(meter or NoMeter(), device)

    def with_detector(self, detector: SpeechDetector | None) -> TrackEmbedder:
        """Return an embedder with another detector on the same device; it shares the encoder."""
        other = copy.copy(self)
        other.detector = detector
        return other

    def with_denoisers(self, denoisers: Denoisers) -> TrackEmbedder:
        """Return an embedder that hears audio through `denoisers`; it shares the networks."""
        other = copy.copy(self)
        other._denoisers = denoisers
        return other

    def count_frames(self, samples: int) -> int:
        """Count the fbank frames of a chunk of so many samples."""
        return self.fbank.settings.num_frames(samples)

    def embed(self, chunks: Sequence[Chunk]) -> list[ChunkEmbeddings]:
        """Embed chunks in one forward pass; they may differ in length."""
        return self.finish(self.pool(self.start(chunks)))

    @torch.inference_mode()
    def start(self, chunks: Sequence[Chunk]) -> StartedPass:
        """Launch detector and trunk.

        On the CPU the detector's result is there at once, so the trunk is left out where nobody speaks.
        """
        order = self._groups(chunks)
        groups = [[chunks[number] for number in numbers] for numbers in order]
        segmented, embedded = self._denoised([self._whole_frames(group) for group in groups])
        rows = ChunkRows(
            embedded,
            self.fbank.settings,
            self.encoder,
            self.settings.length,
            self.device,
        )
        with self.timer.step("segment"):
            same = segmented is embedded
            detections = self._detect(
                rows.samples if same else [stack_to_device(group, self.device) for group in segmented]
            )
        frames: list[torch.Tensor] | list[None] = [None] * len(groups)
        if self._anybody_speaks(groups, detections):
            with self.timer.step("fbank"):
                features, packing = rows.features(self.fbank)
            with self.timer.step("embed"):
                frames = rows.frames(self.trunk(features, packing))
        return [StartedGroup(*group) for group in zip(order, groups, detections, frames, strict=True)]

    @torch.inference_mode()
    def pool(self, started: StartedPass) -> PooledPass:
        """Wait for the detector and launch the pooling."""
        speech = speech_of([group.detection for group in started])
        return [self._pool_group(*group) for group in zip(started, speech, strict=True)]

    def finish(self, pooled: PooledPass) -> list[ChunkEmbeddings]:
        """Wait for the embeddings and make rows of them, in the order of the chunks."""
        made = {
            number: embeddings
            for group in pooled
            for number, embeddings in zip(group.order, self._finish_group(group), strict=True)
        }
        return [made[number] for number in range(len(made))]

    def _groups(self, chunks: Sequence[Chunk]) -> list[list[int]]:
        """Return the numbers of the chunks whose features depend on equally many samples, group by group."""
        groups: dict[int, list[int]] = {}
        for number, chunk in enumerate(chunks):
            groups.setdefault(self.fbank.settings.used_samples(len(chunk.samples)), []).append(number)
        return list(groups.values())

    def _denoised(self, groups: list[list[np.ndarray]]) -> tuple[list[list[np.ndarray]], ...]:
        """Return the samples that the detector hears and those that are embedded: one list, or two."""
        if self._denoisers == Denoisers():
            return groups, groups
        with self.timer.host_step("enhance"):
            made = {
                denoise: groups
                if denoise is None
                else [[denoise(samples) for samples in group] for group in groups]
                for denoise in set(self._denoisers)
            }
        return made[self._denoisers.segmentation], made[self._denoisers.embedding]

    def _detect(self, groups: Sequence[torch.Tensor]) -> list[PendingSpeech]:
        if self.detector is None:
            return [KnownSpeech(ChunkSpeech.everywhere(*samples.shape)) for samples in groups]
        pending = self.detector.start_all(groups)
        return [KnownSpeech(found) for found in speech_of(pending)] if self.device.type == "cpu" else pending

    def _anybody_speaks(self, groups: Sequence[Sequence[Chunk]], detections: Sequence[PendingSpeech]) -> bool:
        """Return whether any chunk is to be embedded, or that is not known yet."""
        return any(
            not isinstance(detection, KnownSpeech) or spoken_chunks(chunks, detection.found).any()
            for chunks, detection in zip(groups, detections, strict=True)
        )

    def _pool_group(self, started: StartedGroup, speech: ChunkSpeech) -> PooledGroup:
        chunks = started.chunks
        with self.timer.host_step("rows"):
            spoken = spoken_chunks(chunks, speech)
            windows = [
                SlidingWindows.of(chunk, self.settings, speech, i) if spoken[i] else SlidingWindows.none()
                for i, chunk in enumerate(chunks)
            ]
            masks = self._masks(chunks, windows, speech)
            masks[0][~spoken] = False
        with self.timer.step("embed"):
            embeddings = self._pool(started.frames, np.concatenate(masks, axis=1))
        sizes = (masks[0].shape[1], masks[1].shape[1])
        cores = masks[0].sum(axis=(1, 2))
        return PooledGroup(started.order, chunks, speech, windows, embeddings, sizes, cores)

    def _finish_group(self, pooled: PooledGroup) -> list[ChunkEmbeddings]:
        embeddings, speech = pooled.embeddings.numpy(), pooled.speech  # (batch, tracks, D)
        self.timer.settle()
        with self.timer.host_step("rows"):
            core, local, sliding = np.split(embeddings, np.cumsum(pooled.sizes), axis=1)
            seen = speech.local
            return [
                ChunkEmbeddings(
                    local=None if seen is None else local_rows(chunk, seen, item, local[item]),
                    windows=segmentation_windows(chunk, seen),
                    sliding=windows.rows(chunk, sliding[item, : len(windows)]),
                    spare=windows.spare,
                    core_embedding=core[item, 0].copy(),  # a view would keep all tracks of the batch
                    core_frames=int(pooled.core_frames[item]),
                    speech=speech_in_core(chunk, speech, speech.speech[item]),
                    single=speech_in_core(chunk, speech, speech.single[item]),
                    channel=chunk.channel,
                )
                for item, (chunk, windows) in enumerate(zip(pooled.chunks, pooled.windows, strict=True))
            ]

    def _pool(self, frames: torch.Tensor | None, masks: np.ndarray) -> HostCopy:
        """Launch the pooling: embeddings (batch, tracks, D) of masks (batch, tracks, T')."""
        if frames is None:
            return HostCopy(torch.zeros(*masks.shape[:2], self.encoder.embedding_dim))
        return HostCopy(self.encoder.pool(frames, to_device(masks, self.device)).float())

    def _whole_frames(self, chunks: Sequence[Chunk]) -> list[np.ndarray]:
        """Return the samples of chunks that their features depend on: of fbank, those of whole frames.

        Otherwise results would depend on the batch, unless all chunks are equally long.
        """
        if self.settings.filled:
            return [chunk.samples for chunk in chunks]
        used = self.fbank.settings.used_samples(len(chunks[0].samples))
        return [chunk.samples[:used] for chunk in chunks]

    def _masks(
        self,
        chunks: Sequence[Chunk],
        windows: Sequence[SlidingWindows],
        speech: ChunkSpeech,
    ) -> list[np.ndarray]:
        """Return masks (batch, tracks, T') of chunks' cores, their local speakers and sliding windows."""
        fbank = self.fbank.settings
        num_frames = self.encoder.num_frames(self.count_frames(len(chunks[0].samples)))
        stride = fbank.frame_shift * self.encoder.frame_stride
        centres = np.arange(num_frames) * stride + fbank.first_centre
        trunk = TrunkFrames(centres, stride / fbank.sample_rate)
        cores = np.array([np.subtract(chunk.core, chunk.start) for chunk in chunks])
        local = np.empty((len(chunks), 0, num_frames), bool)
        if speech.local is not None:
            local = self._local_masks(speech.local, trunk)
        sliding = sliding_masks(windows, speech, trunk)
        return [core_masks(cores, speech, trunk), local, sliding]


def spoken_chunks(chunks: Sequence[Chunk], speech: ChunkSpeech) -> np.ndarray:
    """Return (batch,) bool: the chunks to embed.

    Those in which anybody may speak, and the first of each recording, because every recording has a vector.
    """
    spoken = speech.speech.any(axis=1) | np.array([chunk.index == 0 for chunk in chunks])
    if speech.local is not None:
        spoken |= speech.local.present.any(axis=(1, 2))
    wanted: np.ndarray = spoken
    return wanted
