"""What all segmentation networks are: (batch, samples) to classes of frames, whose samples are known."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar

import torch
from torch import Tensor, nn

from diar.models.segmentation.multilabel import MultiLabel
from diar.models.segmentation.powerset import Powerset

SAMPLE_RATE = 16000  # Hz; what the networks compute with is for this rate
_STEP = 5.0  # seconds from one seg_window to the next, where half of one is less


@dataclass(frozen=True)
class FrameGeometry:
    """Which samples a frame sees: frame i sees i × step up to i × step + size.

    With segmentation-3.0, size is 991 samples (61.9 ms) and step 270 samples (16.875 ms). A seg_window of
    10 s has 589 frames, the first centred at 30.97 ms, the last at 9.9535 s.
    """

    size: int  # samples
    step: int  # samples
    sample_rate: int = SAMPLE_RATE

    @property
    def step_seconds(self) -> float:
        """Seconds from one frame to the next."""
        return self.step / self.sample_rate

    @property
    def first_center(self) -> float:
        """Seconds from the seg_window's start to the centre of frame 0."""
        return self.size / 2 / self.sample_rate

    def num_frames(self, samples: int) -> int:
        """Count the frames of a seg_window; 0 where it is shorter than what one frame sees."""
        return max(0, (samples - self.size) // self.step + 1)

    def center(self, frame: float) -> float:
        """Return the centre of a frame, in seconds from the seg_window's start.

        Halves are the borders between frames: frame i answers for center(i − 0.5) … center(i + 0.5).
        """
        return self.first_center + frame * self.step_seconds


@dataclass(frozen=True)
class SegmentationSettings:
    """What a network was trained on; the defaults are those of segmentation-3.0."""

    seg_window_seconds: float = 10.0
    num_local_speakers: int = 3
    max_simultaneous: int | None = 2  # None: each local speaker by itself, not as a powerset
    lead_seconds: tuple[float, float] = (0.015, 0.055)  # see `SegmentationNetwork.aligned`

    def classes(self) -> Powerset | MultiLabel:
        """Return what turns classes into speakers.

        Raises:
            ValueError: no such classes exist.
        """
        if self.max_simultaneous is None:
            return MultiLabel(self.num_local_speakers)
        return Powerset(self.num_local_speakers, self.max_simultaneous)


class SegmentationNetwork(nn.Module, ABC):
    """A network: (batch, samples) float32 in ±1 → log-probabilities (batch, frames, classes).

    Args:
        settings: what it was trained on.
        frames: from frames to seconds.

    Attributes:
        powerset: from log-probabilities to speakers; a `MultiLabel` where classes are single speakers.
        seconds_at_once: of seg_windows in one forward pass, by the kind of device.
        bf16_on_cpu: whether `in_bf16` computes anything in bf16.
        second_opinion: whether another network is asked where this one hears nobody, unless said otherwise.
    """

    seconds_at_once: ClassVar[Mapping[str, float]] = MappingProxyType({"cuda": 3840.0, "cpu": 60.0})
    bf16_on_cpu: ClassVar[bool] = True
    second_opinion: ClassVar[bool] = True

    def __init__(self, settings: SegmentationSettings, frames: FrameGeometry) -> None:
        super().__init__()
        self.lead_seconds = settings.lead_seconds
        self.powerset = settings.classes()
        self.frames = frames

    @property
    def min_samples(self) -> int:
        """Samples of the shortest seg_window: two frames."""
        return self.frames.size + self.frames.step

    def num_frames(self, samples: int) -> int:
        """Count the frames of a seg_window of that many samples."""
        return self.frames.num_frames(samples)

    def of_windows(self, chunks: Tensor, starts: Sequence[int], size: int) -> Tensor:
        """Compute `forward` of overlapping seg_windows of chunks, (batch · windows, frames, classes).

        Here nothing is shared by seg_windows that overlap, and at most `seconds_at_once` are in a pass.

        Args:
            chunks: (batch, samples).
            starts: of the seg_windows, in samples; multiples of the frame step.
            size: samples of a seg_window.
        """
        windows = torch.stack([chunks[:, start : start + size] for start in starts], dim=1).flatten(0, 1)
        at_once = self.seconds_at_once[chunks.device.type] * self.frames.sample_rate
        return torch.cat([self(part) for part in windows.split(max(1, round(at_once) // size))])

    @abstractmethod
    def in_bf16(self) -> SegmentationNetwork:
        """Return a copy that computes in bf16 what loses nothing by it, for CPUs that have it; or itself."""

    @abstractmethod
    def use_half(self) -> None:
        """Compute in fp16 from now on what loses nothing by it, on a GPU."""

    def check_waveform(self, waveform: Tensor) -> None:
        """Refuse what is no batch of seg_windows.

        Raises:
            ValueError: another shape, or fewer than `min_samples`.
        """
        if waveform.dim() != 2 or waveform.shape[1] < self.min_samples:
            raise ValueError(
                f"waveform must be (batch, at least {self.min_samples} samples), got {tuple(waveform.shape)}"
            )

    def aligned(self, output: Tensor) -> Tensor:
        """Align the output of `forward`, (batch, frames, classes), with the audio.

        A network may run ahead of the audio: by the first of `lead_seconds` at a seg_window's first frame, by
        the second at its last. PyanNet does: in training, the labels of n frames lay over n equal parts of a
        seg_window, which is not where those frames look (docs/decisions/046-segmentation-timing.md).
        """
        if not any(self.lead_seconds):
            return output
        frames = output.shape[1]
        first, last = (seconds / self.frames.step_seconds for seconds in self.lead_seconds)
        audio = torch.arange(frames, device=output.device)
        source = (audio - first) / (1 + (last - first) / max(1, frames - 1))
        return output[:, source.round().long().clamp(0, frames - 1)]


@dataclass(frozen=True)
class SegmentationModel:
    """A segmentation network with what it was trained on."""

    name: str
    network: SegmentationNetwork  # in eval mode, float32, on the CPU, no gradients
    settings: SegmentationSettings
    sha256: str  # of the weights file
    sample_rate: int = SAMPLE_RATE
    terms: str | None = None  # what whoever uses such weights must know of their licence

    @property
    def seg_window_samples(self) -> int:
        """Samples of a seg_window as in training."""
        return round(self.settings.seg_window_seconds * self.sample_rate)

    @property
    def step(self) -> float:
        """Most seconds from the start of one seg_window to the next, unless said otherwise.

        Half a seg_window, but 5 s at least where one is that long.
        """
        window = self.settings.seg_window_seconds
        return min(window, max(_STEP, window / 2))
