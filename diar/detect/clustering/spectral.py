"""Spectral clustering of window embeddings; the largest gap between eigenvalues says how many speakers.

U. von Luxburg, "A tutorial on spectral clustering", Statistics and Computing 17, 2007: unnormalised Laplacian
of a nearest-neighbour graph, weighted by cosines; section 8.3 for the eigengap.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import eigh

from diar.detect.boundaries.speakers import number_by_appearance
from diar.detect.clustering.over_clustering import cluster_means
from diar.detect.clustering.similarity import cosine_similarities, unit_rows
from diar.detect.clustering.speaker_count import SpeakerCount

_MOST_SPEAKERS = 30
_NEIGHBOURS = 0.04  # of all rows …
_LEAST_NEIGHBOURS = 6  # … but no fewer


def cluster_spectral(
    embeddings: np.ndarray, weights: np.ndarray, count: SpeakerCount, *, least_seconds: float
) -> np.ndarray:
    """Return the centroids (K, D) of the clusters, L2-normalised.

    Args:
        embeddings: (n, D), L2-normalised, of windows that share no audio; windows that do are neighbours
            whoever speaks. Memory grows with n².
        weights: (n,) seconds that each stands for.
        count: how many clusters are allowed.
        least_seconds: clusters with less are given to the others, as long as `count` allows it.
    """
    from sklearn.cluster import KMeans  # takes 1.5 s to import, which other clusterers do not need

    rows = len(embeddings)
    if rows < 2:
        return unit_rows(embeddings.astype(np.float64))
    values, vectors = _spectrum(_neighbour_graph(cosine_similarities(embeddings)), count)
    clusters = min(count.clip(int(np.diff(values).argmax()) + 1), len(values))
    found = KMeans(clusters, n_init=10, random_state=0).fit_predict(vectors[:, :clusters])
    means, seconds = cluster_means(embeddings, weights, number_by_appearance(found))
    large = max(count.minimum, int((seconds >= least_seconds).sum()))
    kept = np.sort(np.argsort(-seconds, kind="stable")[:large])
    return unit_rows(means[kept])


def _neighbour_graph(similarity: np.ndarray) -> np.ndarray:
    """Return weights (n, n): the cosines to each row's nearest neighbours, made symmetric; none below 0."""
    rows = len(similarity)
    neighbours = min(rows - 1, max(_LEAST_NEIGHBOURS, round(_NEIGHBOURS * rows)))
    others = similarity.copy()
    np.fill_diagonal(others, -np.inf)
    nearest = np.argpartition(-others, neighbours - 1, axis=1)[:, :neighbours]
    graph = np.zeros_like(similarity)
    np.put_along_axis(graph, nearest, np.maximum(np.take_along_axis(others, nearest, axis=1), 0.0), axis=1)
    return np.asarray((graph + graph.T) / 2)


def _spectrum(graph: np.ndarray, count: SpeakerCount) -> tuple[np.ndarray, np.ndarray]:
    """Return the smallest eigenvalues (m,) and eigenvectors (n, m) of the graph's Laplacian."""
    laplacian = np.diag(graph.sum(axis=1)) - graph
    most = min(len(graph) - 1, max(_MOST_SPEAKERS, count.maximum or 0, count.minimum))
    values, vectors = eigh(laplacian, subset_by_index=(0, most))
    return values, vectors
