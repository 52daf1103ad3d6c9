"""A PLDA model from embeddings whose speakers are known: LDA, length, two-covariance model."""

from __future__ import annotations

import numpy as np
from scipy.linalg import eigh

from diar.detect.clustering.plda import Plda, XvectorTransform
from diar.detect.training.two_covariance import fit_two_covariance

_SHRUNK = 0.1  # of the within-speaker covariance in LDA, towards a multiple of I


def train_plda(
    embeddings: np.ndarray, labels: np.ndarray, dimensions: int | None = None, iterations: int = 20
) -> Plda:
    """Train a model that `read_plda` reads, once `write_npz` has written it.

    Embeddings are centred and scaled to one length, LDA keeps the dimensions in which speakers differ most
    (R. Fisher, 1936), what it gives is scaled again (D. Garcia-Romero and C. Espy-Wilson, Interspeech 2011),
    and the two-covariance model is fitted to that.

    Args:
        embeddings: (n, D).
        labels: (n,) the speaker of each.
        dimensions: that LDA keeps; None: all, D.
        iterations: of EM.

    Raises:
        ValueError: too few speakers or embeddings.
    """
    values = np.asarray(embeddings, np.float64)
    size = values.shape[1]
    kept = size if dimensions is None else min(dimensions, size)
    mean1 = _mean_of_speakers(values, labels)
    scaled = _scaled(values - mean1)
    lda = _lda(scaled, labels, kept)
    mean2 = scaled.mean(axis=0) @ lda
    projected = _scaled(scaled @ lda - mean2)
    model = fit_two_covariance(projected, labels, iterations)
    diagonalizer, psi = model.diagonalized()
    return Plda(model.mean, diagonalizer, psi, "sqrt", XvectorTransform(mean1, lda, mean2))


def _mean_of_speakers(values: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the mean of the speakers' means, so that nobody counts more for having more embeddings."""
    return np.asarray(_means(values, labels)[0].mean(axis=0))


def _means(values: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean of each speaker (K, D), and the speaker's row of each embedding (n,)."""
    _, number, counts = np.unique(labels, return_inverse=True, return_counts=True)
    sums = np.zeros((len(counts), values.shape[1]))
    np.add.at(sums, number, values)
    return sums / counts[:, None], number


def _lda(values: np.ndarray, labels: np.ndarray, dimensions: int) -> np.ndarray:
    """Return (D, dimensions): directions in which speakers differ most against what one speaker varies."""
    means, number = _means(values, labels)
    rest = values - means[number]
    within = rest.T @ rest / len(values)
    within = (1 - _SHRUNK) * within + _SHRUNK * np.trace(within) / len(within) * np.eye(len(within))
    apart = means - means.mean(axis=0)
    between = apart.T @ apart / len(means)
    _, directions = eigh(between, within)
    return np.asarray(directions[:, ::-1][:, :dimensions])


def _scaled(vectors: np.ndarray) -> np.ndarray:
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors * (np.sqrt(vectors.shape[1]) / np.where(norms > 0, norms, 1.0)))
