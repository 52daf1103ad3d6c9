"""Similarities of all pairs, a threshold learned from them, and average linkage cut there."""

from __future__ import annotations

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform
from scipy.special import expit

from diar.detect.boundaries.speakers import number_by_appearance

_ITERATIONS = 20
_MOST_SCORES = 2_000_000  # that the threshold is estimated from


def unit_rows(vectors: np.ndarray) -> np.ndarray:
    """Scale the rows of (n, D) to length 1; a zero row stays zero."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(norms > 0, norms, 1.0))


def cosine_similarities(vectors: np.ndarray) -> np.ndarray:
    """Return the cosines (n, n) between the rows of (n, D); a zero vector is similar to nothing."""
    scaled = unit_rows(vectors)
    return np.asarray(scaled @ scaled.T)


def plda_similarities(features: np.ndarray, psi: np.ndarray) -> np.ndarray:
    """Log-likelihood ratios (n, n) of "one speaker" to "two speakers" between rows of features.

    In each dimension `[x, y]` has covariance [[1 + ψ, ψ], [ψ, 1 + ψ]] if the speaker is one, and no
    correlation otherwise (Burget et al., "Discriminatively trained probabilistic linear
    discriminant analysis for speaker verification", ICASSP 2011, eq. 7–8).

    Args:
        features: (n, R) of `Plda.transform`.
        psi: (R,) variance of speakers in each dimension.
    """
    cross = psi / (1 + 2 * psi)
    own = features**2 @ (-0.5 * psi**2 / ((1 + psi) * (1 + 2 * psi)))
    constant = np.sum(np.log1p(psi) - 0.5 * np.log1p(2 * psi))
    return np.asarray((features * cross) @ features.T + own[:, None] + own + constant)


def two_gaussian_threshold(scores: np.ndarray) -> float:
    """Return where two Gaussians of common variance, fitted to scores by 20 steps of EM, are equally likely.

    The lower one is pairs of different speakers, the upper one pairs of the same: VBx's calibration for
    agglomerative clustering (Landini et al. 2022, section 3.2). Of more than 2 million scores a fixed random
    sample is taken. Scores that are all the same have no threshold between them: it is the least of them.
    """
    values = np.asarray(scores, dtype=np.float64).ravel()
    if len(values) > _MOST_SCORES:
        values = values[np.random.default_rng(0).integers(len(values), size=_MOST_SCORES)]
    center, deviation = float(values.mean()), float(values.std())
    if not deviation > 1e-9 * abs(center):
        return float(values.min())
    values = (values - center) / deviation
    weights, means, variance = np.array([0.5, 0.5]), np.array([-1.0, 1.0]), 1.0
    least, most, threshold = values.min(), values.max(), 0.0
    for _ in range(_ITERATIONS):
        slope = (means[1] - means[0]) / variance
        upper = expit(slope * (values - threshold))
        share = float(upper.mean())
        sums = np.array([values.sum() - values @ upper, values @ upper]) / len(values)
        weights = np.array([1 - share, share])
        if weights.min() <= 0:
            break  # one Gaussian explains them all
        means = sums / weights
        variance = max(1.0 - float(weights @ means**2), np.finfo(float).tiny)  # values have mean square 1
        middle = means.mean()
        threshold = middle - variance * np.log(weights[1] / weights[0]) / (means[1] - means[0])
        threshold = float(np.clip(threshold, least, most))
    return center + deviation * threshold


def average_linkage(similarities: np.ndarray, threshold: float) -> np.ndarray:
    """Merge clusters while the mean similarity over all pairs between two of them is at least the threshold.

    Args:
        similarities: (n, n), symmetric; any scale. Memory: two further matrices of half the size.
        threshold: on the scale of the similarities.

    Returns:
        (n,) clusters, numbered from 0 by first appearance.
    """
    if len(similarities) < 2:
        return np.zeros(len(similarities), dtype=np.int64)
    pairs = squareform(similarities, checks=False)
    most = float(pairs.max())
    tree = linkage(most - pairs, method="average")
    return number_by_appearance(fcluster(tree, most - threshold, criterion="distance"))
