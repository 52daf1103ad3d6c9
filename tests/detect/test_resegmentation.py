"""Viterbi against all paths."""

from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diar.detect.resegmentation import viterbi


@given(
    steps=st.integers(0, 6),
    states=st.integers(1, 4),
    change=st.floats(0.001, 0.5),
    scale=st.floats(0.1, 10.0),
    seed=st.integers(0, 2**31),
)
def test_no_path_is_likelier(steps: int, states: int, change: float, scale: float, seed: int) -> None:
    log_likelihood = scale * np.random.default_rng(seed).standard_normal((steps, states))

    def log_probability(path: tuple[int, ...]) -> float:
        total = sum(log_likelihood[step, state] for step, state in enumerate(path))
        for before, after in pairwise(path):
            total += np.log(1 - change) if before == after else np.log(change / (states - 1))
        return float(total)

    found = viterbi(log_likelihood, change)
    assert found.shape == (steps,)
    best = max(map(log_probability, product(range(states), repeat=steps)))
    assert log_probability(tuple(found.tolist())) == pytest.approx(best)


def test_one_window_of_doubt_does_not_change_the_speaker() -> None:
    log_likelihood = np.zeros((9, 2))
    log_likelihood[:, 0] = 1.0
    log_likelihood[4] = [0.0, 1.5]
    assert viterbi(log_likelihood, 0.1).tolist() == [0] * 9
    assert log_likelihood.argmax(axis=1).tolist() == [0] * 4 + [1] + [0] * 4
