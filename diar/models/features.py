"""Kaldi's log mel filterbank ("fbank"), computed in batches on the device that runs the encoder.

Equal to Kaldi's `compute-fbank-feats --dither=0 --snip-edges=true --use-energy=false` and its descendants
(torchaudio.compliance.kaldi, kaldi-native-fbank), which the public speaker encoders were trained on.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

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
class FbankSettings:
    """The front end that a model was trained with.

    Raises:
        ValueError: a value that no filterbank can be built from.
    """

    sample_rate: int = 16000  # Hz
    num_mel_bins: int = 80
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


def num_frames(
    num_samples: int, sample_rate: int = 16000, frame_length_ms: float = 25.0, frame_shift_ms: float = 10.0
) -> int:
    """Count the frames that lie wholly within `num_samples` samples (Kaldi's snip_edges)."""
    length = milliseconds_to_samples(frame_length_ms, sample_rate)
    shift = milliseconds_to_samples(frame_shift_ms, sample_rate)
    return 0 if num_samples < length else 1 + (num_samples - length) // shift


class Fbank(nn.Module):
    """(batch, samples) float32 in ±1 → (batch, frames, mels) float32, without mean normalisation (see `cmn`).

    The steps: subtract a frame's mean, pre-emphasise, window, pad with zeros to a power of two, take the
    power spectrum, apply triangular mel filters, floor the energies at float32's epsilon, take the natural
    logarithm. `num_frames` says how many frames there are.

    All of it is float32, as in Kaldi. In both, energies far below the strongest of their frame carry rounding
    errors. Speech agrees within 1e-3 down to 70 dB below the strongest; further down single values differ
    more.
    """

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

    def forward(self, waveforms: Tensor) -> Tensor:
        """Return the features of equally long waveforms.

        Raises:
            ValueError: not (batch, samples), or shorter than one frame.
        """
        settings = self.settings
        if waveforms.ndim != 2:
            raise ValueError(f"waveforms must be (batch, samples), got shape {tuple(waveforms.shape)}")
        if waveforms.shape[1] < settings.frame_length:
            raise ValueError(
                f"{waveforms.shape[1]} samples at {settings.sample_rate} Hz are less than one frame of "
                f"{settings.frame_length}; give at least {settings.frame_length_ms:g} ms of audio"
            )
        frames = waveforms.float().unfold(1, settings.frame_length, settings.frame_shift)
        frames = frames * settings.waveform_scale  # (batch, frames, frame_length)
        frames = frames - frames.mean(dim=-1, keepdim=True)
        previous = torch.cat([frames[..., :1], frames[..., :-1]], dim=-1)
        frames = (frames - PREEMPHASIS * previous) * self.window
        spectrum = torch.fft.rfft(frames, n=self.fft_length)
        power = spectrum.real.square() + spectrum.imag.square()  # (batch, frames, fft bins)
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
