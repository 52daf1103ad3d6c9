"""Local speakers to clusters; those of one seg_window get different ones (cannot-link)."""

from __future__ import annotations

from itertools import product

import numpy as np

from diar.detect.observations import LocalSpeakers

NO_CLUSTER = -1
_MOST_LOCAL = 3  # local speakers of a seg_window; the search below is exact up to here


def assign_local(local: LocalSpeakers, centroids: np.ndarray) -> np.ndarray:
    """Return each local speaker's cluster (m,) by cosine to the centroids (K, D); see `assign_distinct`."""
    return assign_distinct((local.embedding @ centroids.T) * local.trust[:, None], local.seg_window)


def assign_distinct(similarity: np.ndarray, seg_window: np.ndarray) -> np.ndarray:
    """Give every local speaker of a seg_window a different cluster, at the largest total similarity.

    The optimal assignment of at most three rows uses only the three best clusters of each row. So all
    seg_windows are solved at once, by trying those.

    Args:
        similarity: (m, K) of each local speaker to each cluster.
        seg_window: (m,) ascending; no more than three rows share a seg_window.

    Returns:
        (m,) clusters; `NO_CLUSTER` where a seg_window has more local speakers than there are clusters.

    Raises:
        ValueError: more than three rows of one seg_window.
    """
    assigned = np.full(len(similarity), NO_CLUSTER)
    if not similarity.size:
        return assigned
    _, first, count = np.unique(seg_window, return_index=True, return_counts=True)
    if count.max() > _MOST_LOCAL:
        raise ValueError(
            f"a seg_window has {count.max()} local speakers, at most {_MOST_LOCAL} are supported"
        )
    for members in range(1, count.max() + 1):
        rows = first[count == members][:, None] + np.arange(members)  # (seg_windows, members)
        if len(rows):
            assigned[rows] = _best_distinct(similarity[rows])
    return assigned


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
