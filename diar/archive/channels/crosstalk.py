"""Crosstalk between the sides of a call: found, and replaced by the channel's own noise.

While only channel d talks, channel c holds d through the line's coupling. A Wiener filter, one factor a
spectral bin, predicts it. The residual of c, relative to d, has a level that leakage does not exceed. A
stronger residual is c's own voice, also while both talk.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from diar.archive.channels.spectra import FRAME, Spectra, alone, band_of, bin_power, stft, total_power

_HOP = 0.016  # seconds
_LEAST_FRAMES = 15  # of one channel alone, to estimate its leakage from
_SAFETY = 2.0  # dB above the spread of the residual
_TAIL = 3  # frames by which leakage may outlast its source
_AUDIBLE = 10.0  # ratio to its noise from which a source leaks
_VOICE = 4.0  # ratio to its noise from which a channel holds a voice
_MEDIAN, _HANGOVER = 5, 15  # frames: drop single frames of own voice, and add its faint ends
_FAINTEST = 10  # % of the frames that have the spectrum of the line's noise
_TINY = 1e-12


@dataclass(frozen=True)
class Leakage:
    """Leakage into each channel (first index) from each other channel (second index).

    Attributes:
        filter: (channels, channels, F) complex64; zero if not known.
        most: (channels, channels) highest residual after the filter, relative to the source's power; 0 if not
            known, so that nothing counts as leakage.
        floor: (channels,) noise power in the band.
        hertz: (F,) of the bins.
    """

    filter: np.ndarray
    most: np.ndarray
    floor: np.ndarray
    hertz: np.ndarray

    @classmethod
    def of(cls, seen: Spectra) -> Leakage:
        """Estimate it from glimpses of the recording."""
        channels, bins, power = len(seen.bins), seen.bins, seen.power
        floor = np.percentile(power, 10, axis=1)
        transfer = np.zeros((channels, channels, bins.shape[2]), np.complex64)
        most = np.zeros((channels, channels))
        who = alone(power)
        for source in range(channels):
            frames = who == source
            if frames.sum() < _LEAST_FRAMES:
                continue
            sent = bins[source, frames]
            for other in set(range(channels)) - {source}:
                heard = bins[other, frames]
                through = (heard * sent.conj()).sum(axis=0) / ((sent * sent.conj()).real.sum(axis=0) + _TINY)
                left = total_power(heard - through * sent) / (power[source, frames] + _TINY)
                level = 10 * np.log10(left + _TINY)
                low, middle = np.percentile(level, [16, 50])
                transfer[other, source] = through
                most[other, source] = 10 ** ((middle + 2 * (middle - low) + _SAFETY) / 10)
        return cls(transfer, most, floor, seen.hertz)

    def remove(
        self, block: np.ndarray, rate: int, seed: int = 0, clean: np.ndarray | None = None
    ) -> np.ndarray:
        """Return a block (channels, n) in which noise of the channel's level replaces pure leakage.

        Args:
            block: as it was recorded.
            rate: Hz.
            seed: of the noise.
            clean: the block without echo, for where there is no pure leakage; default: as it is.
        """
        clean = block if clean is None else clean
        size, hop = round(FRAME * rate), round(_HOP * rate)
        if block.shape[1] < 2 * size or not self.most.any():
            return clean
        padded = np.pad(block, [(0, 0), (size // 2, size // 2)])
        whole = stft(padded, size, hop)
        bins, hertz = band_of(whole, rate, size)
        leaked = self._leaked(bins, hertz)
        centres = np.arange(leaked.shape[1]) * hop
        times = np.arange(block.shape[1])
        random = np.random.default_rng(seed)
        cleaned = clean.copy()
        for channel, frames in enumerate(leaked):
            if frames.any():
                share = np.interp(times, centres, frames.astype(np.float32)).astype(np.float32)
                noise = self._level(channel, size, len(hertz)) * _line_noise(
                    whole[channel], rate, block.shape[1], random
                )
                cleaned[channel] += share * (noise - clean[channel])
        return cleaned

    def _leaked(self, bins: np.ndarray, hertz: np.ndarray) -> np.ndarray:
        """Return (channels, T) bool: frames that hold nothing but another channel."""
        power = total_power(bins)
        channels = len(power)
        from scipy.ndimage import maximum_filter1d, median_filter  # 0.1 s that one channel need not wait for

        leaked = np.zeros(power.shape, bool)
        for channel in range(channels):
            own, heard = np.ones(power.shape[1], bool), np.zeros(power.shape[1], bool)
            for source in np.flatnonzero(self.most[channel]):
                left = total_power(bins[channel] - self._through(channel, int(source), hertz) * bins[source])
                near = maximum_filter1d(power[source], _TAIL, origin=_TAIL // 2)
                heard |= near > _AUDIBLE * self.floor[source] + _TINY
                own &= left > self.most[channel, source] * near + _VOICE * self.floor[channel]
            own = median_filter(own.astype(np.int8), _MEDIAN).astype(bool)
            leaked[channel] = heard & ~maximum_filter1d(own, _HANGOVER)
        return leaked

    def _through(self, channel: int, source: int, hertz: np.ndarray) -> np.ndarray:
        through = self.filter[channel, source]
        if len(hertz) == len(through):
            return through
        return np.interp(hertz, self.hertz, through.real) + 1j * np.interp(hertz, self.hertz, through.imag)

    def _level(self, channel: int, size: int, count: int) -> np.float32:
        """Return the gain from noise of deviation 1 in the band's `count` bins to the channel's floor."""
        unit = count * 4 * 0.375 * size / (0.5 * size) ** 2  # Hann: mean square 3/8, mean 1/2
        return np.float32(np.sqrt(self.floor[channel] / unit))


def _line_noise(bins: np.ndarray, rate: int, count: int, random: np.random.Generator) -> np.ndarray:
    """Make (count,) float32 noise with the spectrum of the faintest frames of (T, F) bins.

    Its deviation is 1 in the voice's band. White noise would give a telephone channel the full bandwidth. A
    channel that is digitally silent has no noise.
    """
    from scipy import fft

    power = bin_power(bins)
    sounding = power[power.any(axis=1)]
    if not len(sounding):
        return np.zeros(count, np.float32)
    quiet = np.percentile(sounding, _FAINTEST, axis=0)
    band, _ = band_of(quiet, rate, 2 * (len(quiet) - 1))
    gain = np.sqrt(quiet / (band.mean() + _TINY))
    size = fft.next_fast_len(count, real=True)
    white = fft.rfft(random.standard_normal(size, np.float32))
    shape = np.interp(np.linspace(0, 1, len(white)), np.linspace(0, 1, len(gain)), gain)
    return np.asarray(fft.irfft(white * shape.astype(np.float32), size)[:count])
