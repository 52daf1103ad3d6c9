"""Short-time spectra of a few glimpses of a file, and their likeness to speech: cheap, without a network."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

FRAME = 0.032  # seconds, also from one frame to the next: syllables are slower
LOW, HIGH = 300.0, 3400.0  # Hz, where voices are even on the telephone
_RUMBLE = 200.0  # Hz, below which speech cannot be understood
_SUB_BANDS = 6  # of equal ratio
_SLOW, _FAST = 2.0, 8.0  # Hz, the pace of syllables
_FAINT = 1e-3  # of a frame's power; less in a sub-band is leakage of another sub-band
_ABOVE_NOISE = 10.0  # dB above its noise from which somebody talks in a channel …
_RANGE = 40.0  # … unless it is more dB below its loudest frame
_ALONE = 10.0  # dB above the other channels from which a channel talks alone
_TINY = 1e-12
_SILENT = 1e-9  # mean power in the band (-90 dBFS) below which a glimpse is silent


@dataclass(frozen=True)
class Spectra:
    """The voice's band of some glimpses of one file; T frames in all.

    Attributes:
        bins: (channels, T, F) complex64, 300 … 3400 Hz; power is the squared magnitude, full scale about 1.
        hertz: (F,) of the bins.
        glimpse: (T,) number of the glimpse that each frame belongs to.
        rumble: (channels,) share of all power that lies below 200 Hz.
    """

    bins: np.ndarray
    hertz: np.ndarray
    glimpse: np.ndarray
    rumble: np.ndarray

    @cached_property
    def power(self) -> np.ndarray:
        """Power in the band, (channels, T)."""
        return total_power(self.bins)

    def signal(self, weights: np.ndarray) -> np.ndarray:
        """Return (T, F) of the channels' sum with weights (channels,)."""
        return np.tensordot(weights.astype(np.float32), self.bins, axes=1)


def spectra(glimpses: Iterable[tuple[np.ndarray, int]]) -> Spectra | None:
    """Return the spectra of glimpses, samples (channels, n) and their rate; None if there are none.

    Glimpses of another rate or number of channels than the first, or shorter than a frame, are left out.
    """
    parts: list[np.ndarray] = []
    number: list[np.ndarray] = []
    low, total = np.zeros(1), np.zeros(1)
    shape: tuple[int, int] | None = None
    hertz = np.empty(0)
    for samples, rate in glimpses:
        shape = shape or (len(samples), rate)
        size = round(FRAME * rate)
        if (len(samples), rate) != shape or samples.shape[1] < size:
            continue
        if not np.isfinite(samples).all():
            samples = np.nan_to_num(samples, posinf=0, neginf=0)
        whole = stft(samples, size, size)
        frequencies = np.arange(whole.shape[-1]) * (rate / size)
        of_bin = bin_power(whole).sum(axis=1)
        low = low + of_bin[:, frequencies < _RUMBLE].sum(axis=1)
        total = total + of_bin.sum(axis=1)
        band, hertz = band_of(whole, rate, size)
        number.append(np.full(whole.shape[1], len(parts)))
        parts.append(band)
    if not parts:
        return None
    rumble = np.asarray(low / np.maximum(total, 1e-30))
    return Spectra(np.concatenate(parts, axis=1), hertz, np.concatenate(number), rumble)


def speech_score(bins: np.ndarray, hertz: np.ndarray, glimpse: np.ndarray) -> float:
    """Return how much (T, F) spectra are like speech: 0.8 for clean speech, 0.3 for music, 0.1 for noise.

    Syllables modulate every part of the spectrum 2 to 8 times a second (Houtgast & Steeneken, "A review of
    the MTF concept", JASA 1985). The score is the strength of that modulation, as the mean over sub-bands
    in the best half of the glimpses. Tones score as noise.
    """
    power = bin_power(bins)
    edges = np.geomspace(LOW, HIGH * 1.001, _SUB_BANDS + 1)
    owner = np.searchsorted(edges, hertz, side="right") - 1
    bands = np.stack([power[:, owner == band].sum(axis=1) for band in range(_SUB_BANDS)], axis=1)
    scores: list[float] = []
    for number in range(int(glimpse.max(initial=-1)) + 1):
        own = bands[glimpse == number]
        if len(own) * FRAME >= 0.5 and own.sum(axis=1).mean() > _SILENT:
            scores.extend(
                _modulation(part) for part in np.array_split(own, max(1, round(len(own) * FRAME / 2)))
            )
    best = sorted(scores, reverse=True)[: max(1, len(scores) // 2)]
    return float(np.mean(best)) if best else 0.0


def _modulation(bands: np.ndarray) -> float:
    """Return the strength of syllables in (t, sub-bands) power of about 2 s."""
    level = bands.sum(axis=1)
    envelope = np.sqrt(bands + _FAINT * level.max())
    from scipy import fft  # 0.1 s that one channel need not wait for

    moving = np.abs(fft.rfft(envelope - envelope.mean(axis=0), axis=0)) ** 2
    pace = np.arange(len(moving)) / (len(envelope) * FRAME)
    chosen = moving[(pace >= _SLOW) & (pace <= _FAST)].sum(axis=0)
    strength = np.sqrt(2 * chosen) / len(envelope) / (envelope.mean(axis=0) + _TINY)
    return float(strength.mean())


def alone(power: np.ndarray) -> np.ndarray:
    """Return (T,) the channel that talks alone in (channels, T) band power, -1 for none or several."""
    floor = np.percentile(power, 10, axis=1, keepdims=True) + _TINY
    loud = 10 * np.log10(np.maximum(power - floor, floor / 10))
    order = np.sort(loud, axis=0)
    clear = active(power) & (order[-1] - order[-2] > _ALONE)
    return np.where(clear, loud.argmax(axis=0), -1)


def active(power: np.ndarray) -> np.ndarray:
    """Return (T,) bool: frames of (channels, T) band power in which any channel is well above its noise."""
    floor = np.percentile(power, 10, axis=1, keepdims=True) + _TINY
    loudest = power.max(axis=1, keepdims=True)
    talking = (power > floor * 10 ** (_ABOVE_NOISE / 10)) & (power > loudest * 10 ** (-_RANGE / 10))
    return np.asarray(talking.any(axis=0))


def band_of(whole: np.ndarray, rate: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the voice's band of `stft`, (channels, T, F), and its bins' frequencies in Hz."""
    frequencies = np.arange(whole.shape[-1]) * (rate / size)
    band = (frequencies >= LOW) & (frequencies <= HIGH)
    return whole[..., band], frequencies[band]


def stft(samples: np.ndarray, size: int, hop: int) -> np.ndarray:
    """Return the short-time spectra of (channels, n): (channels, T, size // 2 + 1) complex64."""
    frames = np.lib.stride_tricks.sliding_window_view(samples, size, axis=1)[:, ::hop]
    window = np.hanning(size + 1)[:-1].astype(np.float32)
    from scipy import fft

    return np.asarray(fft.rfft(frames * window, axis=-1) * np.float32(2 / window.sum()))


def bin_power(bins: np.ndarray) -> np.ndarray:
    """Return the squared magnitude."""
    return np.asarray(bins.real**2 + bins.imag**2)


def total_power(bins: np.ndarray) -> np.ndarray:
    """Return the power of (…, F) summed over the bins, (…)."""
    return np.asarray(bin_power(bins).sum(axis=-1))
