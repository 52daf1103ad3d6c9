"""The Sortformer's front end: logarithms of mel bands, as NeMo computes them and transformers after it.

Not Kaldi's (`diar.models.features`): frames are centred on multiples of 10 ms with zeros around the waveform,
the waveform is pre-emphasised as a whole, bands are Slaney's (M. Slaney, "Auditory Toolbox", 1998), and a
small number is added in place of a floor.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from diar.models.segmentation.base import SAMPLE_RATE
from diar.models.segmentation.sortformer.settings import MelSettings

HOP = 160  # samples from one frame to the next
FFT, WINDOW = 512, 400  # samples
_GUARD = 2.0**-24  # is added to energies before the logarithm
# Slaney's scale: linear up to 1 kHz, where it is at 15, logarithmic beyond
_LINEAR_HZ, _BEND, _RATIO = 200 / 3, 15.0, math.log(6.4) / 27


class LogMels(nn.Module):
    """(batch, samples) float32 in ±1 → (batch, 1 + samples // 160, bands) float32.

    Frame i is centred on sample 160 · i. The last one has no whole hop of samples of its own: it is zero.
    """

    window: Tensor
    filters: Tensor

    def __init__(self, settings: MelSettings) -> None:
        super().__init__()
        self.preemphasis = settings.preemphasis
        window, filters = torch.hann_window(WINDOW, periodic=False), slaney_filters(settings.bands)
        if settings.coarse:
            window, filters = window.bfloat16().float(), filters.bfloat16().float()
        self.register_buffer("window", window, persistent=False)
        self.register_buffer("filters", filters, persistent=False)

    def forward(self, waveform: Tensor) -> Tensor:
        """See the class."""
        emphasised = waveform[:, 1:] - self.preemphasis * waveform[:, :-1]
        spectrum = torch.stft(
            torch.cat([waveform[:, :1], emphasised], dim=1),
            FFT,
            hop_length=HOP,
            win_length=WINDOW,
            window=self.window,
            center=True,
            pad_mode="constant",
            return_complex=True,
        )
        power = spectrum.real.square() + spectrum.imag.square()  # (batch, FFT bins, frames)
        levels = (self.filters @ power + _GUARD).log().transpose(1, 2)
        return F.pad(levels[:, :-1], (0, 0, 0, 1))


def slaney_filters(bands: int) -> Tensor:
    """Return (bands, FFT bins) float32: triangles over 0 to 8000 Hz, each of the same area."""
    nyquist = SAMPLE_RATE / 2
    top = _BEND + math.log(nyquist / (_BEND * _LINEAR_HZ)) / _RATIO
    mels = torch.linspace(0, top, bands + 2, dtype=torch.float64)
    edges = torch.where(
        mels < _BEND, mels * _LINEAR_HZ, _BEND * _LINEAR_HZ * torch.exp(_RATIO * (mels - _BEND))
    )
    left, centre, right = (one.unsqueeze(1) for one in (edges[:-2], edges[1:-1], edges[2:]))
    hertz = torch.linspace(0, nyquist, FFT // 2 + 1, dtype=torch.float64)
    triangles = torch.minimum((hertz - left) / (centre - left), (right - hertz) / (right - centre))
    # Rounded before and after, as there
    return (triangles.clamp(min=0).float().double() * (2 / (right - left))).float()
