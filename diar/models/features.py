"""Front ends: what all have, and Kaldi's log mel filterbank ("fbank"), the one of most encoders.

They are computed in batches on the device that runs the encoder. The other one is in `tfmel.py`. Fbank equals
Kaldi's `compute-fbank-feats --dither=0 --snip-edges=true --use-energy=false` and its descendants
(torchaudio.compliance.kaldi, kaldi-native-fbank).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

LOG_FLOOR = torch.finfo(torch.float32).eps  # Kaldi's floor under mel energies before the logarithm
PREEMPHASIS = 0.97

# Kaldi's symmetric windows over phase = 2πn/(N-1)
WINDOWS: dict[str, Callable[[Tensor], Tensor]] = {
    "hamming": lambda phase: 0.54 - 0.46 * phase.cos(),
    "hanning": lambda phase: 0.5 - 0.5 * phase.cos(),
    "povey": lambda phase: (0.5 - 0.5 * phase.cos()) ** 0.85,
}


@dataclass(frozen=True)
class FrontEndSettings(ABC):
    """What a front end is built from; its frames have one length and lie one step apart.

    Attributes:
        kind: the front end's name in WeSpeaker's `config.yaml`.
    """

    kind: ClassVar[str]
    sample_rate: int = 16000  # Hz
    num_mel_bins: int = 80

    @abstractmethod
    def front_end(self) -> FrontEnd:
        """Build it, on the CPU."""

    @property
    @abstractmethod
    def frame_length(self) -> int:
        """Samples a frame."""

    @property
    @abstractmethod
    def frame_shift(self) -> int:
        """Samples from one frame's start to the next one's."""

    @property
    def lead(self) -> int:
        """Samples by which the first frame begins before the waveform, and the last one may end after it."""
        return 0

    @property
    def least_samples(self) -> int:
        """Samples of the shortest waveform that has a frame."""
        return self.frame_length - 2 * self.lead

    @property
    def first_centre(self) -> float:
        """Samples from the waveform's start to the middle of the first frame."""
        return self.frame_length / 2 - self.lead

    def num_frames(self, samples: int) -> int:
        """Count the frames of a waveform of so many samples."""
        return 0 if samples < self.least_samples else 1 + (samples - self.least_samples) // self.frame_shift

    def used_samples(self, samples: int) -> int:
        """Count those of so many samples, from the first on, that the features depend on."""
        return (self.num_frames(samples) - 1) * self.frame_shift + self.frame_length


class FrontEnd(nn.Module, ABC):
    """(batch, samples) float32 in ±1 → (batch, frames, mels) float32, without mean normalisation (see `cmn`).

    It has two steps, so that waveforms of many lengths can share rows: `prepared` sees each waveform alone,
    `of_rows` cuts frames.

    Attributes:
        settings: that it was built from.
        prepares: whether `prepared` changes anything.
    """

    settings: FrontEndSettings
    prepares: ClassVar[bool] = False

    def forward(self, waveforms: Tensor) -> Tensor:
        """Return the features of equally long waveforms.

        Raises:
            ValueError: not (batch, samples), or shorter than one frame.
        """
        if waveforms.ndim != 2:
            raise ValueError(f"waveforms must be (batch, samples), got shape {tuple(waveforms.shape)}")
        least, rate = self.settings.least_samples, self.settings.sample_rate
        if waveforms.shape[1] < least:
            raise ValueError(
                f"{waveforms.shape[1]} samples at {rate} Hz are less than the {least} that one frame needs; "
                f"give at least {1000 * least / rate:g} ms of audio"
            )
        return self.of_rows(self.prepared(waveforms.float()))

    def prepared(self, waveforms: Tensor) -> Tensor:
        """(batch, samples) of whole waveforms → the same, `lead` samples longer at both ends."""
        return waveforms

    @abstractmethod
    def of_rows(self, rows: Tensor) -> Tensor:
        """Prepared (rows, samples), frames of which begin at each multiple of the step → features."""


