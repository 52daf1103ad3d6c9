"""Front ends as matrix products, for runtimes that know no Fourier transform of real frames.

A frame of 25 ms every 10 ms is five blocks of 5 ms, of which every second one begins a frame. So frames are
made of slices, not gathered sample by sample.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from diar.models import features, tfmel
from diar.models.features import LOG_FLOOR, Fbank, FbankSettings, FrontEndSettings
from diar.models.tfmel import TfMelSettings, log_mels, windowed_waves


class ProductFrontEnd(nn.Module, ABC):
    """A front end of `diar.models` up to rounding: (batch, samples) in ±1 → (batch, frames, mels)."""

    def __init__(self, settings: FrontEndSettings) -> None:
        super().__init__()
        self.block = math.gcd(settings.frame_length, settings.frame_shift)  # samples
        self._within, self._step = (
            samples // self.block for samples in (settings.frame_length, settings.frame_shift)
        )

    @abstractmethod
    def forward(self, waveform: Tensor) -> Tensor:
        """Return the features of equally long waveforms of at least one frame."""

    def framed(self, waveform: Tensor) -> Tensor:
        """(batch, samples) → (batch, frames, frame_length)."""
        within, step = self._within, self._step
        blocks = waveform.shape[1] // self.block
        beyond_first = (blocks - within) // step * step  # blocks from the first frame's start to the last's
        split = waveform[:, : blocks * self.block].reshape(waveform.shape[0], -1, self.block)
        return torch.cat([split[:, k : k + beyond_first + 1 : step] for k in range(within)], dim=-1)


class ProductFbank(ProductFrontEnd):
    """`diar.models.features.Fbank`; window and cosines and sines are one matrix of float64, rounded once."""

    waves: Tensor  # (frame_length, 2 · bins): windowed cosines, then sines
    mel_filters: Tensor  # (bins, mels), without the Nyquist bin, which Kaldi leaves out

    def __init__(self, settings: FbankSettings) -> None:
        super().__init__(settings)
        self.settings = settings
        reference = Fbank(settings)
        bins = reference.fft_length // 2
        phase = 2 * math.pi / reference.fft_length * torch.arange(settings.frame_length, dtype=torch.float64)
        angles = phase[:, None] * torch.arange(bins)
        waves = torch.cat([angles.cos(), angles.sin()], dim=1) * reference.window.double()[:, None]
        self.register_buffer("waves", waves.float(), persistent=False)
        self.register_buffer("mel_filters", reference.mel_filters[:bins], persistent=False)

    def forward(self, waveform: Tensor) -> Tensor:
        """Return the features of equally long waveforms of at least one frame."""
        frames = self.framed(waveform) * self.settings.waveform_scale
        frames = frames - frames.mean(dim=-1, keepdim=True)
        previous = torch.cat([frames[..., :1], frames[..., :-1]], dim=-1)
        spectrum = (frames - features.PREEMPHASIS * previous) @ self.waves
        real, imaginary = spectrum.square().chunk(2, dim=-1)
        return ((real + imaginary) @ self.mel_filters).clamp(min=LOG_FLOOR).log()


class ProductTfMel(ProductFrontEnd):
    """`diar.models.tfmel.TfMel`; the standard deviation is made of means, which every runtime knows."""

    waves: Tensor  # (win_length, 2 · bins): windowed cosines, then sines
    mel_filters: Tensor  # (bins, mels)

    def __init__(self, settings: TfMelSettings) -> None:
        super().__init__(settings)
        self.settings = settings
        self.register_buffer("waves", torch.cat(windowed_waves(settings), dim=1), persistent=False)
        self.register_buffer("mel_filters", tfmel.mel_filterbank(settings), persistent=False)

    def forward(self, waveform: Tensor) -> Tensor:
        """Return the features of equally long waveforms of at least one frame."""
        settings, x = self.settings, waveform
        if settings.norm_signal:
            x = x - x.mean(dim=1, keepdim=True)
            x = x / (x.square().mean(dim=1, keepdim=True).sqrt() + settings.eps)
        if settings.do_preemph:
            x = x - tfmel.PREEMPHASIS * torch.cat([x[:, 1:2], x[:, :-1]], dim=1)
        frames = self.framed(F.pad(x, (settings.lead, settings.lead)))
        real, imaginary = (frames @ self.waves).square().chunk(2, dim=-1)
        return log_mels(real + imaginary, self.mel_filters, settings.eps)


def product_front_end(settings: FrontEndSettings) -> ProductFrontEnd:
    """Return a front end's products.

    Raises:
        TypeError: settings of a front end that has none here.
    """
    if isinstance(settings, FbankSettings):
        return ProductFbank(settings)
    if isinstance(settings, TfMelSettings):
        return ProductTfMel(settings)
    raise TypeError(f"no products for {type(settings).__name__}")
