"""Calibrations against what is known of Gaussians, and against the equations that a fit must meet."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from diar.detect.backend.calibration import Calibration
from diar.detect.training.calibration import cost_of_ratios, fit_calibration


def gaussians(
    same: float, other: float, deviation: float, seed: int, n: int
) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    scores = np.concatenate([random.normal(same, deviation, n), random.normal(other, deviation, 5 * n)])
    return scores, np.arange(6 * n) < n


def test_gaussians_of_one_variance_have_the_line_of_their_formula() -> None:
    """ln N(s; a, v) − ln N(s; b, v) = (a − b) s / v − (a² − b²) / 2 v."""
    scores, target = gaussians(0.6, 0.1, 0.15, seed=1, n=40_000)
    found = fit_calibration(scores, target)
    assert found is not None
    assert found.slope == pytest.approx(0.5 / 0.15**2, rel=0.03)
    assert found.offset == pytest.approx(-(0.6**2 - 0.1**2) / (2 * 0.15**2), rel=0.03)


@settings(max_examples=20)
@given(st.integers(0, 1000), st.floats(0.05, 0.5), st.floats(-3, 3), st.floats(0.1, 30))
def test_a_fit_moves_with_the_scale_and_cannot_be_bettered(
    seed: int, deviation: float, shift: float, scale: float
) -> None:
    scores, target = gaussians(0.5, 0.1, deviation, seed, 60)
    found, moved = fit_calibration(scores, target), fit_calibration(scale * scores + shift, target)
    assert found is not None and moved is not None
    ratios = found.slope * scores + found.offset
    assert moved.slope * (scale * scores + shift) + moved.offset == pytest.approx(ratios, abs=1e-3, rel=1e-3)
    wanted = np.where(target, 61 / 62, 1 / 302)
    missing = np.where(target, 1 / 60, 1 / 300) * (expit(ratios) - wanted)
    assert abs(missing.sum()) < 1e-6 and abs(missing @ scores) < 1e-6  # the gradient of the cross entropy


def test_ratios_say_what_they_cost() -> None:
    scores, target = gaussians(0.6, 0.1, 0.15, seed=2, n=4_000)
    found = fit_calibration(scores, target)
    assert found is not None
    costs = [cost_of_ratios(f * (found.slope * scores + found.offset), target) for f in (0.0, 0.5, 1.0, 3.0)]
    assert costs[0] == pytest.approx(1.0) and costs[2] == min(costs) < 0.35
    assert cost_of_ratios(np.array([50.0, -50.0]), np.array([True, False])) == pytest.approx(0, abs=1e-12)


def test_few_pairs_and_scores_that_say_nothing_have_none() -> None:
    scores, target = gaussians(0.6, 0.1, 0.15, seed=3, n=19)
    assert fit_calibration(scores, target) is None
    scores, target = gaussians(0.6, 0.1, 0.15, seed=3, n=50)
    assert fit_calibration(-scores, target) is None
    apart = fit_calibration(np.where(target, 1.0, 0.0), target)  # no overlap: finite all the same
    assert apart is not None and 1 < apart.slope < 20
    assert Calibration(20.0, -8.0).score_at(0.0) == pytest.approx(0.4)
