"""Who speaks in the chunks of a recording: local speakers in segmentation windows, and how many at a time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
import torch

from diar.errors import DiarError
from diar.extract.devices import place
from diar.extract.silence import FRAME_SECONDS, silent_frames, smoothed_power
from diar.extract.transfer import HostCopy
from diar.models.segmentation import FrameGeometry, SegmentationModel

# A local speaker takes part in a window if its probability reaches this in any frame
_LEAST_PROBABILITY = 0.25
# Seconds of windows in one forward pass: on the CPU those of one chunk, for its cache's sake
_SECONDS_AT_ONCE = {"cuda": 1920.0, "cpu": 60.0}


@dataclass(frozen=True)
class LocalSpeakers:
    """What the network says of each window of some equally long chunks; all windows are equally long."""

    first: np.ndarray  # (windows,) the frame of the chunk that is frame 0 of the window
    edges: np.ndarray  # (frames + 1,) samples from the window's start; frame i is edges[i] … edges[i + 1]
    frame_step: int  # samples
    probability: np.ndarray  # (batch, windows, frames, speakers) uint8, 255 = certainly speaks
    active: np.ndarray  # (batch, windows, frames, speakers) bool, the hard decision

    @property
    def starts(self) -> np.ndarray:
        """(windows,) samples from the chunk's start."""
        starts: np.ndarray = self.first * self.frame_step
        return starts

    @property
    def present(self) -> np.ndarray:
        """(batch, windows, speakers) bool: who takes part in a window at all."""
        likely = self.probability.max(axis=2) >= 255 * _LEAST_PROBABILITY
        present: np.ndarray = likely | self.active.any(axis=2)
        return present


@dataclass(frozen=True)
class ChunkSpeech:
    """Speech in some equally long chunks."""

    edges: np.ndarray  # (frames + 1,) samples from the chunk's start; frame i is edges[i] … edges[i + 1]
    speech: np.ndarray  # (batch, frames) bool
    single: np.ndarray  # (batch, frames) bool: speech, but no overlap
    local: LocalSpeakers | None  # None where there is no network, or less audio than it can see

    @classmethod
    def everywhere(cls, batch: int, length: int) -> ChunkSpeech:
        """One person speaks all the time."""
        everything = np.ones((batch, 1), bool)
        return cls(np.array([0, length]), everything, everything, None)

    def frame_at(self, centres: np.ndarray) -> np.ndarray:
        """(n,) frame that answers for each of `centres` (n,), samples from the chunk's start."""
        frame = np.searchsorted(self.edges, centres, side="right") - 1
        return np.clip(frame, 0, len(self.edges) - 2)


