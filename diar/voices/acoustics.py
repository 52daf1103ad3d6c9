"""What a room, noise and a telephone line do to speech, so far as measuring needs it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import soxr
from scipy.signal import butter, fftconvolve, sosfiltfilt

from diar.demo.espeak import SAMPLE_RATE

TELEPHONE_RATE = 8_000
_BAND = (300.0, 3400.0)  # Hz, ITU-T G.712
_MU = 255.0  # ITU-T G.711
_PEAK = 0.9
_FLOOR = 1e-4  # white noise below everything: no recording is digital silence
_REFLECTIONS, _EARLY = 8, (0.003, 0.05)  # early ones, and seconds after the direct sound in which they come


@dataclass(frozen=True)
class Room:
    """A room, heard by one far microphone."""

    rt60: float  # seconds in which sound falls by 60 dB
    direct: tuple[float, float]  # dB of the direct sound over the reverberant; least and most of a person


ROOMS: Mapping[str, Room | None] = {
    "none": None,
    "office": Room(0.35, (0.0, 6.0)),
    "meeting": Room(0.6, (-3.0, 3.0)),
    "hall": Room(1.2, (-6.0, 0.0)),
}


def in_room(tracks: np.ndarray, room: Room | None, rng: np.random.Generator) -> np.ndarray:
    """Return (samples,) of all people, each heard from a place of their own; direct sound keeps its time.

    Args:
        tracks: (people, samples) at 16 kHz.
        room: None for none.
        rng: for the places.
    """
    if room is None:
        return np.asarray(tracks.sum(axis=0))
    heard = [fftconvolve(track, _impulse_response(room, rng))[: len(track)] for track in tracks]
    return np.asarray(np.sum(heard, axis=0, dtype=np.float64))


def _impulse_response(room: Room, rng: np.random.Generator) -> np.ndarray:
    """Return direct sound, early reflections, and a tail of noise that decays exponentially (Polack 1988)."""
    time = np.arange(round(room.rt60 * SAMPLE_RATE)) / SAMPLE_RATE
    tail = rng.standard_normal(len(time)) * 10 ** (-3 * time / room.rt60)
    tail[: round(_EARLY[0] * SAMPLE_RATE)] = 0
    places = (rng.uniform(*_EARLY, _REFLECTIONS) * SAMPLE_RATE).astype(int)
    tail[places] += rng.choice([-1, 1], _REFLECTIONS) * 6 * 10 ** (-3 * time[places] / room.rt60)
    level = 10 ** (-rng.uniform(*room.direct) / 20)
    response = level / np.linalg.norm(tail) * tail
    response[0] = 1.0
    return response


def with_noise(samples: np.ndarray, decibels: float | None, rng: np.random.Generator) -> np.ndarray:
    """Return samples with pink noise that is `decibels` below the speech, or hardly any with None."""
    floor = _FLOOR * rng.standard_normal(len(samples))
    if decibels is None:
        return samples + floor
    spectrum = np.fft.rfft(rng.standard_normal(len(samples)))
    frequency = np.fft.rfftfreq(len(samples), 1 / SAMPLE_RATE)
    pink = np.fft.irfft(spectrum / np.sqrt(np.maximum(frequency, 20.0)), len(samples))
    loud = np.abs(samples) > 0.01 * np.abs(samples).max()
    level = np.sqrt(np.mean(np.square(samples[loud]))) * 10 ** (-decibels / 20)
    return samples + floor + level / np.std(pink) * pink


def by_telephone(samples: np.ndarray) -> np.ndarray:
    """Return samples (n,) at 16 kHz as (n / 2,) at 8 kHz: narrow band, 8 bits of µ-law. Times are kept."""

    low = soxr.resample(scaled(samples), SAMPLE_RATE, TELEPHONE_RATE, "HQ")
    sos = butter(2, _BAND, "bandpass", fs=TELEPHONE_RATE, output="sos")
    low = scaled(sosfiltfilt(sos, low))
    code = np.round(127 * np.sign(low) * np.log1p(_MU * np.abs(low)) / np.log1p(_MU)) / 127
    return np.asarray(np.sign(code) * np.expm1(np.abs(code) * np.log1p(_MU)) / _MU)


def scaled(samples: np.ndarray) -> np.ndarray:
    """Return samples with a peak of 0.9."""
    return np.asarray(_PEAK / np.abs(samples).max() * samples)
