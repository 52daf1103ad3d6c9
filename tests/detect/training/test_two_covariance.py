"""The two-covariance model against brute force, and what it must find."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import multivariate_normal

from diar.detect.training.two_covariance import TwoCovariance, fit_two_covariance, log_likelihood_ratios


def covariance(size: int, random: np.random.Generator, scale: float) -> np.ndarray:
    root = random.normal(size=(size, 2 * size))
    return scale * root @ root.T / (2 * size)


def drawn(model: TwoCovariance, counts: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    size = len(model.mean)
    speakers = random.multivariate_normal(np.zeros(size), model.between, len(counts))
    labels = np.repeat(np.arange(len(counts)), counts)
    rest = random.multivariate_normal(np.zeros(size), model.within, len(labels))
    return model.mean + speakers[labels] + rest, labels


def likelihood(model: TwoCovariance, vectors: np.ndarray, labels: np.ndarray) -> float:
    """Return the log likelihood: all embeddings of a speaker are one normal vector."""
    total = 0.0
    for speaker in np.unique(labels):
        own = vectors[labels == speaker]
        count = len(own)
        joint = np.kron(np.ones((count, count)), model.between) + np.kron(np.eye(count), model.within)
        total += multivariate_normal(np.tile(model.mean, count), joint).logpdf(own.ravel())
    return total


def a_model(size: int, seed: int) -> TwoCovariance:
    random = np.random.default_rng(seed)
    return TwoCovariance(
        random.normal(size=size), covariance(size, random, 2.0), covariance(size, random, 1.0)
    )


@settings(deadline=None, max_examples=15)
@given(seed=st.integers(0, 1000), speakers=st.integers(3, 12))
def test_the_likelihood_never_falls(seed: int, speakers: int) -> None:
    counts = np.random.default_rng(seed).integers(1, 6, speakers)
    counts[0] = 4
    vectors, labels = drawn(a_model(3, seed), counts, seed)
    found = [likelihood(fit_two_covariance(vectors, labels, n), vectors, labels) for n in range(6)]
    assert all(later >= earlier - 1e-4 * abs(earlier) for earlier, later in pairwise(found))


def test_it_finds_the_model_that_made_the_data() -> None:
    true = a_model(4, 1)
    vectors, labels = drawn(true, np.random.default_rng(2).integers(2, 12, 3000), 3)
    found = fit_two_covariance(vectors, labels)
    assert np.abs(found.mean - true.mean).max() < 0.1
    for name in ("between", "within"):
        got, wanted = getattr(found, name), getattr(true, name)
        assert np.linalg.norm(got - wanted) < 0.06 * np.linalg.norm(wanted)


def test_diagonalizing_whitens_within_and_sorts_between() -> None:
    model = a_model(5, 4)
    transform, psi = model.diagonalized()
    assert np.allclose(transform @ model.within @ transform.T, np.eye(5))
    assert np.allclose(transform @ model.between @ transform.T, np.diag(psi))
    assert (np.diff(psi) <= 0).all() and (psi >= 0).all()


def test_the_ratio_is_that_of_the_densities() -> None:
    psi = np.array([3.0, 1.0, 0.2])
    random = np.random.default_rng(0)
    first, second = random.normal(size=(2, 20, 3)) * 2
    within, between = np.eye(3), np.diag(psi)
    one = multivariate_normal(
        np.zeros(6), np.block([[within + between, between], [between, within + between]])
    )
    two = multivariate_normal(np.zeros(3), within + between)
    wanted = one.logpdf(np.hstack([first, second])) - two.logpdf(first) - two.logpdf(second)
    assert np.allclose(log_likelihood_ratios(psi, first, second), wanted)


def test_too_little_is_refused() -> None:
    with pytest.raises(ValueError, match="two speakers"):
        fit_two_covariance(np.eye(4), np.arange(4))
    with pytest.raises(ValueError, match="two speakers"):
        fit_two_covariance(np.eye(4), np.zeros(4))
