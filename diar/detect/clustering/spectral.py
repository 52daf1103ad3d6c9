"""Spectral clustering of window embeddings that finds the number of speakers and its own pruning.

NME-SC: T. J. Park, K. J. Han, M. Kumar, S. Narayanan, "Auto-tuning spectral clustering for speaker
diarization using normalized maximum eigengap", IEEE Signal Processing Letters 27, 2020.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import eigh
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components
from sklearn.cluster import KMeans

from diar.detect.clustering.over_clustering import cluster_means
from diar.detect.clustering.similarity import cosine_similarities, unit_rows
from diar.detect.clustering.speaker_count import SpeakerCount

_MOST_SPEAKERS = 30
_PRUNINGS = 12  # numbers of neighbours that are tried
_MOST_NEIGHBOURS = 0.3  # of all rows


def cluster_spectral(
    embeddings: np.ndarray, weights: np.ndarray, count: SpeakerCount, *, least_seconds: float
) -> np.ndarray:
    """Centroids (K, D) of the clusters, L2-normalised.

    Args:
        embeddings: (n, D), L2-normalised, or means of such; memory grows with n².
        weights: (n,) seconds that each stands for.
        count: how many clusters are allowed.
        least_seconds: clusters with less are given to the others, as long as `count` allows it.
    """
    rows = len(embeddings)
    if rows < 4:  # no graph to speak of
        return unit_rows((embeddings * weights[:, None]).sum(axis=0, keepdims=True)) if rows else embeddings
    spectrum, clusters = _best_spectrum(cosine_similarities(embeddings), count)
    clusters = min(count.clip(clusters), rows)
    labels = KMeans(clusters, n_init=10, random_state=0).fit_predict(spectrum[:, :clusters])
    means, seconds = cluster_means(embeddings, weights, labels)
    large = max(count.minimum, int((seconds >= least_seconds).sum()), 1)
    kept = np.sort(np.argsort(-seconds, kind="stable")[:large])
    return unit_rows(means[kept])


def _best_spectrum(similarity: np.ndarray, count: SpeakerCount) -> tuple[np.ndarray, int]:
    """Eigenvectors (n, m) and number of clusters of the pruning with the smallest ratio p / g_p."""
    rows = len(similarity)
    order = np.argsort(-similarity, axis=1, kind="stable")
    most = max(2, int(_MOST_NEIGHBOURS * rows))
    tried = np.unique(np.geomspace(2, most, min(_PRUNINGS, most)).round().astype(int))
    graphs = [_neighbour_graph(order[:, :neighbours]) for neighbours in tried]
    # a graph in pieces has as many zero eigenvalues as pieces, which says nothing about speakers
    connected = [i for i, graph in enumerate(graphs) if connected_components(csr_array(graph))[0] == 1]
    best: tuple[float, np.ndarray, int] | None = None
    for i in connected or [len(tried) - 1]:
        values, vectors = _spectrum(graphs[i], count)
        gaps = np.diff(values)
        normalised_gap = gaps.max() / max(values[-1], 1e-10)
        ratio = tried[i] / rows / max(normalised_gap, 1e-10)
        if best is None or ratio < best[0]:
            best = (ratio, vectors, int(gaps.argmax()) + 1)
    assert best is not None
    return best[1], best[2]


def _neighbour_graph(neighbours: np.ndarray) -> np.ndarray:
    """(n, n) weights of the graph in which everyone has the given neighbours (n, p), symmetrised."""
    graph = np.zeros((len(neighbours), len(neighbours)))
    np.put_along_axis(graph, neighbours, 1.0, axis=1)
    np.fill_diagonal(graph, 0.0)
    return (graph + graph.T) / 2


def _spectrum(graph: np.ndarray, count: SpeakerCount) -> tuple[np.ndarray, np.ndarray]:
    """Smallest eigenvalues and eigenvectors of the graph's Laplacian."""
    laplacian = np.diag(graph.sum(axis=1)) - graph
    most = min(len(graph) - 1, max(_MOST_SPEAKERS, count.maximum or 0, count.minimum))
    values, vectors = eigh(laplacian, subset_by_index=(0, most))
    return values, vectors
