"""Scores of pairs, their threshold and average linkage, against scipy, scikit-learn and plain loops."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax
from scipy.stats import multivariate_normal
from sklearn.cluster import AgglomerativeClustering

from diar.detect.clustering.similarity import (
    average_linkage,
    cosine_similarities,
    plda_similarities,
    two_gaussian_threshold,
)


def test_plda_scores_are_likelihood_ratios_of_the_joint_gaussian() -> None:
    rng = np.random.default_rng(0)
    psi = np.array([3.0, 1.0, 0.0])
    features = rng.standard_normal((4, 3)) * np.sqrt(1 + psi)
    total = np.diag(1 + psi)
    joint = multivariate_normal(np.zeros(6), np.block([[total, np.diag(psi)], [np.diag(psi), total]]))
    alone = multivariate_normal(np.zeros(3), total)
    scores = plda_similarities(features, psi)
    for i in range(4):
        for j in range(4):
            both = joint.logpdf(np.concatenate([features[i], features[j]]))
            expected = both - alone.logpdf(features[i]) - alone.logpdf(features[j])
            assert scores[i, j] == pytest.approx(expected)


def test_cosine_of_zero_is_zero() -> None:
    vectors = np.array([[3.0, 4.0], [4.0, 3.0], [0.0, 0.0]])
    expected = [[1, 0.96, 0], [0.96, 1, 0], [0, 0, 0]]
    np.testing.assert_allclose(cosine_similarities(vectors), expected)


def em_threshold(scores: np.ndarray) -> float:
    """EM of two Gaussians with one variance, written from the definition on the scores as they are."""
    weights, means, variance = (
        np.array([0.5, 0.5]),
        scores.mean() + scores.std() * np.array([-1, 1]),
        scores.var(),
    )
    for _ in range(20):
        logs = np.log(weights) - (scores[:, None] - means) ** 2 / (2 * variance)
        shares = softmax(logs, axis=1)
        weights = shares.mean(axis=0)
        means = scores @ shares / shares.sum(axis=0)
        variance = (shares * (scores[:, None] - means) ** 2).sum() / len(scores)
    # w0·N(t; m0) = w1·N(t; m1)
    return float(means.mean() + variance * np.log(weights[0] / weights[1]) / (means[1] - means[0]))


@given(st.integers(0, 2**32 - 1), st.floats(1.0, 6.0), st.floats(0.1, 0.9), st.floats(0.01, 100))
@settings(max_examples=40)
def test_the_threshold_is_that_of_em(seed: int, apart: float, share: float, scale: float) -> None:
    rng = np.random.default_rng(seed)
    scores = scale * (rng.standard_normal(500) + apart * (rng.random(500) < share) - 3)
    assert two_gaussian_threshold(scores) == pytest.approx(em_threshold(scores), rel=1e-6, abs=1e-6 * scale)


def test_the_threshold_lies_where_both_are_as_likely() -> None:
    rng = np.random.default_rng(1)
    scores = np.concatenate([rng.normal(-2, 1, 50_000), rng.normal(4, 1, 50_000)])
    assert two_gaussian_threshold(scores) == pytest.approx(1.0, abs=0.05)
    many = np.tile(scores, 30)  # of which a sample is taken
    assert two_gaussian_threshold(many) == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize("scores", [np.full((7, 7), 0.1), np.full((1, 1), 3.0), np.zeros((4, 4))])
def test_equal_scores_make_one_cluster(scores: np.ndarray) -> None:
    assert average_linkage(scores, two_gaussian_threshold(scores)).tolist() == [0] * len(scores)


@given(st.integers(2, 25), st.integers(0, 2**32 - 1), st.floats(-1, 1))
@settings(max_examples=40)
def test_average_linkage_equals_scikit_learn(count: int, seed: int, threshold: float) -> None:
    similarities = cosine_similarities(np.random.default_rng(seed).standard_normal((count, 4)))
    reference = AgglomerativeClustering(
        n_clusters=None, metric="precomputed", linkage="average", distance_threshold=1 - threshold
    ).fit(1 - similarities)
    found = average_linkage(similarities, threshold)
    assert len(set(zip(found, reference.labels_, strict=True))) == reference.n_clusters_ == found.max() + 1


def test_clusters_are_numbered_by_appearance() -> None:
    similarities = np.array([[9, -5, 3, -5], [-5, 9, -5, 4], [3, -5, 9, -5], [-5, 4, -5, 9]], dtype=float)
    assert average_linkage(similarities, 0.0).tolist() == [0, 1, 0, 1]
    assert average_linkage(similarities, 3.5).tolist() == [0, 1, 2, 1]
    assert average_linkage(similarities, 10.0).tolist() == [0, 1, 2, 3]
    assert average_linkage(similarities, -6.0).tolist() == [0, 0, 0, 0]
    assert average_linkage(np.zeros((0, 0)), 0.0).tolist() == []
