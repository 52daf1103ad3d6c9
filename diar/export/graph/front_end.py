"""The filterbank as matrix products, for runtimes that know no Fourier transform of real frames.

A frame of 25 ms every 10 ms is five blocks of 5 ms, of which every second one begins a frame. So frames are
made of slices, not gathered sample by sample.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from diar.models.features import LOG_FLOOR, PREEMPHASIS, Fbank, FbankSettings


class ProductFbank(nn.Module):
    """`diar.models.features.Fbank` up to rounding: (batch, samples) in ±1 → (batch, frames, mels).

    Window and cosines and sines are one matrix, made in float64 and rounded once.
    """

    waves: Tensor  # (frame_length, 2 · bins): windowed cosines, then sines
    mel_filters: Tensor  # (bins, mels), without the Nyquist bin, which Kaldi leaves out

    def __init__(self, settings: FbankSettings) -> None:
        super().__init__()
        self.settings = settings
        self.block = math.gcd(settings.frame_length, settings.frame_shift)  # samples
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
        spectrum = (frames - PREEMPHASIS * previous) @ self.waves
        real, imaginary = spectrum.square().chunk(2, dim=-1)
        return ((real + imaginary) @ self.mel_filters).clamp(min=LOG_FLOOR).log()

    def framed(self, waveform: Tensor) -> Tensor:
        """(batch, samples) → (batch, frames, frame_length)."""
        within, step = (
            samples // self.block for samples in (self.settings.frame_length, self.settings.frame_shift)
        )
        blocks = waveform.shape[1] // self.block
        beyond_first = (blocks - within) // step * step  # blocks from the first frame's start to the last's
        split = waveform[:, : blocks * self.block].reshape(waveform.shape[0], -1, self.block)
        return torch.cat([split[:, k : k + beyond_first + 1 : step] for k in range(within)], dim=-1)
