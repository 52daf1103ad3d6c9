"""WeSpeaker's `tfmel` front end, with which its ReDimNet2 weights were trained.

It computes what `wespeaker/frontend/tfmel.py` does outside training. Other than fbank: the signal is scaled
to unit variance and pre-emphasised as a whole, zeros around it let frames lie over its ends, powers and mel
energies are clipped, and the mel filters lie on frequencies of their own. The mean over the frames, which
WeSpeaker's code takes away, too, is left to `cmn`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from diar.models.encoders.base import ModelError
from diar.models.features import WINDOWS, FrontEnd, FrontEndSettings

PREEMPHASIS = 0.97
_BUFFER_ERROR = 1e-5  # of averaged constants in a checkpoint


@dataclass(frozen=True)
class TfMelSettings(FrontEndSettings):
    """The front end's arguments; names that fbank does not share are those of WeSpeaker's `tfmel_args`.

    Raises:
        ValueError: a value that no filterbank can be built from.
    """

    kind: ClassVar[str] = "tfmel"
    n_fft: int = 512  # samples
    win_length: int = 400  # samples a frame
    hop_length: int = 160  # samples from frame to frame
    f_min: float = 20.0  # Hz, lower edge of the first mel filter
    f_max: float = 7600.0  # Hz, upper edge of the last one
    norm_signal: bool = False  # subtract the waveform's mean, divide by its standard deviation
    do_preemph: bool = True
    eps: float = 1e-8  # floor of powers and mel energies; 1 / eps is their ceiling

    def __post_init__(self) -> None:
        for name in ("sample_rate", "num_mel_bins", "hop_length"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be above 0, got {getattr(self, name)}")
        if not self.hop_length + 1 < self.win_length <= self.n_fft:
            raise ValueError(
                f"win_length {self.win_length} does not lie between hop_length {self.hop_length} and n_fft "
                f"{self.n_fft}"
            )
        if self.n_fft % 2:
            raise ValueError(f"n_fft {self.n_fft} is odd")
        if not 0 <= self.f_min < self.f_max <= self.sample_rate / 2:
            raise ValueError(
                f"f_min {self.f_min} Hz and f_max {self.f_max} Hz do not rise from 0 to half of "
                f"{self.sample_rate} Hz"
            )
        if not 0 < self.eps < 1:
            raise ValueError(f"eps {self.eps} is not between 0 and 1")

    def front_end(self) -> TfMel:
        """Build it, on the CPU."""
        return TfMel(self)

    @property
    def frame_length(self) -> int:
        """Samples a frame."""
        return self.win_length

    @property
    def frame_shift(self) -> int:
        """Samples from one frame's start to the next one's."""
        return self.hop_length

    @property
    def lead(self) -> int:
        """Samples by which the first frame begins before the waveform, and the last one may end after it."""
        return self.hop_length // 2

    def used_samples(self, samples: int) -> int:
        """Count all: the last frame may see zeros after them, mean and variance are of all."""
        return samples


class TfMel(FrontEnd):
    """The filterbank with the very waves and filters of the public code, in float32.

    Energies far below the strongest of their frame carry rounding errors, which depend on the order of sums.
    On the CPU it is that of the public code.
    """

    settings: TfMelSettings
    prepares: ClassVar[bool] = True
    cosines: Tensor  # (bins, 1, win_length), windowed
    sines: Tensor
    mel_filters: Tensor  # (bins, mels)

    def __init__(self, settings: TfMelSettings) -> None:
        super().__init__()
        self.settings = settings
        for name, waves in zip(("cosines", "sines"), windowed_waves(settings), strict=True):
            self.register_buffer(name, waves.T[:, None].contiguous(), persistent=False)
        self.register_buffer("mel_filters", mel_filterbank(settings), persistent=False)

    def prepared(self, waveforms: Tensor) -> Tensor:
        """Scale, pre-emphasise and pad: (batch, samples) → (batch, samples + 2 · lead)."""
        x = waveforms
        if self.settings.norm_signal:
            deviation = x.std(dim=1, keepdim=True, correction=0)
            x = (x - x.mean(dim=1, keepdim=True)) / (deviation + self.settings.eps)
        if self.settings.do_preemph:
            x = x - PREEMPHASIS * torch.cat([x[:, 1:2], x[:, :-1]], dim=1)  # mirrored at the first sample
        return F.pad(x, (self.settings.lead, self.settings.lead))

    def of_rows(self, rows: Tensor) -> Tensor:
        """(rows, samples) → (rows, frames, mels)."""
        real, imaginary = self._framed_by(rows, self.cosines), self._framed_by(rows, self.sines)
        return log_mels(real.square() + imaginary.square(), self.mel_filters, self.settings.eps)

    def _framed_by(self, rows: Tensor, waves: Tensor) -> Tensor:
        """Return what each frame has of each wave.

        Args:
            rows: (rows, samples).
            waves: (bins, 1, win_length).

        Returns:
            (rows, frames, bins).
        """
        settings = self.settings
        if rows.device.type == "cpu":
            return F.conv1d(rows[:, None], waves, stride=settings.hop_length).transpose(1, 2)
        # A convolution may round to 10 bits on a GPU, as torch allows it by default; a product does not
        return rows.unfold(1, settings.win_length, settings.hop_length) @ waves[:, 0].T


def log_mels(power: Tensor, mel_filters: Tensor, eps: float) -> Tensor:
    """(…, bins) → (…, mels): clipped on both sides of the filters, then the natural logarithm."""
    energies = (power.clamp(eps, 1 / eps) @ mel_filters).clamp(eps, 1 / eps)
    return (energies + eps).log()


def windowed_waves(settings: TfMelSettings) -> tuple[Tensor, Tensor]:
    """Return cosines and sines, each (win_length, n_fft / 2), below a symmetric Hamming window."""
    sample = torch.arange(settings.win_length, dtype=torch.float64)
    window = WINDOWS["hamming"](2 * math.pi * sample / (settings.win_length - 1)).float()[:, None]
    angles = 2 * math.pi / settings.n_fft * sample[:, None] * torch.arange(settings.n_fft // 2)
    return angles.cos().float() * window, angles.sin().float() * window


def mel_filterbank(settings: TfMelSettings) -> Tensor:
    """Return (n_fft / 2, mels) weights: triangles of equal width in mel.

    The frequencies of the n_fft / 2 bins go up to the Nyquist frequency, as in the public code, although the
    last bin lies one below it. The first bin, 0 Hz, belongs to no filter.
    """
    low, high = (mel_scale(torch.tensor(f, dtype=torch.float64)) for f in (settings.f_min, settings.f_max))
    edges = low + (high - low) * torch.arange(settings.num_mel_bins + 2) / (settings.num_mel_bins + 1)
    left, centre, right = edges[:-2], edges[1:-1], edges[2:]
    nyquist = settings.sample_rate // 2
    mels = mel_scale(torch.linspace(0, nyquist, settings.n_fft // 2, dtype=torch.float64))[:, None]
    filters = torch.minimum((mels - left) / (centre - left), (right - mels) / (right - centre)).clamp(min=0)
    filters[0] = 0
    return filters.float()


def mel_scale(frequency: Tensor) -> Tensor:
    """Convert Hz to mel: the formula with a common logarithm."""
    return 2595 * torch.log10(1 + frequency / 700)


def stored_buffers(settings: TfMelSettings) -> dict[str, Tensor]:
    """Return what WeSpeaker's checkpoints hold of the front end, by name: constants, not weights."""
    cosines, sines = windowed_waves(settings)
    found = {
        "frontend.spec.torchfbank.2.real_kernel_pt": cosines.T[:, None],
        "frontend.spec.torchfbank.2.image_kernel_pt": sines.T[:, None],
        "frontend.spec.torchfbank.2.melbanks_pt": mel_filterbank(settings).T[..., None],
    }
    if settings.do_preemph:
        found["frontend.spec.torchfbank.1.flipped_filter"] = torch.tensor([[[-PREEMPHASIS, 1.0]]])
    return found


def without_buffers(
    parameters: Mapping[str, Tensor], settings: TfMelSettings, file: Path
) -> dict[str, Tensor]:
    """Take away the constants of the front end, which WeSpeaker keeps in the checkpoint.

    Raises:
        ModelError: they are not those that the configuration describes.
    """
    expected = stored_buffers(settings)
    for name, buffer in expected.items():
        stored = parameters.get(name, buffer)
        if stored.shape != buffer.shape or not (stored - buffer).abs().max() <= _BUFFER_ERROR:
            raise ModelError(
                f"{file}: {name} is not what tfmel_args in config.yaml give. Compare them with the "
                "training that wrote the file"
            )
    return {name: tensor for name, tensor in parameters.items() if name not in expected}