class SpeechDetector:
    """A segmentation network on one device, run on windows as long as its training chunks inside each chunk.

    Args:
        model: the network.
        device: where it computes; verified by `devices.place`.
        step: most seconds from the start of one window to the next.
        silence_margin: dB above the noise floor below which lasting silence is no speech; 0 = not looked at.

    Raises:
        DiarError: windows so far apart would leave audio out.
    """

    def __init__(
        self, model: SegmentationModel, device: torch.device, step: float, silence_margin: float
    ) -> None:
        self.network = place(model.network, device)
        self.geometry: FrameGeometry = model.network.frames
        self.window = model.chunk_samples
        self.step = round(step * model.sample_rate)
        if self.step > self.window:
            seconds = self.window / model.sample_rate
            raise DiarError(f"--step {step} s must not exceed the {seconds} s that {model.name} sees at once")
        self.silence_margin = silence_margin
        self._at_once = round(_SECONDS_AT_ONCE[device.type] * model.sample_rate)

    def detect(self, samples: torch.Tensor) -> ChunkSpeech:
        """Speech in chunks (batch, samples) on the network's device."""
        return self.start(samples).speech()

    def start(self, samples: torch.Tensor) -> Detection:
        """Let the network look at chunks (batch, samples) on its device, without waiting for it."""
        batch, length = samples.shape
        if length < self.network.min_samples:  # less than 80 ms: taken for speech, as nothing tells
            return Known(ChunkSpeech.everywhere(batch, length))
        size = min(self.window, length)
        first = window_frames(length, size, self.step, self.geometry.step)
        probability, active = self._run(samples, first * self.geometry.step, size)
        power = smoothed_power(samples, self.geometry.sample_rate)
        return Seen(self, first, (length, size), HostCopy(probability), HostCopy(active), HostCopy(power))

    def _run(self, samples: torch.Tensor, starts: np.ndarray, size: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Probability and decision (batch, windows, frames, speakers)."""
        windows = torch.stack([samples[:, start : start + size] for start in starts.tolist()], dim=1)
        powerset = self.network.powerset
        probability, active = [], []
        for part in windows.flatten(0, 1).split(max(1, self._at_once // size)):
            log_probs = self.network.aligned(self.network(part))
            probability.append(powerset.soft(log_probs).clamp(0, 1))
            active.append(powerset.hard(log_probs))
        shape = (len(samples), len(starts))
        return torch.cat(probability).unflatten(0, shape), torch.cat(active).unflatten(0, shape)

    def edges(self, frames: int, length: int) -> np.ndarray:
        """(frames + 1,) samples: borders half-way between frames; the outer ones are 0 and `length`."""
        first, step = self.geometry.first_center, self.geometry.step_seconds
        borders = (first + (np.arange(frames + 1) - 0.5) * step) * self.geometry.sample_rate
        edges = np.round(borders).astype(np.int64)
        edges[0], edges[-1] = 0, length
        return edges


class Detection(ABC):
    """What a detector has begun to find."""

    @abstractmethod
    def speech(self) -> ChunkSpeech:
        """The finding, as soon as it is there."""


@dataclass(frozen=True)
class Known(Detection):
    """Nothing to wait for."""

    found: ChunkSpeech

    def speech(self) -> ChunkSpeech:
        """What is known."""
        return self.found


@dataclass(frozen=True)
class Seen(Detection):
    """The network's outputs on their way to the host."""

    detector: SpeechDetector
    first: np.ndarray  # (windows,) frame of the chunk at which each window starts
    lengths: tuple[int, int]  # samples of a chunk and of a window
    probability: HostCopy  # (batch, windows, frames, speakers)
    active: HostCopy  # likewise
    power: HostCopy  # (batch, frames of 10 ms)

    def speech(self) -> ChunkSpeech:
        """Speech of each chunk.

        A frame of the chunk is seen by one or more windows. The mean over them of the expected number of
        speakers (the sum of the local speakers' probabilities) says whether anybody speaks (at least 0.5) and
        whether one alone does (below 1.5).
        """
        length, size = self.lengths
        probability = self.probability.numpy()
        frames = probability.shape[2]
        seen = self.first[:, None] + np.arange(frames)  # (windows, frames) of the chunk
        edges = self.detector.edges(seen[-1, -1] + 1, length)
        heard = ~self._silence(edges)[:, seen][..., None]
        probability = probability * heard
        expected = np.zeros((len(probability), len(edges) - 1), np.float32)
        times = np.zeros(len(edges) - 1, np.float32)
        for window, columns in enumerate(seen):
            expected[:, columns] += probability[:, window].sum(axis=-1)
            times[columns] += 1
        speakers = expected / times
        local = LocalSpeakers(
            self.first,
            self.detector.edges(frames, size),
            self.detector.geometry.step,
            np.round(255 * probability).astype(np.uint8),
            self.active.numpy() & heard,
        )
        return ChunkSpeech(edges, speakers >= 0.5, (speakers >= 0.5) & (speakers < 1.5), local)

    def _silence(self, edges: np.ndarray) -> np.ndarray:
        """(batch, frames) bool."""
        silent = silent_frames(self.power.numpy(), self.detector.silence_margin)
        middle = (edges[:-1] + edges[1:]) / 2
        index = (middle / (FRAME_SECONDS * self.detector.geometry.sample_rate)).astype(np.int64)
        chosen: np.ndarray = silent[:, np.minimum(index, silent.shape[1] - 1)]
        return chosen


def window_frames(length: int, window: int, step: int, frame_step: int) -> np.ndarray:
    """(windows,) frame of the chunk at which each window starts.

    Windows are evenly spread from the chunk's start to its end, at most `step` apart, and start at frames, so
    that the frames of all windows coincide.

    Args:
        length: samples of the chunk.
        window: samples of a window, at most `length`.
        step: samples.
        frame_step: samples from one frame to the next.
    """
    last = (length - window) // frame_step
    windows = -(-last * frame_step // step) + 1
    return np.round(np.linspace(0, last, windows)).astype(np.int64)
