"""Pauses by energy in the voice's bands, on signals whose pauses are known to the sample."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from diar.embedding.speech.band_excess import band_excess
from diar.embedding.speech.band_levels import BandLevels
from diar.embedding.speech.silence import lasting, silent_frames
from diar.models.segmentation.base import FrameGeometry

RATE = 16_000
FRAMES = FrameGeometry(991, 270)
STEP = FRAMES.step_seconds
UNSURE = 0.97  # probability of speech in all of a signal: neither certain nor doubtful


def noise(seconds: float, level: float, seed: int = 0) -> np.ndarray:
    samples = np.random.default_rng(seed).standard_normal(round(seconds * RATE))
    return (level * samples).astype(np.float32)


def silence_of(*parts: np.ndarray, margin: float = 2.0, speech: float | np.ndarray = UNSURE) -> np.ndarray:
    """(frames,) bool, `speech` being the network's probability."""
    levels = BandLevels(FRAMES)(torch.from_numpy(np.concatenate(parts)[None]))
    probability = np.broadcast_to(speech, (1, levels.shape[2])).astype(np.float32)
    excess = band_excess(levels, torch.from_numpy(probability), STEP).numpy()
    return silent_frames(excess, probability, margin, STEP)[0]


def within(silent: np.ndarray, start: float, end: float) -> np.ndarray:
    """The frames centred between two times, in seconds."""
    centres = FRAMES.first_center + np.arange(len(silent)) * STEP
    return silent[(centres > start) & (centres < end)]


def test_a_long_pause_is_silent_and_a_short_one_is_not() -> None:
    loud, long, short = noise(2, 0.1), noise(0.8, 0.001), noise(0.5, 0.001)
    silent = silence_of(loud, long, loud, short, loud)
    assert within(silent, 2.05, 2.75).all()
    assert not within(silent, 0, 1.95).any()
    assert not within(silent, 2.85, 7.2).any()


def test_a_short_pause_is_silent_where_the_network_doubts() -> None:
    parts = noise(2, 0.1), noise(0.4, 0.001), noise(2, 0.1)
    doubtful = silence_of(*parts, speech=0.5)
    assert within(doubtful, 2.05, 2.35).all()
    assert not within(doubtful, 0, 1.95).any()
    assert not silence_of(*parts, speech=UNSURE).any()


def test_what_the_network_is_sure_of_is_never_silence() -> None:
    parts = noise(2, 0.1), noise(2, 0.001), noise(2, 0.1)
    assert silence_of(*parts).any()
    assert not silence_of(*parts, speech=0.995).any()
    assert within(
        silence_of(*parts[:1], np.zeros(RATE, np.float32), *parts[2:], speech=0.995), 2.05, 2.95
    ).all()


@pytest.mark.parametrize("hertz", [0, 15, 50, 60])
@pytest.mark.parametrize("level", [-40, -20, -10])
def test_what_lies_below_the_voice_hides_no_pause_and_makes_none(hertz: int, level: int) -> None:
    parts = [noise(2, 0.05, 1), noise(0.7, 0.0005, 2), noise(3, 0.05, 3), noise(1, 0.0005, 4)]
    clean = np.concatenate(parts)
    time = np.arange(len(clean)) / RATE
    disturbed = clean + 10 ** (level / 20) * np.cos(2 * np.pi * hertz * time).astype(np.float32)
    expected, found = silence_of(clean), silence_of(disturbed)
    assert within(expected, 2.05, 2.65).all()
    assert (expected != found).mean() < 0.02


def test_digital_silence_is_silent_and_says_nothing_of_the_floor() -> None:
    silent = silence_of(np.zeros(RATE, np.float32), noise(1, 0.1), noise(1, 0.001), noise(1, 0.1))
    assert within(silent, 0, 0.95).all()
    assert within(silent, 2.05, 2.95).all()
    assert not within(silent, 1.05, 1.95).any()
    assert silence_of(np.zeros(RATE, np.float32)).all()


@pytest.mark.parametrize(("seconds", "margin"), [(0.5, 2.0), (2.0, 0.0)])
def test_nothing_is_silent_in_less_than_a_pause_or_without_a_margin(seconds: float, margin: float) -> None:
    assert not silence_of(noise(seconds, 0.001), margin=margin).any()


@pytest.mark.parametrize(
    ("seconds", "speech", "silent"),
    [(0.25, 0.75, True), (0.25, 0.85, False), (0.5, 0.9, True), (0.5, 0.97, False), (0.7, 0.97, True)],
)
def test_the_less_sure_the_network_the_shorter_a_pause(seconds: float, speech: float, silent: bool) -> None:
    found = silence_of(noise(1, 0.1), noise(seconds + 0.06, 0.001), noise(1, 0.1), speech=speech)
    assert found.any() == silent


@settings(max_examples=50)
@given(mask=st.lists(st.booleans(), max_size=60), least=st.integers(1, 10))
def test_runs_that_last_are_kept_whole(mask: list[bool], least: int) -> None:
    text = "".join("x" if value else "." for value in mask)
    expected = "".join(
        part if len(part) >= least else "." * len(part) for part in text.replace(".", " . ").split()
    )
    assert "".join("x" if value else "." for value in lasting(np.array([mask], bool), least)[0]) == expected
