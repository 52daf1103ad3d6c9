"""The two-covariance model by expectation-maximisation, and what it says of two embeddings.

An embedding is mean + speaker + rest, with speaker ~ N(0, B) and rest ~ N(0, W) (N. Brümmer and
E. de Villiers, "The speaker partitioning problem", Odyssey 2010). The likelihood rises with every step. With
W = I and B = diag(psi) it is the PLDA model that `diar.detect.clustering.plda` reads.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve, eigh

_FLOOR = 1e-8  # of the mean variance, so that covariances stay positive


@dataclass(frozen=True)
class TwoCovariance:
    """The model: mean (E,), between (E, E) and within (E, E) covariances."""

    mean: np.ndarray
    between: np.ndarray
    within: np.ndarray

    def diagonalized(self) -> tuple[np.ndarray, np.ndarray]:
        """Return T (E, E) and psi (E,) descending, with T W Tᵀ = I and T B Tᵀ = diag(psi)."""
        psi, vectors = eigh(self.between, self.within)
        order = np.argsort(-psi, kind="stable")
        return vectors[:, order].T, np.maximum(psi[order], 0.0)


def fit_two_covariance(vectors: np.ndarray, labels: np.ndarray, iterations: int = 20) -> TwoCovariance:
    """Fit the model.

    Args:
        vectors: (n, E).
        labels: (n,) the speaker of each.
        iterations: of EM, from the moments.

    Raises:
        ValueError: fewer than two speakers, or no speaker with two embeddings.
    """
    data = _Classes.of(vectors, labels)
    if len(data.counts) < 2 or len(vectors) == len(data.counts):
        raise ValueError("two speakers are needed at least, and one of them with two embeddings")
    model = data.moments()
    for _ in range(iterations):
        model = data.step(model)
    return model


def log_likelihood_ratios(psi: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return log p(pair | one speaker) − log p(pair | two speakers), natural logarithms.

    Args:
        psi: (E,) of the PLDA space.
        first, second: (n, E) embeddings there, as `Plda.transform` gives them; row i is compared with row i.
    """
    total = 1 + psi
    conditional = total - psi**2 / total  # variance of the second, given the first and one speaker
    behind = second - psi / total * first
    same = -0.5 * (behind**2 / conditional + np.log(conditional)).sum(axis=1)
    different = -0.5 * (second**2 / total + np.log(total)).sum(axis=1)
    return np.asarray(same - different)


@dataclass(frozen=True)
class _Classes:
    """Embeddings by speaker: what EM needs of them."""

    means: np.ndarray  # (K, E)
    counts: np.ndarray  # (K,)
    scatter: np.ndarray  # (E, E) sum over embeddings of their distance to the speaker's mean, squared

    @classmethod
    def of(cls, vectors: np.ndarray, labels: np.ndarray) -> _Classes:
        values = np.asarray(vectors, np.float64)
        _, number, counts = np.unique(labels, return_inverse=True, return_counts=True)
        sums = np.zeros((len(counts), values.shape[1]))
        np.add.at(sums, number, values)
        means = sums / counts[:, None]
        rest = values - means[number]
        return cls(means, counts, rest.T @ rest)

    def moments(self) -> TwoCovariance:
        """Return the model of the moments, where EM begins."""
        mean = self.means.mean(axis=0)
        within = _positive(self.scatter / (self.counts.sum() - len(self.counts)))
        return TwoCovariance(mean, _positive(np.cov(self.means.T, bias=True).reshape(within.shape)), within)

    def step(self, model: TwoCovariance) -> TwoCovariance:
        """Return the model after one step of EM."""
        size, total = len(model.mean), float(self.counts.sum())
        speakers = np.empty_like(self.means)  # posterior means, without the model's mean
        between, within = np.zeros((size, size)), self.scatter.copy()
        within_inverse = cho_solve(cho_factor(model.within), np.eye(size))
        between_inverse = cho_solve(cho_factor(model.between), np.eye(size))
        for count in np.unique(self.counts):
            rows = self.counts == count
            covariance = cho_solve(cho_factor(between_inverse + count * within_inverse), np.eye(size))
            speakers[rows] = count * (self.means[rows] - model.mean) @ within_inverse @ covariance
            between += rows.sum() * covariance
            within += rows.sum() * count * covariance
        mean = (self.counts @ (self.means - speakers)) / total
        behind = self.means - mean - speakers
        within += (self.counts[:, None] * behind).T @ behind
        between += speakers.T @ speakers
        return TwoCovariance(mean, _positive(between / len(self.counts)), _positive(within / total))


def _positive(covariance: np.ndarray) -> np.ndarray:
    """Return a covariance with a floor under its variances."""
    even = (covariance + covariance.T) / 2
    return np.asarray(even + _FLOOR * max(np.trace(even) / len(even), 1e-12) * np.eye(len(even)))
