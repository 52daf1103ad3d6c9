"""What recordings sound like."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import uniform_filter1d

from diar.embedding.character import Character, mean_around
from tests.commands import RATE

TIME = np.arange(8 * RATE) / RATE
NOISE = np.random.default_rng(0).standard_normal(len(TIME))
CHORD = sum(np.sin(2 * np.pi * k * f * TIME) / k for f in (262, 330, 392) for k in range(1, 6))


def character(samples: np.ndarray, chunk: int = 3 * RATE) -> Character:
    found = Character(RATE)
    for start in range(0, len(samples), chunk):
        found.add(samples[start : start + chunk].astype(np.float32))
    return found


@pytest.mark.parametrize(
    ("samples", "sound"),
    [
        (0.1 * NOISE, "noise"),
        (0.1 * np.convolve(NOISE, 0.9 ** np.arange(60), "same"), "noise"),  # dark
        (0.1 * NOISE * np.exp(-12 * (TIME % 0.5)), "noise"),  # drums
        (0.3 * np.sin(2 * np.pi * 1000 * TIME), "tone"),
        (0.2 * np.sin(2 * np.pi * 350 * TIME) + 0.2 * np.sin(2 * np.pi * 440 * TIME), "tone"),  # a dial tone
        (0.3 * np.sin(2 * np.pi * 50 * TIME) + 0.001 * NOISE, "tone"),  # hum
        (0.05 * CHORD * np.repeat([1.0, 0.3, 0.8, 0.2], 2 * RATE), "harmonic"),
        (1e-4 * NOISE, "quiet"),
        (np.zeros(RATE), "quiet"),
        (0.1 * NOISE[:900], ""),  # too short for a frame
    ],
)
def test_what_it_sounds_like(samples: np.ndarray, sound: str) -> None:
    assert character(samples).sound == sound


def test_a_voice_is_harmonic(conversation: np.ndarray) -> None:
    assert character(conversation).sound == "harmonic"


@given(amplitude=st.floats(1e-5, 1.0), chunk=st.integers(500, 40_000))
def test_the_peak_is_the_loudest_samples(amplitude: float, chunk: int) -> None:
    samples = np.zeros(40_000)
    samples[12_345] = -amplitude
    assert character(samples, chunk).peak == pytest.approx(20 * np.log10(amplitude), abs=1e-3)


@pytest.mark.parametrize("decibel", [40.0, 20.0, 6.0])
def test_the_range_of_levels_is_that_of_pauses_and_speech(decibel: float) -> None:
    loud = (TIME % 1.0) < 0.5
    samples = 0.1 * NOISE * np.where(loud, 1.0, 10 ** (-decibel / 20))
    assert character(samples).level_range == pytest.approx(decibel, abs=2.0)
    assert character(0.001 * samples).level_range == pytest.approx(decibel, abs=2.0)
    assert character(np.zeros(5 * RATE)).level_range is None
    assert character(samples[:900]).level_range is None, "too short for a frame"


@pytest.mark.parametrize("hertz", [3_400, 4_000, 5_500, 8_000])
def test_the_band_ends_where_the_sound_does(hertz: int) -> None:
    spectrum = np.fft.rfft(NOISE)
    spectrum[np.fft.rfftfreq(len(NOISE), 1 / RATE) > hertz] = 0
    narrow = np.fft.irfft(spectrum, len(NOISE))
    assert character(0.1 * narrow).bandwidth == pytest.approx(hertz, abs=150)


def test_a_telephone_call_in_a_wide_file_has_a_narrow_band(conversation: np.ndarray) -> None:
    import soxr

    call = soxr.resample(soxr.resample(conversation, RATE, 8_000), 8_000, RATE)
    assert character(call).bandwidth < 4_200 < character(conversation).bandwidth
    assert Character(RATE).bandwidth == 0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("length", "size"), [(300, 32), (513, 31), (5, 3), (4, 8)])
def test_means_are_scipys_bit_for_bit(length: int, size: int, dtype: type) -> None:
    values = (10.0 ** np.random.default_rng(length).uniform(-9, 3, (7, length))).astype(dtype)
    assert np.array_equal(mean_around(values, size), uniform_filter1d(values, size, axis=-1))
    assert np.array_equal(mean_around(values[0], size), uniform_filter1d(values[0], size))
