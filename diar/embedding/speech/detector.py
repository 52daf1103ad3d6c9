"""Who speaks in the chunks of a recording: local speakers of seg_windows, and how many at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from diar.embedding.speech.band_excess import band_excess
from diar.embedding.speech.band_levels import BandLevels
from diar.embedding.speech.second_opinion import SecondOpinion
from diar.embedding.speech.seg_windows import ChunkWindows, SegWindows, window_frames
from diar.embedding.speech.silence import silent_frames
from diar.embedding.transfer import HostCopy
from diar.errors import DiarError
from diar.models.device import place
from diar.models.segmentation.base import FrameGeometry, SegmentationModel
from diar.models.segmentation.packed import PackedPyanNet
from diar.models.segmentation.pyannet import PyanNet

# A local speaker is present in a seg_window if its probability reaches this in any frame
_LEAST_PROBABILITY = 0.25
_LEAST_SPEECH = 0.005  # probability; a second opinion raises the first one at most 200 times


@dataclass(frozen=True)
class LocalActivity:
    """What the network says of the seg_windows of some chunks; chunks and seg_windows are equally long."""

    first: np.ndarray  # (windows,) the frame of the chunk that is frame 0 of the seg_window
    edges: np.ndarray  # (frames + 1,) samples from the seg_window's start; frame i is edges[i] … edges[i + 1]
    frame_step: int  # samples
    probability: np.ndarray  # (batch, windows, frames, speakers) uint8, 255 = certainly speaks
    active: np.ndarray  # (batch, windows, frames, speakers) bool, the hard decision

    @property
    def starts(self) -> np.ndarray:
        """(windows,) samples from the chunk's start."""
        starts: np.ndarray = self.first * self.frame_step
        return starts

    @cached_property
    def present(self) -> np.ndarray:
        """(batch, windows, speakers) bool: who is in a seg_window at all."""
        likely = self.probability.max(axis=2) >= 255 * _LEAST_PROBABILITY
        present: np.ndarray = likely | self.active.any(axis=2)
        return present

    @cached_property
    def alone(self) -> np.ndarray:
        """(batch, windows, frames) bool: one local speaker is active, and no other."""
        alone: np.ndarray = sum_over_speakers(self.active.view(np.uint8)) == 1
        return alone


@dataclass(frozen=True)
class ChunkSpeech:
    """Speech in some equally long chunks."""

    edges: np.ndarray  # (frames + 1,) samples from the chunk's start; frame i is edges[i] … edges[i + 1]
    speech: np.ndarray  # (batch, frames) bool
    single: np.ndarray  # (batch, frames) bool: speech, but no overlap
    local: LocalActivity | None  # None where there is no network, or less audio than it can see

    @classmethod
    def everywhere(cls, batch: int, length: int) -> ChunkSpeech:
        """Return speech of one person all the time."""
        everything = np.ones((batch, 1), bool)
        return cls(np.array([0, length]), everything, everything, None)

    def frame_at(self, centres: np.ndarray) -> np.ndarray:
        """Return the frame (n,) that each of `centres` (n,) lies in, samples from the chunk's start."""
        frame = np.searchsorted(self.edges, centres, side="right") - 1
        return np.clip(frame, 0, len(self.edges) - 2)


def sum_over_speakers(values: np.ndarray) -> np.ndarray:
    """Sum (…, speakers) over its last axis, which is too short for NumPy to sum fast."""
    total = values[..., 0].copy()
    for speaker in range(1, values.shape[-1]):
        total += values[..., speaker]
    return total


