"""Many embeddings to fewer, pure clusters; part by part, so that memory does not grow with the square."""

from __future__ import annotations

import numpy as np

from diar.detect.clustering.similarity import average_linkage

PART = 1_000  # rows clustered at once


def over_cluster(
    embeddings: np.ndarray, weights: np.ndarray, threshold: float
) -> tuple[np.ndarray, np.ndarray]:
    """Cluster alike embeddings; return means (K, D), weighted and not normalised, and weights (K,).

    Parts of 1000 rows in the order given are clustered by average linkage; the means of all parts are then
    clustered in the same way, until they fit into one part or no longer get fewer. The dot product of two
    means is the mean cosine of all pairs between them, so the threshold means the same in every round.

    Args:
        embeddings: (n, D), L2-normalised, or means of such.
        weights: (n,) above 0.
        threshold: mean cosine down to which clusters merge.
    """
    while True:
        starts = range(0, len(embeddings), PART)
        merged = [_merge(embeddings[i : i + PART], weights[i : i + PART], threshold) for i in starts]
        if not merged:
            return embeddings, weights
        before = len(embeddings)
        embeddings, weights = (np.concatenate(values) for values in zip(*merged, strict=True))
        if len(merged) == 1 or len(embeddings) > 0.9 * before:
            return embeddings, weights


def cluster_means(
    embeddings: np.ndarray, weights: np.ndarray, labels: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return weighted means (K, D) and weights (K,) of the rows of each label 0 … K − 1; none is empty."""
    clusters = int(labels.max(initial=-1)) + 1
    sums = np.zeros((clusters, embeddings.shape[1]))
    np.add.at(sums, labels, embeddings * weights[:, None])
    totals = np.bincount(labels, weights, minlength=clusters)
    return sums / totals[:, None], totals


def _merge(embeddings: np.ndarray, weights: np.ndarray, threshold: float) -> tuple[np.ndarray, np.ndarray]:
    labels = average_linkage(embeddings @ embeddings.T, threshold)
    return cluster_means(embeddings, weights, labels)
