"""The energy gate on signals whose silence is known to the sample."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from diar.extract.silence import silent_frames, smoothed_power

RATE = 16_000


def noise(seconds: float, level: float, seed: int = 0) -> np.ndarray:
    samples = np.random.default_rng(seed).standard_normal(round(seconds * RATE))
    return (level * samples).astype(np.float32)


def silence_of(*parts: np.ndarray, margin: float = 3.0) -> np.ndarray:
    return silence_in(np.concatenate(parts)[None], margin)[0]


def silence_in(chunks: np.ndarray, margin: float) -> np.ndarray:
    return silent_frames(smoothed_power(torch.from_numpy(chunks), RATE).numpy(), margin)


def test_a_long_pause_is_silent_and_a_short_one_is_not() -> None:
    loud, long, short = noise(2, 0.1), noise(0.8, 0.001), noise(0.5, 0.001)
    silent = silence_of(loud, long, loud, short, loud)
    assert len(silent) == 730
    assert np.abs(np.flatnonzero(silent)[[0, -1]] - [200, 279]).max() <= 3
    assert silent[205:275].all()
    assert not silent[290:].any()


def test_the_floor_is_that_of_each_chunk() -> None:
    hum = noise(1, 0.01)
    quiet, busy = np.concatenate([hum, noise(1, 0.1), hum]), np.concatenate([hum, hum, noise(1, 0.0001)])
    silent = silence_in(np.stack([quiet, busy]), 3.0)
    assert silent[0, :95].all()
    assert not silent[1, :195].any()
    assert silent[1, 205:].all()


def test_digital_silence_is_silent_and_says_nothing_of_the_floor() -> None:
    silent = silence_of(np.zeros(RATE, np.float32), noise(1, 0.1), noise(1, 0.001), noise(1, 0.1))
    assert silent[:95].all()
    assert silent[205:295].all()
    assert not silent[105:195].any()
    assert silence_of(np.zeros(RATE, np.float32)).all()


@pytest.mark.parametrize(("seconds", "margin"), [(0.5, 3.0), (2.0, 0.0)])
def test_nothing_is_silent_in_less_than_a_pause_or_without_a_margin(seconds: float, margin: float) -> None:
    assert not silence_of(noise(seconds, 0.001), margin=margin).any()


@settings(max_examples=50)
@given(pauses=st.lists(st.tuples(st.integers(6, 99), st.integers(20, 90)), min_size=1, max_size=6))
def test_every_pause_of_60_frames_is_found_and_no_other(pauses: list[tuple[int, int]]) -> None:
    parts, expected = [noise(0.5, 0.1)], [np.zeros(50, bool)]
    for seed, (pause, speech) in enumerate(pauses):
        parts += [noise(pause / 100, 0.0001, seed), noise(speech / 100, 0.1, seed)]
        expected += [np.full(pause, pause >= 66), np.zeros(speech, bool)]
        if 58 <= pause < 66:  # smoothing moves the ends by two frames or so
            return
    # percentile: the floor needs a twentieth of the chunk
    if sum(pause for pause, _ in pauses) < 0.08 * sum(map(len, expected)):
        return
    differing = silence_of(*parts) != np.concatenate(expected)
    assert differing.sum() <= 4 * len(pauses)
