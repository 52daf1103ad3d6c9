"""Choice of a recording's channels to read: their mean if that is safe, else the better one, else each.

It is made from a few seconds at several places of the file (docs/decisions/051-channels-and-tracks.md).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from diar.archive.audio_file import Channels
from diar.archive.channels.spectra import Spectra, active, alone, speech_score, total_power

AUTO, MIX, EACH = "auto", "mix", "each"
PLACES, SECONDS = 12, 2.0  # glimpses of a recording, and the length of each

_SPEECH = 0.4  # `speech_score` from which a channel carries speech
_ALIKE = 0.5  # correlation from which two channels hold one sound
_LONGEST_DELAY = 0.012  # seconds between microphones
_DELAYS = 1024  # delays to try, 31 µs apart
_DEAD = -45.0  # dB relative to the loudest channel, below which a channel adds nothing to the mean
_LOST = 6.0  # dB between speech and noise that the mean may cost
_SIDES = 0.6  # share of a call's frames with speech in which only one channel talks
_LEAST_SIDE = 0.04  # least share of those frames that a side of the call has
_RUMBLE = 0.9  # share of power below 200 Hz from which a channel carries low frequencies only
_SURROUND = {
    6: (2, 3),
    8: (2, 3),
}  # channels of 5.1 and 7.1 in a WAV or FLAC: the centre, and low frequencies
_TINY = 1e-12


@dataclass(frozen=True)
class ChannelChoice:
    """The channels to read.

    Attributes:
        name: `mix`, a number from 0, or `each`; goes to the index.
        read: the channels of each signal: one signal, or for `each` one a channel.
        note: why it is not a plain mean, in words; empty if it is one, or was asked for.
    """

    name: str
    read: tuple[Channels, ...]
    note: str = ""

    @classmethod
    def asked(cls, wanted: str, channels: int) -> ChannelChoice:
        """Return the choice of the user: `mix`, `each`, or a number below `channels`."""
        if wanted == EACH and channels > 1:
            return cls(EACH, tuple(range(channels)))
        return cls(MIX, (None,)) if wanted in (MIX, EACH) else cls(wanted, (int(wanted),))

    @classmethod
    def one(cls, channel: int, why: str) -> ChannelChoice:
        """Return the choice of a single channel."""
        return cls(str(channel), (channel,), f"channel {channel} alone is read: {why}")


def choose_channels(seen: Spectra, layout: tuple[str, ...] = ()) -> ChannelChoice:
    """Choose what `auto` reads of a file with several channels.

    Args:
        seen: glimpses of the file.
        layout: names of the channels, if they are known.
    """
    power = seen.power
    level = 10 * np.log10(power.mean(axis=1) + _TINY)
    alive = np.flatnonzero(level > level.max() + _DEAD)
    low = [i for i in range(len(power)) if i not in alive and seen.rumble[i] > _RUMBLE]
    scores = np.array([speech_score(bins, seen.hertz, seen.glimpse) for bins in seen.bins])
    centre = _centre(seen, layout, scores, low)
    if centre is not None:
        return ChannelChoice.one(centre, "it is the centre, which carries the dialogue")
    sides = _sides(power[alive])
    if len(sides) > 1 and (scores[alive[sides]] > _SPEECH).all():
        numbers = ", ".join(str(alive[side]) for side in sides)
        return ChannelChoice(
            EACH, tuple(range(len(power))), f"channels {numbers} carry different people and are read apart"
        )
    clear = np.array([_clearness(bins) for bins in seen.bins])
    best = _best(power, scores, clear)
    opposed = [int(i) for i in alive if i != best and _opposed(seen, best, int(i))]
    if opposed:
        return ChannelChoice.one(
            best, f"it is out of phase with channel {opposed[0]}, a mean would cancel voices"
        )
    kept = [i for i in range(len(power)) if i not in low]
    mean = _clearness(seen.signal(np.isin(np.arange(len(power)), kept) / len(kept)))
    if clear[best] - mean > _LOST:
        lost = clear[best] - mean
        return ChannelChoice.one(best, f"the others would add noise, {lost:.0f} dB of it")
    if low:
        return ChannelChoice(MIX, (tuple(kept),), f"channel {low[0]} is left out: low frequencies only")
    return ChannelChoice(MIX, (None,))


def _centre(seen: Spectra, layout: tuple[str, ...], scores: np.ndarray, low: list[int]) -> int | None:
    """Return the centre channel of surround sound, if it carries speech."""
    channels = len(scores)
    if "FC" in layout and len(layout) == channels > 2:
        centre = layout.index("FC")
    elif channels in _SURROUND and (
        _SURROUND[channels][1] in low or not seen.power[_SURROUND[channels][1]].any()
    ):
        centre = _SURROUND[channels][0]
    else:
        return None
    return centre if scores[centre] > _SPEECH and scores[centre] >= 0.9 * scores.max() else None


def _sides(power: np.ndarray) -> np.ndarray:
    """Return channels of (channels, T) band power that mostly talk alone, as the sides of a call do."""
    if len(power) < 2:
        return np.empty(0, np.int64)
    who = alone(power)
    own = np.bincount(who[who >= 0], minlength=len(power)) / max(1, active(power).sum())
    sides = np.flatnonzero(own > _LEAST_SIDE)
    return sides if own[sides].sum() > _SIDES else np.empty(0, np.int64)


def _best(power: np.ndarray, scores: np.ndarray, clear: np.ndarray) -> int:
    """Return the loudest of the clearest channels that are like speech and hold most of the talk."""
    talking = np.stack([active(own[None]) for own in power])
    heard = talking.sum(axis=1) * (scores > 0.5 * scores.max())
    full = heard >= 0.9 * heard.max()
    clearest = full & (clear > clear[full].max() - 1.0)
    return int(np.argmax(np.where(clearest, power.mean(axis=1), 0.0)))


def _clearness(bins: np.ndarray) -> float:
    """Return dB from the quiet to the loud frames of (T, F), as the distance of speech from noise."""
    power = total_power(bins)
    quiet, loud = np.percentile(power, [10, 95])
    return float(10 * np.log10((loud + _TINY) / (quiet + loud * 1e-6 + _TINY)))


def _opposed(seen: Spectra, first: int, second: int) -> bool:
    """Return whether two channels hold one sound with opposite signs, in one perhaps later and weaker."""
    cross = (seen.bins[first] * seen.bins[second].conj()).sum(axis=0)
    norm = np.sqrt(seen.power[first].sum() * seen.power[second].sum()) + _TINY
    spacing = seen.hertz[1] - seen.hertz[0]
    spectrum = np.zeros(_DELAYS, np.complex64)
    spectrum[np.round(seen.hertz / spacing).astype(int)] = cross
    correlation = np.fft.ifft(spectrum).real * _DELAYS / norm
    delays = np.fft.fftfreq(_DELAYS, spacing)  # seconds
    correlation = correlation[np.abs(delays) <= _LONGEST_DELAY]
    strongest = correlation[np.abs(correlation).argmax()]
    return bool(strongest < -_ALIKE)
