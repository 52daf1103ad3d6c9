"""What a choice is worth: it must not be told better than it is."""

from __future__ import annotations

import numpy as np
import pytest

from diar.jobs.detect.config import DetectConfig
from diar.jobs.sweep.space import Trial
from diar.jobs.tune.validation import Learned, learn
from diar.score.amounts import Amounts

CONFIG = DetectConfig(embeddings_dir="E", output_dir="R", task="turns")
ONSETS = (None, 0.2, 0.3, 0.5, 0.6)


def trials() -> list[Trial]:
    return [Trial({} if onset is None else {"onset": onset}, CONFIG) for onset in ONSETS]


def learned(errors: np.ndarray, speech: float = 600.0, **how: object) -> Learned:
    """Learn from errors (recordings, trials), in seconds."""
    tried = trials()
    amounts = {
        f"r{row:03}": {
            trial.key: Amounts(recordings=1, speech=speech, confusion=float(error))
            for trial, error in zip(tried, own, strict=True)
        }
        for row, own in enumerate(errors)
    }
    return learn(amounts, tried, **how)  # type: ignore[arg-type]


def noisy(gains: tuple[float, ...], recordings: int, noise: float, seed: int) -> np.ndarray:
    """Return errors: 100 s by default, less by `gains`, with noise of recordings and trials."""
    random = np.random.default_rng(seed)
    hard = random.normal(0, 30, (recordings, 1))
    return 100 + hard - np.array(gains) + random.normal(0, noise, (recordings, len(gains)))


def test_a_real_gain_is_found_and_shown() -> None:
    found = learned(noisy((0, 0, 30, 10, 0), 20, 5, 1))
    assert found.trial.given == {"onset": 0.3} and found.agreement == {"onset": 1.0}
    assert found.shown and found.gain == pytest.approx(30 / 600, abs=0.005)
    assert found.interval[0] < found.gain < found.interval[1]
    assert found.default - found.held_out == pytest.approx(found.gain)
    assert not found.too_little


def test_chance_alone_shows_no_gain() -> None:
    """Nineteen of twenty archives at least, where no trial differs from the defaults but by chance."""
    shown = [learned(noisy((0,) * 5, 12, 20, seed)).shown for seed in range(100)]
    assert sum(shown) <= 5


def test_the_interval_holds_the_true_gain_as_often_as_it_says() -> None:
    inside = []
    for seed in range(100):
        found = learned(noisy((0, 0, 30, 0, 0), 30, 15, seed), confidence=0.9)
        inside.append(found.interval[0] <= 30 / 600 <= found.interval[1])
    assert 80 <= sum(inside) <= 98


def test_what_is_as_good_within_a_standard_error_gives_way_to_the_defaults() -> None:
    found = learned(noisy((0, 1, 1, 1, 1), 10, 20, 3))
    assert not found.trial.given


def test_too_little_is_said() -> None:
    assert learned(noisy((0, 0, 30, 0, 0), 3, 1, 1)).too_little
    assert learned(noisy((0, 0, 30, 0, 0), 20, 1, 1), speech=20.0).too_little


def test_recordings_without_speech_do_not_count_and_one_is_not_enough() -> None:
    with pytest.raises(ValueError, match="two recordings"):
        learned(noisy((0, 0, 30, 0, 0), 1, 1, 1))
    with pytest.raises(ValueError, match="two recordings"):
        learned(noisy((0, 0, 30, 0, 0), 5, 1, 1), speech=0.0)


def test_the_same_seed_gives_the_same() -> None:
    errors = noisy((0, 5, 9, 5, 0), 15, 15, 4)
    assert learned(errors, seed=3) == learned(errors, seed=3)
