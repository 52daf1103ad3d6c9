"""Local speakers to clusters: centroid linkage, VBx, centroids, the best assignment.

H. Bredin and others, pyannote.audio 4, `VBxClustering`; F. Landini et al., "Bayesian HMM clustering of
x-vector sequences (VBx)", Computer Speech & Language 71, 2022.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage

from diar.detect.clustering.assignment import assign_distinct
from diar.detect.clustering.similarity import unit_rows
from diar.detect.clustering.speaker_count import SpeakerCount
from diar.detect.clustering.vbx import VbxResult, vbx
from diar.detect.community.settings import Community

_DIRECT = 16_384  # embeddings that are linked at once: a gigabyte
_SMOOTHING = 7.0  # logit of the cluster before VBx
_ITERATIONS = 20
_TOLERANCE = 1e-4
_PRIOR_FLOOR = 1e-8  # added to priors before their logarithm
_LEAST_PRIOR = 1e-7  # of a speaker that VBx keeps
_SEED, _STARTS = 42, 3  # of k-means


@dataclass(frozen=True)
class Clusters:
    """Centroids, and whether those of one seg_window get different ones."""

    centroids: np.ndarray  # (K, D) float64, not normalised
    distinct: bool


def find_clusters(units: np.ndarray, raw: np.ndarray, settings: Community, count: SpeakerCount) -> Clusters:
    """Cluster the embeddings that speak alone long enough.

    Args:
        units: (n, D) float32, L2-normalised.
        raw: (n, D) float64, the same with the length that the encoder gave.
        settings: of the pipeline.
        count: where VBx finds more or fewer speakers than that allows, k-means finds the nearest number.
    """
    if len(units) < 2:
        return Clusters(raw, distinct=False)
    found = run_vbx(units, raw, settings)
    weights = found.responsibilities[:, found.priors > _LEAST_PRIOR]
    centroids = weights.T @ raw / weights.sum(axis=0)[:, None]
    wanted = min(count.clip(len(centroids)), len(units))
    if wanted == len(centroids):
        return Clusters(centroids, distinct=True)
    return Clusters(_k_means(units, raw, wanted), distinct=False)


def run_vbx(units: np.ndarray, raw: np.ndarray, settings: Community) -> VbxResult:
    """Run VBx on the PLDA features of n ≥ 2 embeddings, from the clusters of `initial_clusters`."""
    return vbx(
        settings.plda.transform(raw),
        settings.plda.psi,
        initial_clusters(units, settings.threshold),
        fa=settings.fa,
        fb=settings.fb,
        loop_probability=0.0,
        max_iterations=_ITERATIONS,
        tolerance=_TOLERANCE,
        initial_smoothing=_SMOOTHING,
        prior_floor=_PRIOR_FLOOR,
    )


def initial_clusters(units: np.ndarray, threshold: float) -> np.ndarray:
    """Return (n,) clusters from 0 by centroid linkage; above 16384 in parts, which VBx joins."""
    labels = np.zeros(len(units), np.int64)
    used = 0
    for part in np.array_split(np.arange(len(units)), -(-len(units) // _DIRECT)):
        if len(part) > 1:
            tree = linkage(units[part], method="centroid", metric="euclidean")
            cut = fcluster(tree, threshold, criterion="distance")
            labels[part] = np.unique(cut, return_inverse=True)[1]
        labels[part] += used
        used = int(labels[part].max()) + 1
    return labels


def assign(raw: np.ndarray, seg_window: np.ndarray, clusters: Clusters) -> np.ndarray:
    """Return each local speaker's cluster (m,) by cosine; `NO_CLUSTER` where a seg_window has too many.

    Args:
        raw: (m, D) of all that speak at all.
        seg_window: (m,) ascending.
        clusters: K ≥ 1.
    """
    cosine = unit_rows(raw) @ unit_rows(clusters.centroids).T
    if clusters.distinct:
        return assign_distinct(cosine, seg_window)
    return np.asarray(cosine.argmax(axis=1))


def _k_means(units: np.ndarray, raw: np.ndarray, count: int) -> np.ndarray:
    from sklearn.cluster import KMeans

    labels = KMeans(n_clusters=count, n_init=_STARTS, random_state=_SEED).fit_predict(units)
    return np.stack([raw[labels == number].mean(axis=0) for number in range(count)])
