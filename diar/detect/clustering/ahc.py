"""Agglomerative clustering of window embeddings: average linkage of cosines; small clusters dissolve."""

from __future__ import annotations

import numpy as np
from scipy.cluster.hierarchy import cut_tree, fcluster, linkage
from scipy.spatial.distance import squareform

from diar.detect.clustering.over_clustering import cluster_means
from diar.detect.clustering.similarity import unit_rows
from diar.detect.clustering.speaker_count import SpeakerCount


def cluster_ahc(
    embeddings: np.ndarray,
    weights: np.ndarray,
    count: SpeakerCount,
    *,
    threshold: float,
    least_seconds: float,
) -> np.ndarray:
    """Return the centroids (K, D) of the clusters, L2-normalised.

    Args:
        embeddings: (n, D), L2-normalised, or means of such; memory grows with n².
        weights: (n,) seconds that each stands for.
        count: how many clusters are allowed.
        threshold: mean cosine between two clusters down to which they merge.
        least_seconds: clusters with less are given to the others, as long as `count` allows it.
    """
    if len(embeddings) < 2:
        return unit_rows(embeddings.astype(np.float64))
    distances = 1.0 - embeddings @ embeddings.T
    np.fill_diagonal(distances, 0.0)
    tree = linkage(squareform(np.maximum(distances, 0.0), checks=False), method="average")
    labels = fcluster(tree, 1.0 - threshold, criterion="distance") - 1
    seconds = np.bincount(labels, weights)
    large = int((seconds >= least_seconds).sum())
    wanted = min(count.clip(max(1, large)), len(embeddings))
    if wanted != large:
        labels, seconds = _cut_to(tree, weights, wanted, least_seconds)
    means, _ = cluster_means(embeddings, weights, labels)
    kept = np.sort(np.argsort(-seconds, kind="stable")[:wanted])
    return unit_rows(means[kept])


def _cut_to(
    tree: np.ndarray, weights: np.ndarray, wanted: int, least_seconds: float
) -> tuple[np.ndarray, np.ndarray]:
    """Cut the tree at the top into `wanted` large clusters, or if it has fewer, into `wanted` of any size."""
    most = min(len(weights), 8 * wanted + 32)
    for clusters in range(wanted, most + 1):
        labels = cut_tree(tree, n_clusters=[clusters])[:, 0]
        seconds = np.bincount(labels, weights)
        if (seconds >= least_seconds).sum() >= wanted:
            return labels, seconds
    labels = cut_tree(tree, n_clusters=[wanted])[:, 0]
    return labels, np.bincount(labels, weights)
