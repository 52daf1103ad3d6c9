"""The networks of live streams: opened once, used by all streams of a process.

What a stream needs of them is asked for by requests (`Hear`, `Tell`, `Track`), so that those of many streams
can be answered together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
import torch

from diar.embedding.chunks import Chunk, ChunkSettings
from diar.embedding.embedder import TrackEmbedder
from diar.embedding.masks import TrunkFrames, local_speaker_masks
from diar.embedding.networks import describe_encoder, describe_segmentation, make_detector
from diar.embedding.rows import ChunkEmbeddings
from diar.embedding.settings import EmbedSettings, SpeechSettings
from diar.embedding.speech.detector import LocalActivity, SpeechDetector
from diar.embedding.transfer import stack_to_device, to_device
from diar.models import open as networks
from diar.models.defaults import DEFAULT_ENCODER, DEFAULT_SECOND_SEGMENTATION, DEFAULT_SEGMENTATION
from diar.models.device import device_kind, place, rank_device
from diar.models.encoders.base import ModelError, StatisticsEncoder
from diar.models.encoders.wespeaker import SpeakerModel
from diar.models.features import cmn
from diar.models.inference import PRECISIONS, Precision, Trunk, check_precision, cpu_has_bf16
from diar.models.segmentation.base import SegmentationModel
from diar.online.hearing.detector import HopDetector
from diar.online.hearing.front import Front
from diar.online.hearing.networks import (
    LIVE_WINDOW,
    live_encoder,
    live_network,
    live_precision,
    quick_network,
)
from diar.online.hearing.together import Together, compiled
from diar.online.settings import SAMPLE_RATE
from diar.online.tracking import Made, Ready

_LIVE_MARGIN = 1.5  # dB above the noise floor of those seconds, below which lasting silence is no speech
_TOLD_TOGETHER = 2  # requests of one length in one pass of the trunk; oneDNN keeps code for 1024 shapes
TOLD_SECONDS = 2.0  # that the trunk sees when it must be told whose a new voice is …
TOLD_STEP = SAMPLE_RATE // 2  # … and a multiple of so many samples


@dataclass(frozen=True)
class Hear:
    """Who of the local speakers speaks in the last seconds.

    Answer: `LocalActivity` of one seg_window; None where there is too little audio.
    """

    samples: np.ndarray  # (n,) float32, to the end of the seg_window from a little before it
    begin: int  # number of their first in the stream: where a block of the front begins
    start: int  # number of the seg_window's first
    front: Front | None  # what the stream keeps between hops; None on a GPU

    @property
    def window(self) -> np.ndarray:
        """Return the samples of the seg_window."""
        return self.samples[self.start - self.begin :]


@dataclass(frozen=True)
class Tell:
    """The embeddings of local speakers by the end of their seg_window.

    Answer: embeddings (speakers, D) float32, L2-normalised, and the clean seconds (speakers,) in each.
    """

    samples: np.ndarray  # (n,) float32, the end of the seg_window
    before: int  # samples of the seg_window before them
    local: LocalActivity  # of that one seg_window


@dataclass(frozen=True)
class Track:
    """The tracks of a chunk, as the offline pipeline makes them. Answer: `Made`."""

    chunk: Chunk


Request = Hear | Tell | Track
OpenTrunk = Callable[[SpeakerModel, torch.device], Callable[..., torch.Tensor]]  # in place of torch's trunk
Answer = LocalActivity | tuple[np.ndarray, np.ndarray] | Made | None


class LiveModels:
    """Speaker encoder and segmentation network on one device; `open` makes them.

    Args:
        encoder: the speaker encoder.
        segmentation: finds local speakers.
        second: its second opinion, in the tracks.
        device: where they compute.
        precision: of the networks.
        trunk: computes the encoder's frames in place of torch, in fp32.

    Attributes:
        chunks: lengths of the chunks that tracks are made of.
        geometry: which samples a frame of the segmentation sees.
        window: samples of the seg_window at each hop.

    Raises:
        DiarError: networks that do not work at 16 kHz, do not fit each other, or cannot hear live.
    """

    def __init__(
        self,
        encoder: SpeakerModel,
        segmentation: SegmentationModel,
        second: SegmentationModel | None,
        device: torch.device,
        precision: Precision = "fp32",
        trunk: Callable[..., torch.Tensor] | None = None,
    ) -> None:
        networks.check_rates(encoder, segmentation)
        live_encoder(encoder)
        live = live_network(segmentation)
        if segmentation.sample_rate != SAMPLE_RATE:
            raise ModelError(f"{segmentation.name} works at {segmentation.sample_rate} Hz, not {SAMPLE_RATE}")
        self.metadata = {**describe_encoder(encoder), **describe_segmentation(segmentation)}
        self.device, self.precision = device, precision
        lengths, speech = EmbedSettings(), SpeechSettings()
        self.chunks = ChunkSettings.from_seconds(SAMPLE_RATE, lengths.chunk, lengths.window, lengths.hop)
        whole = make_detector(segmentation, second, speech, device, precision)
        self._embedder = TrackEmbedder(encoder, whole, self.chunks, device, precision=precision, trunk=trunk)
        self._engine: str = getattr(trunk, "engine", "torch")
        short = replace(segmentation.settings, seg_window_seconds=LIVE_WINDOW)
        short_window = replace(segmentation, network=quick_network(live, device), settings=short)
        self._hearing = SpeechDetector(short_window, device, LIVE_WINDOW, _LIVE_MARGIN)
        self.geometry = self._hearing.geometry
        self.window = self._hearing.window
        self._hops = HopDetector(self._hearing) if device.type == "cpu" else None
        self._quick = self._quick_trunk(encoder, trunk)

    @classmethod
    def open(
        cls,
        encoder: str = DEFAULT_ENCODER,
        segmentation: str = DEFAULT_SEGMENTATION,
        *,
        second_segmentation: str | None = DEFAULT_SECOND_SEGMENTATION,
        device: str = "auto",
        precision: str = "auto",
        open_trunk: OpenTrunk | None = None,
    ) -> LiveModels:
        """Open named weights or model directories, as the offline pipeline does.

        Args:
            encoder: name or directory of the speaker encoder.
            segmentation: of the network that finds local speakers.
            second_segmentation: of its second opinion; None: none.
            device: `auto`, `cpu`, `cuda` or `cuda:1`.
            precision: of the networks.
            open_trunk: opens what computes the encoder's trunk in place of torch, in fp32.

        Raises:
            DiarError: they cannot be found, fetched or opened, or the device cannot be used so.
        """
        requested, _, number = device.partition(":")
        gpus = (int(number),) if number.isdecimal() else None
        chosen = rank_device(device_kind(requested, gpus), gpus, 0)
        if precision != "auto" and precision not in PRECISIONS:
            raise ModelError(f"`precision={precision}` is not one of auto, {', '.join(PRECISIONS)}")
        fastest = live_precision(chosen) if open_trunk is None else "fp32"
        wanted: Precision = fastest if precision == "auto" else precision  # type: ignore
        check_precision(wanted, chosen)
        first, second = networks.open_segmentation(segmentation), None
        live_network(first)
        if second_segmentation is not None:
            second = networks.open_segmentation(second_segmentation)
            networks.check_frames(first, second)
        model = live_encoder(networks.open_encoder(encoder))
        trunk = None if open_trunk is None else open_trunk(model, chosen)
        return cls(model, first, second, chosen, wanted, trunk)

    def describe(self) -> dict[str, str]:
        """Return name, sha256, device, precision and engine of the networks."""
        how = {"device": str(self.device), "precision": self.precision, "engine": self._engine}
        return {**self.metadata, **how}

    @property
    def one_by_one(self) -> bool:
        """Whether requests are answered one by one."""
        return self.device.type == "cpu"

    @torch.inference_mode()
    def warm_up(self) -> None:
        """Let the networks of hops see all shapes that are common on a CPU.

        oneDNN compiles code for each shape that it meets, and keeps it: no stream waits for that, and memory
        does not grow with the hours until all were met.
        """
        if self._hops is None:
            return
        settings = self._embedder.fbank.settings
        for samples in range(TOLD_STEP, round(TOLD_SECONDS * SAMPLE_RATE) + 1, TOLD_STEP):
            frames = settings.num_frames(samples)
            self._quick.warm_up(torch.zeros(1, frames, settings.num_mel_bins))
        self._hops.warm_up()

    @torch.inference_mode()
    def answer(self, requests: Sequence[Request]) -> list[Answer]:
        """Answer requests of one kind together; on a GPU, they are of equally many samples.

        On the CPU, each answer is the one that it would have alone, bit for bit: a stream's events must not
        depend on other streams.
        """
        return self._answer(requests)

    @torch.inference_mode()
    def track(self, chunk: Chunk) -> ChunkEmbeddings:
        """Make the tracks of a chunk; a thread of its own may do so."""
        return self._embedder.embed([chunk])[0]

    def _answer(self, requests: Sequence[Request]) -> list[Answer]:
        hear = [request for request in requests if isinstance(request, Hear)]
        tell = [request for request in requests if isinstance(request, Tell)]
        track = [request for request in requests if isinstance(request, Track)]
        answers: list[Answer] = [*(self._hear(hear) if hear else []), *(self._tell(tell) if tell else [])]
        return [*answers, *(Ready(self.track(request.chunk)) for request in track)]

    def front(self) -> Front | None:
        """Return what a new stream keeps between hops."""
        return None if self._hops is None else self._hops.front()

    def block_start(self, sample: int) -> int:
        """Return the last sample up to that one where a block of a stream's front begins."""
        return sample if self._hops is None else sample // self._hops.block * self._hops.block

    def _hear(self, requests: Sequence[Hear]) -> list[LocalActivity | None]:
        if self._hops is None:
            return self._hear_batch(requests)
        least = self._hearing.network.min_samples
        long = [request for request in requests if len(request.window) >= least]
        fronts = [cast(Front, request.front) for request in long]
        windows = [(request.samples, request.begin, request.start) for request in long]
        found = iter(self._hops.hear(fronts, windows))
        return [next(found) if len(request.window) >= least else None for request in requests]

    def _hear_batch(self, requests: Sequence[Hear]) -> list[LocalActivity | None]:
        samples = stack_to_device([request.window for request in requests], self.device)
        found = self._hearing.detect(samples).local
        if found is None:
            return [None] * len(requests)
        return [
            LocalActivity(
                found.first,
                found.edges,
                found.frame_step,
                found.probability[item : item + 1],
                found.active[item : item + 1],
            )
            for item in range(len(requests))
        ]

    def _tell(self, requests: Sequence[Tell]) -> list[tuple[np.ndarray, np.ndarray]]:
        if self.one_by_one:
            fbanks = [self._fbank([request]) for request in requests]
            frames = self._quick(fbanks)
            return [self._pooled([request], own)[0] for request, own in zip(requests, frames, strict=True)]
        return self._pooled(requests, self._quick.network(self._fbank(requests)))

    def _fbank(self, requests: Sequence[Tell]) -> torch.Tensor:
        samples = stack_to_device([request.samples for request in requests], self.device)
        return cmn(self._embedder.fbank(samples))

    def _pooled(self, requests: Sequence[Tell], frames: torch.Tensor) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return the answers from the trunk's frames (requests, channels, T')."""
        settings = self._embedder.fbank.settings
        stride = settings.frame_shift * self._embedder.encoder.frame_stride
        centres = np.arange(frames.shape[-1]) * stride + settings.first_centre
        parts = [
            local_speaker_masks(request.local, TrunkFrames(centres + request.before, stride / SAMPLE_RATE))[0]
            for request in requests
        ]
        masks = np.zeros((len(parts), max(map(len, parts)), len(centres)), bool)  # no voice: an empty mask
        for row, part in zip(masks, parts, strict=True):
            row[: len(part)] = part
        pooled = self._embedder.encoder.pool(frames, to_device(masks, self.device)).float().cpu().numpy()
        norms = np.maximum(np.linalg.norm(pooled, axis=2, keepdims=True), 1e-6)
        seconds = masks.sum(axis=2) * stride / SAMPLE_RATE
        units = pooled / norms
        return [(units[row, : len(part)], seconds[row, : len(part)]) for row, part in enumerate(parts)]

    def _quick_trunk(self, encoder: SpeakerModel, given: Callable[..., torch.Tensor] | None) -> Together:
        """Return the trunk for `TOLD_SECONDS` at most: in bf16 and compiled where the CPU has bf16."""
        if given is not None:
            return Together(given, 1)
        has_bf16 = self.device.type == "cpu" and cpu_has_bf16()
        if not has_bf16 or not isinstance(encoder.encoder, StatisticsEncoder):
            return Together(lambda fbank: self._embedder.trunk(fbank, None), _TOLD_TOGETHER)
        trunk = place(Trunk(encoder.encoder, encoder.fbank.num_mel_bins, "bf16"), self.device)
        return Together(compiled(trunk, encoder.fbank.num_mel_bins), _TOLD_TOGETHER)