@dataclass(frozen=True)
class FbankSettings(FrontEndSettings):
    """Kaldi's filterbank as a model was trained with it.

    Raises:
        ValueError: a value that no filterbank can be built from.
    """

    kind: ClassVar[str] = "fbank"
    frame_length_ms: float = 25.0
    frame_shift_ms: float = 10.0
    window_type: str = "hamming"
    waveform_scale: float = 32768.0  # what samples in ±1 are multiplied by: 16-bit integers or 1.0
    low_freq: float = (
        20.0  # Hz, lower edge of the first mel filter; the last one ends at the Nyquist frequency
    )

    def __post_init__(self) -> None:
        if self.window_type not in WINDOWS:
            raise ValueError(f"window_type {self.window_type!r} is not one of {', '.join(sorted(WINDOWS))}")
        for name in ("sample_rate", "num_mel_bins", "frame_shift_ms", "waveform_scale"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be above 0, got {getattr(self, name)}")
        if self.frame_length < 2:
            raise ValueError(f"frame_length_ms {self.frame_length_ms} is less than two samples")
        if not 0 <= self.low_freq < self.sample_rate / 2:
            raise ValueError(f"low_freq {self.low_freq} Hz is not below half of {self.sample_rate} Hz")

    def front_end(self) -> Fbank:
        """Build it, on the CPU."""
        return Fbank(self)

    @property
    def frame_length(self) -> int:
        """Samples a frame."""
        return milliseconds_to_samples(self.frame_length_ms, self.sample_rate)

    @property
    def frame_shift(self) -> int:
        """Samples from one frame's start to the next one's."""
        return milliseconds_to_samples(self.frame_shift_ms, self.sample_rate)


def milliseconds_to_samples(milliseconds: float, sample_rate: int) -> int:
    """Return whole samples, rounded down as Kaldi does."""
    return int(sample_rate * milliseconds * 0.001)


class Fbank(FrontEnd):
    """Kaldi's filterbank; its frames lie wholly within the waveform (snip_edges).

    The steps: subtract a frame's mean, pre-emphasise, window, pad with zeros to a power of two, take the
    power spectrum, apply triangular mel filters, floor the energies at float32's epsilon, take the natural
    logarithm.

    All of it is float32, as in Kaldi. In both, energies far below the strongest of their frame carry rounding
    errors. Speech agrees within 1e-3 down to 70 dB below the strongest; further down single values differ
    more.
    """

    settings: FbankSettings
    window: Tensor
    mel_filters: Tensor

    def __init__(self, settings: FbankSettings) -> None:
        super().__init__()
        self.settings = settings
        length = settings.frame_length
        self.fft_length = 1 << (length - 1).bit_length()
        phase = 2 * math.pi * torch.arange(length, dtype=torch.float64) / (length - 1)
        window = WINDOWS[settings.window_type](phase)
        self.register_buffer("window", window.float(), persistent=False)
        self.register_buffer("mel_filters", mel_filterbank(settings, self.fft_length), persistent=False)

    def of_rows(self, rows: Tensor) -> Tensor:
        """(rows, samples) → (rows, frames, mels)."""
        settings = self.settings
        frames = rows.unfold(1, settings.frame_length, settings.frame_shift)
        frames = frames * settings.waveform_scale  # (rows, frames, frame_length)
        frames = frames - frames.mean(dim=-1, keepdim=True)
        previous = torch.cat([frames[..., :1], frames[..., :-1]], dim=-1)
        frames = (frames - PREEMPHASIS * previous) * self.window
        spectrum = torch.fft.rfft(frames, n=self.fft_length)
        power = spectrum.real.square() + spectrum.imag.square()  # (rows, frames, fft bins)
        return (power @ self.mel_filters).clamp(min=LOG_FLOOR).log()


def cmn(fbank: Tensor) -> Tensor:
    """Subtract the mean over frames from (batch, frames, mels): cepstral mean normalisation on log mels."""
    return fbank - fbank.mean(dim=1, keepdim=True)


def mel_filterbank(settings: FbankSettings, fft_length: int) -> Tensor:
    """Return (fft bins, mels) weights: triangles of equal width in mel; Kaldi leaves out the Nyquist bin."""
    nyquist = settings.sample_rate / 2
    low, high = (mel_scale(torch.tensor(f, dtype=torch.float64)) for f in (settings.low_freq, nyquist))
    edges = low + (high - low) * torch.arange(settings.num_mel_bins + 2) / (settings.num_mel_bins + 1)
    left, centre, right = edges[:-2], edges[1:-1], edges[2:]
    frequencies = torch.arange(fft_length // 2 + 1, dtype=torch.float64) * settings.sample_rate / fft_length
    mels = mel_scale(frequencies)[:, None]
    filters = torch.minimum((mels - left) / (centre - left), (right - mels) / (right - centre)).clamp(min=0)
    filters[-1] = 0
    return filters.float()


def mel_scale(frequency: Tensor) -> Tensor:
    """Convert Hz to mel by O'Shaughnessy's formula, as HTK and Kaldi do."""
    return 1127 * torch.log1p(frequency / 700)