class SpeechDetector:
    """A segmentation network on one device, run on the seg_windows of each chunk.

    Args:
        model: the network.
        device: where it computes; `device.place` verifies it.
        step: most seconds from the start of one seg_window to the next.
        silence_margin: dB above the noise floor below which lasting silence is no speech; 0 = not looked at.
        second: another network's opinion, if one is wanted.

    Raises:
        DiarError: a step longer than a seg_window, which would leave audio out.
    """

    def __init__(
        self,
        model: SegmentationModel,
        device: torch.device,
        step: float,
        silence_margin: float,
        second: SecondOpinion | None = None,
    ) -> None:
        self.network = place(model.network, device)
        self.levels = place(BandLevels(model.network.frames), device)
        self.second = second
        self.geometry: FrameGeometry = model.network.frames
        self.window = model.seg_window_samples
        self.step = round(step * model.sample_rate)
        if self.step > self.window:
            seconds = self.window / model.sample_rate
            raise DiarError(f"`step={step}` s must not exceed the {seconds} s that {model.name} sees at once")
        self.silence_margin = silence_margin
        self._at_once = round(self.network.seconds_at_once[device.type] * model.sample_rate)
        # Others compute seg_windows of each length by themselves
        own = self.network
        self._packed = PackedPyanNet(own, self._at_once) if isinstance(own, PyanNet) else None

    def detect(self, samples: torch.Tensor) -> ChunkSpeech:
        """Find speech in chunks (batch, samples) on the network's device."""
        return self.start(samples).speech()

    def start(self, samples: torch.Tensor) -> PendingSpeech:
        """Launch the network on chunks (batch, samples) on its device."""
        return self.start_all([samples])[0]

    def start_all(self, groups: Sequence[torch.Tensor]) -> list[PendingSpeech]:
        """Launch the network on groups of equally long chunks, (batch, samples) each, on its device.

        What is found in a chunk does not depend on the others.
        """
        seen = [samples for samples in groups if samples.shape[1] >= self.network.min_samples]
        windows = [self._windows(samples) for samples in seen]
        started = iter(zip(seen, windows, self._run(windows), strict=True))
        return [
            self._pending(*next(started))
            if samples.shape[1] >= self.network.min_samples
            else KnownSpeech(ChunkSpeech.everywhere(*samples.shape))  # less than 80 ms
            for samples in groups
        ]

    def _windows(self, samples: torch.Tensor) -> ChunkWindows:
        size = min(self.window, samples.shape[1])
        first = window_frames(samples.shape[1], size, self.step, self.geometry.step)
        return ChunkWindows(samples, first, (first * self.geometry.step).tolist(), size)

    def _pending(
        self, samples: torch.Tensor, windows: ChunkWindows, outputs: Sequence[torch.Tensor]
    ) -> ComputedSpeech:
        """Return what becomes of the `outputs` of `_opinions`."""
        first, size = windows.first, windows.size
        probability, active, speech = (x.unflatten(0, (len(samples), len(first))) for x in outputs)
        alone = SegWindows(first, speech.shape[2]).mean(speech)
        levels = self.levels(samples)[..., : alone.shape[1]]
        return ComputedSpeech(
            self,
            samples,
            first,
            size,
            probability=HostCopy(probability),
            active=HostCopy(active),
            alone=HostCopy(alone),
            excess=HostCopy(band_excess(levels, alone, self.geometry.step_seconds)),
        )

    def _run(self, groups: Sequence[ChunkWindows]) -> list[list[torch.Tensor]]:
        """Return for each group what `_opinions` returns, but (batch · windows, frames, …)."""
        if self._packed is not None and len({windows.size for windows in groups}) > 1:
            outputs = iter(_of_many_lengths(self._packed, groups))
            counts = [len(windows.chunks) * len(windows.starts) for windows in groups]
            return [self._opinions(torch.stack([next(outputs) for _ in range(count)])) for count in counts]
        found = []
        for windows in groups:
            opinions = [self._opinions(self.network.aligned(part)) for part in self._log_probs(windows)]
            found.append([torch.cat(kind) for kind in zip(*opinions, strict=True)])
        return found

    def _opinions(self, log_probs: torch.Tensor) -> list[torch.Tensor]:
        """Return probability and decision (n, frames, speakers), and that of speech (n, frames)."""
        powerset = self.network.powerset
        return [powerset.soft(log_probs).clamp(0, 1), powerset.hard(log_probs), powerset.speech(log_probs)]

    def _log_probs(self, windows: ChunkWindows) -> Iterator[torch.Tensor]:
        """Yield the network's outputs for the seg_windows of each chunk, some at a time.

        On a GPU, filtering once a chunk would cost more memory traffic than it saves.
        """
        if windows.chunks.device.type == "cpu":
            for part in windows.chunks.split(max(1, self._at_once // (windows.size * len(windows.first)))):
                yield self.network.of_windows(part, windows.starts, windows.size)
            return
        for part in windows.samples().flatten(0, 1).split(max(1, self._at_once // windows.size)):
            yield self.network(part)

    def edges(self, frames: int, length: int) -> np.ndarray:
        """Return (frames + 1,) samples: borders half-way between frames, the outer ones 0 and `length`."""
        first, step = self.geometry.first_center, self.geometry.step_seconds
        borders = (first + (np.arange(frames + 1) - 0.5) * step) * self.geometry.sample_rate
        edges = np.round(borders).astype(np.int64)
        edges[0], edges[-1] = 0, length
        return edges


def _of_many_lengths(packed: PackedPyanNet, groups: Sequence[ChunkWindows]) -> list[torch.Tensor]:
    """Return the network's aligned output for each seg_window in turn, (frames, classes)."""
    if groups[0].chunks.device.type == "cpu":
        return packed.of_windows([(windows.chunks, windows.starts, windows.size) for windows in groups])
    return packed([one for windows in groups for one in windows.samples().flatten(0, 1)])


@dataclass(frozen=True)
class KnownSpeech:
    """Speech that is there already."""

    found: ChunkSpeech

    def speech(self) -> ChunkSpeech:
        """Return it."""
        return self.found


@dataclass(frozen=True)
class ComputedSpeech:
    """The network's outputs on their way to the host."""

    detector: SpeechDetector
    samples: torch.Tensor  # (batch, samples), on the device
    first: np.ndarray  # (windows,) frame of the chunk at which each seg_window starts
    size: int  # samples of a seg_window
    probability: HostCopy  # (batch, windows, frames, speakers)
    active: HostCopy  # likewise
    alone: HostCopy  # (batch, frames of the chunk) probability of speech by this network alone
    excess: HostCopy  # likewise, dB of `band_excess`

    def speech(self) -> ChunkSpeech:
        """Wait for the result and return it."""
        return speech_of([self])[0]

    def told(self, second: np.ndarray | None) -> ChunkSpeech:
        """Return the speech of each chunk.

        The expected number of speakers in a frame is the sum of the local speakers' probabilities, averaged
        over the seg_windows that see the frame. From 0.5 on somebody speaks, below 1.5 one alone. A second
        opinion changes the stored probabilities only; embeddings are pooled over what the first network
        hears.

        Args:
            second: (batch, frames) probability of speech by both networks; None without a second one.
        """
        detector, probability = self.detector, self.probability.numpy()
        windows, step = SegWindows(self.first, probability.shape[2]), detector.geometry.step_seconds
        alone, excess = self.alone.numpy(), self.excess.numpy()
        silent = silent_frames(excess, alone, detector.silence_margin, step)
        heard = np.where(silent, np.float32(0), np.float32(1))[:, windows.frame, None]
        voices = sum_over_speakers(probability) * heard[..., 0]
        expected = windows.mean(torch.from_numpy(voices)).numpy()
        raised = heard
        if second is not None:
            raised = heard * (second / np.maximum(alone, _LEAST_SPEECH))[:, windows.frame, None]
        local = LocalActivity(
            self.first,
            detector.edges(windows.frames, self.size),
            detector.geometry.step,
            np.round(255 * np.minimum(probability * raised, 1)).astype(np.uint8),
            self.active.numpy() & (heard > 0),
        )
        edges = detector.edges(windows.count, self.samples.shape[1])
        return ChunkSpeech(edges, expected >= 0.5, (expected >= 0.5) & (expected < 1.5), local)


PendingSpeech = KnownSpeech | ComputedSpeech  # that a detector has begun to find


def speech_of(pending: Sequence[PendingSpeech]) -> list[ChunkSpeech]:
    """Wait for the results of one detector and return them; a second network is asked about all at once."""
    computed = [one for one in pending if isinstance(one, ComputedSpeech)]
    second = computed[0].detector.second if computed else None
    opinions: list[np.ndarray] | list[None] = [None] * len(computed)
    if second is not None:
        opinions = second.speech_of(
            [(one.samples, one.alone.numpy(), np.nan_to_num(one.excess.numpy())) for one in computed]
        )
    told = iter([one.told(opinion) for one, opinion in zip(computed, opinions, strict=True)])
    return [one.found if isinstance(one, KnownSpeech) else next(told) for one in pending]
