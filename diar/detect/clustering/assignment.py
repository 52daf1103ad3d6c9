"""Local speakers to clusters; those of one seg_window get different ones (cannot-link)."""

from __future__ import annotations

from itertools import product

import numpy as np

from diar.detect.observations import LocalSpeakers

NO_CLUSTER = -1
_MOST_TRIED = (
    4  # local speakers of a seg_window, up to which all choices of all seg_windows are tried at once
)


def assign_local(local: LocalSpeakers, centroids: np.ndarray) -> np.ndarray:
    """Return each local speaker's cluster (m,) by cosine to the centroids (K, D); see `assign_distinct`."""
    return assign_distinct((local.embedding @ centroids.T) * local.trust[:, None], local.seg_window)


def assign_distinct(similarity: np.ndarray, seg_window: np.ndarray) -> np.ndarray:
    """Give every local speaker of a seg_window a different cluster, at the largest total similarity.

    The optimal assignment of n rows uses only the n best clusters of each row. So all seg_windows of up to
    four rows are solved at once, by trying those; others one by one.

    Args:
        similarity: (m, K) of each local speaker to each cluster.
        seg_window: (m,) ascending.

    Returns:
        (m,) clusters; `NO_CLUSTER` where a seg_window has more local speakers than there are clusters.
    """
    assigned = np.full(len(similarity), NO_CLUSTER)
    if not similarity.size:
        return assigned
    _, first, count = np.unique(seg_window, return_index=True, return_counts=True)
    for members in np.unique(count).tolist():
        rows = first[count == members][:, None] + np.arange(members)  # (seg_windows, members)
        solve = _best_distinct if members <= _MOST_TRIED else _one_by_one
        assigned[rows] = solve(similarity[rows])
    return assigned


def _one_by_one(similarity: np.ndarray) -> np.ndarray:
    """Return what `_best_distinct` does, for any number of members."""
    from scipy.optimize import linear_sum_assignment

    found = np.full(similarity.shape[:2], NO_CLUSTER)
    for assigned, own in zip(found, similarity, strict=True):
        members, clusters = linear_sum_assignment(own, maximize=True)
        assigned[members] = clusters
    return found


def _best_distinct(similarity: np.ndarray) -> np.ndarray:
    """Return distinct clusters (seg_windows, members) by similarity (seg_windows, members, K)."""
    seg_windows, members, clusters = similarity.shape
    candidates = min(members, clusters)
    best = np.argsort(-similarity, axis=2, kind="stable")[:, :, :candidates]
    gain = np.take_along_axis(similarity, best, axis=2)
    found = np.full((seg_windows, members), NO_CLUSTER)
    top = np.full(seg_windows, -np.inf)
    nobody = candidates  # a choice beyond the candidates: no cluster for this member
    for choice in product(range(candidates + 1), repeat=members):
        served = [i for i in range(members) if choice[i] != nobody]
        if len(served) != candidates:
            continue
        chosen = np.stack([best[:, i, choice[i]] for i in served])  # (served, seg_windows)
        total = np.sum([gain[:, i, choice[i]] for i in served], axis=0)
        distinct = np.ones(seg_windows, bool)
        for i in range(len(served)):
            distinct &= (chosen[i + 1 :] != chosen[i]).all(axis=0)
        better = distinct & (total > top)
        top[better] = total[better]
        found[better] = NO_CLUSTER
        for i, clusters_of in zip(served, chosen, strict=True):
            found[better, i] = clusters_of[better]
    return found
