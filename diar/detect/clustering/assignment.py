"""Local speakers to clusters, so that two of one chunk never get the same: cannot-link."""

from __future__ import annotations

from itertools import product

import numpy as np

from diar.detect.observations import LocalSpeakers

NO_CLUSTER = -1
_MOST_LOCAL = 3  # local speakers of a chunk; the search below is exact up to here


def assign_local(local: LocalSpeakers, centroids: np.ndarray) -> np.ndarray:
    """Cluster (m,) of each local speaker by cosine to the centroids (K, D); see `assign_distinct`."""
    return assign_distinct((local.embedding @ centroids.T) * local.trust[:, None], local.chunk)


def assign_distinct(similarity: np.ndarray, chunk: np.ndarray) -> np.ndarray:
    """Give every local speaker a cluster, those of one chunk different ones, at the largest total similarity.

    The optimal assignment of at most three rows uses only the three best clusters of each, so all chunks
    are solved at once by trying those.

    Args:
        similarity: (m, K) of each local speaker to each cluster.
        chunk: (m,) ascending; no more than three rows share a chunk.

    Returns:
        (m,) clusters; `NO_CLUSTER` where a chunk has more local speakers than there are clusters.

    Raises:
        ValueError: more than three rows of one chunk.
    """
    assigned = np.full(len(similarity), NO_CLUSTER)
    if not similarity.size:
        return assigned
    _, first, count = np.unique(chunk, return_index=True, return_counts=True)
    if count.max() > _MOST_LOCAL:
        raise ValueError(f"a chunk has {count.max()} local speakers, at most {_MOST_LOCAL} are supported")
    for members in range(1, count.max() + 1):
        rows = first[count == members][:, None] + np.arange(members)  # (chunks, members)
        if len(rows):
            assigned[rows] = _best_distinct(similarity[rows])
    return assigned


def _best_distinct(similarity: np.ndarray) -> np.ndarray:
    """(chunks, members, K) → (chunks, members) distinct clusters."""
    chunks, members, clusters = similarity.shape
    candidates = min(members, clusters)
    best = np.argsort(-similarity, axis=2, kind="stable")[:, :, :candidates]
    gain = np.take_along_axis(similarity, best, axis=2)
    found = np.full((chunks, members), NO_CLUSTER)
    top = np.full(chunks, -np.inf)
    nobody = candidates  # a choice beyond the candidates: no cluster for this member
    for choice in product(range(candidates + 1), repeat=members):
        served = [i for i in range(members) if choice[i] != nobody]
        if len(served) != candidates:
            continue
        chosen = np.stack([best[:, i, choice[i]] for i in served])  # (served, chunks)
        total = np.sum([gain[:, i, choice[i]] for i in served], axis=0)
        distinct = np.ones(chunks, bool)
        for i in range(len(served)):
            distinct &= (chosen[i + 1 :] != chosen[i]).all(axis=0)
        better = distinct & (total > top)
        top[better] = total[better]
        found[better] = NO_CLUSTER
        for i, clusters_of in zip(served, chosen, strict=True):
            found[better, i] = clusters_of[better]
    return found
