"""What a recording sounds like, cheaply: evidence for why no speech was found, not a detector of speech.

A few dozen frames of each chunk are measured. The peak says whether there is any sound. Power that lies in a
few bins is a tone or hum. Bins that stand out from their neighbours no more than chance makes them are noise
of any colour; voices and instruments stand out further. How far loud frames are above faint ones tells how
much noise lies under the voices.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

Sound = Literal["", "quiet", "tone", "noise", "harmonic"]

_FRAME_SECONDS = 0.064
_FRAMES = 48  # looked at in a chunk
_QUIET = -60.0  # dBFS of the peak, below which nothing is to be heard
_LOUD = 1e-3  # share of the loudest frame's power from which a frame counts
_TONE_BINS = 18  # of the spectrum: three tones, each with the main lobe of a Hann window
_TONE_SHARE = 0.93  # of the power, in the strongest of them
_BAND = (80.0, 5_000.0)  # Hz
_NEIGHBOURS = 500.0  # Hz
_LEAST_SOUND = 1e-6  # of the strongest neighbourhood's power, down to which a band holds sound
_LEVEL_STEP, _FAINTEST, _LEVELS = 0.5, -200.0, 1_000  # dB: levels are counted in steps, from there on
_FAINT, _STRONG = 0.1, 0.9  # quantiles of the levels of frames
_LEAST_FRAMES = 10  # of which there are quantiles
_NOISE = 0.9  # nats by which bins lie below their neighbourhood's mean: 0.6 in noise, more in harmonies


class Character:
    """Collects evidence chunk by chunk, in constant memory.

    Args:
        rate: Hz of the samples.
    """

    def __init__(self, rate: int) -> None:
        self._size = round(_FRAME_SECONDS * rate)
        self._window = np.hanning(self._size).astype(np.float32)
        low, high = (round(hertz * self._size / rate) for hertz in _BAND)
        self._band = slice(low, min(high, self._size // 2))
        self._hertz = rate / self._size  # of a bin
        self._near = max(3, round(_NEIGHBOURS * self._size / rate))
        self._peak = 0.0
        self._power = np.zeros(self._size // 2 + 1)
        self._loudest = 0.0
        self._levels = np.zeros(_LEVELS, np.int64)  # how many frames have each level
        self._ragged = self._weight = 0.0

    def add(self, samples: np.ndarray) -> None:
        """Measure a chunk, (n,) float32."""
        if not len(samples):
            return
        self._peak = max(self._peak, float(samples.max()), -float(samples.min()))
        if len(samples) < self._size or not self._peak:
            return
        starts = np.linspace(0, len(samples) - self._size, min(_FRAMES, len(samples) // self._size))
        frames = samples[starts.astype(np.int64)[:, None] + np.arange(self._size)]
        frames = (frames - frames.mean(axis=1, keepdims=True)) * self._window
        power = np.abs(np.fft.rfft(frames)) ** 2
        self._power += power.sum(axis=0)
        loudness = power.sum(axis=1)
        self._loudest = max(self._loudest, float(loudness.max()))
        level = 10 * np.log10(loudness[loudness > 0].astype(np.float64))
        place = np.clip((level - _FAINTEST) / _LEVEL_STEP, 0, _LEVELS - 1).astype(np.int64)
        self._levels += np.bincount(place, minlength=_LEVELS)
        counted = power[loudness > _LOUD * self._loudest][:, self._band] + 1e-12 * self._loudest
        around = np.log(mean_around(counted, self._near))
        self._ragged += float((around - np.log(counted)).mean(axis=1).sum())
        self._weight += len(counted)

    @property
    def peak(self) -> float | None:
        """dBFS of the loudest sample; None where all are zero."""
        return 20 * float(np.log10(self._peak)) if self._peak else None

    @property
    def level_range(self) -> float | None:
        """dB of loud frames (0.9 quantile of their levels) over faint ones (0.1); None for too few frames."""
        below = np.cumsum(self._levels)
        if below[-1] < _LEAST_FRAMES:
            return None
        faint, loud = np.searchsorted(below, np.array([_FAINT, _STRONG]) * below[-1])
        return float(loud - faint) * _LEVEL_STEP

    @property
    def bandwidth(self) -> float:
        """Hz up to which there is sound, 60 dB below the strongest band; 0 where all samples are zero."""
        around = mean_around(self._power, self._near)
        heard = np.flatnonzero(around > _LEAST_SOUND * around.max())
        if not len(heard) or not around.max():
            return 0.0
        reach = self._near // 2 if heard[-1] < len(around) - 1 else 0  # of the filter beyond the last sound
        return round((int(heard[-1]) - reach) * self._hertz, 1)

    @property
    def sound(self) -> Sound:
        """`quiet`, `tone`, `noise`, or `harmonic` as voices and music are; empty if there is too little."""
        if self.peak is None or self.peak < _QUIET:
            return "quiet"
        if not self._weight or not self._power.any():
            return ""
        if np.sort(self._power)[-_TONE_BINS:].sum() >= _TONE_SHARE * self._power.sum():
            return "tone"
        return "noise" if self._ragged / self._weight < _NOISE else "harmonic"


def mean_around(values: np.ndarray, size: int) -> np.ndarray:
    """Return the mean of the `size` values around each along the last axis, mirrored beyond its ends.

    Bit for bit `scipy.ndimage.uniform_filter1d`, whose import takes 0.1 s.
    """
    before = size // 2
    ends = [(0, 0)] * (values.ndim - 1) + [(before, size - before - 1)]
    padded = np.pad(values.astype(np.float64), ends, mode="symmetric")
    total = np.cumsum(padded[..., :size], axis=-1)[..., -1:]
    steps = padded[..., size:] - padded[..., :-size]
    means = np.cumsum(np.concatenate([total, steps], axis=-1), axis=-1) / size
    return np.asarray(means.astype(values.dtype))
