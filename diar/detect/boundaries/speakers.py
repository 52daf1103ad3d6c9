"""Segments to speakers: a speaker who returns gets the earlier number.

Average-linkage clustering of segment centres by cosine, cut at a threshold that the archive itself sets:
docs/decisions/013-linking-segments.md.
"""

from __future__ import annotations

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.sparse import coo_array
from scipy.spatial.distance import squareform
from scipy.special import ndtri

from diar.detect.backend.compared import Compared
from diar.detect.backend.norm import ScoreNorm
from diar.detect.boundaries.scatter import unit

# Cosines of different speakers that are assumed before the archive shows its own; thirty pairs
_ASSUMED_COSINES = 0.1 + 0.12 * ndtri((np.arange(30) + 0.5) / 30)
_ASSUMED_ALIKE = 0.8
_MOST_DEVIATIONS = 4.0
_MOST_SEGMENTS = 2_000  # that the threshold is estimated from
_DIRECT = 4_096  # segments clustered without grouping them first
_BATCH = 1_024


def adaptive_threshold(
    parts: list[np.ndarray], neighbor_cosines: np.ndarray, norm: ScoreNorm | None = None
) -> float:
    """Return the cosine between segment centres above which they are one speaker.

    Half-way between the highest cosine that chance gives among all pairs of different speakers (neighbouring
    segments are such pairs; robust mean plus up to four deviations) and the cosine that two segments of one
    speaker would have (two halves of a segment, raised to full length by the Spearman-Brown formula).

    Args:
        parts: embeddings (n_i, D) of each segment.
        neighbor_cosines: cosines of neighbouring segments' centres.
        norm: of cosines; those of neighbours are normalised.
    """
    step = -(-len(parts) // _MOST_SEGMENTS)
    halves = [_cosine_of_halves(part, norm) for part in parts[::step] if len(part) >= 4]
    alike = float(np.median(halves)) if halves else _ASSUMED_ALIKE
    alike = max(2 * alike / (1 + alike), 0.0)
    pairs = max(len(parts) * (len(parts) - 1) / 2, 2.0)
    deviations = min(float(np.sqrt(2 * np.log(pairs))), _MOST_DEVIATIONS)
    threshold = _between(_ASSUMED_COSINES, deviations, alike)
    # With a given segment_size one speaker may continue across a boundary; such pairs do not count
    different = neighbor_cosines[neighbor_cosines < threshold]
    return _between(np.concatenate([_ASSUMED_COSINES, different]), deviations, alike)


def _between(different: np.ndarray, deviations: float, alike: float) -> float:
    center = float(np.median(different))
    deviation = 1.4826 * float(np.median(np.abs(different - center)))
    return (min(center + deviations * deviation, alike) + alike) / 2


def link_segments(
    centers: np.ndarray, counts: np.ndarray, threshold: float, norm: ScoreNorm | None = None
) -> np.ndarray:
    """Return the speaker of each segment, numbered from 0 by first appearance.

    Args:
        centers: (m, D) unit vectors.
        counts: (m,) files in each segment.
        threshold: cosine, on average over all pairs, above which segments are one speaker.
        norm: of cosines.
    """
    groups = np.arange(len(centers))
    if len(centers) > _DIRECT:
        groups = _group_by_leaders(Compared.of(centers.astype(np.float32), norm), threshold)
    sums = np.zeros((int(groups.max()) + 1, centers.shape[1]))
    np.add.at(sums, groups, centers * counts[:, None])
    return number_by_appearance(_cluster(Compared.of(unit(sums), norm), threshold)[groups])


def number_by_appearance(labels: np.ndarray) -> np.ndarray:
    """Rename labels to 0, 1, 2, … in the order in which they first occur."""
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[inverse]


def _cosine_of_halves(part: np.ndarray, norm: ScoreNorm | None) -> float:
    first, second = unit(part[::2].mean(axis=0)), unit(part[1::2].mean(axis=0))
    if norm is None:
        return float(first @ second)
    return float(Compared.of(first[None], norm).to_one(Compared.of(second[None], norm))[0])


def _cluster(centers: Compared, threshold: float) -> np.ndarray:
    """Cluster each connected component of the pairs above the threshold by average linkage.

    This equals clustering all at once: clusters that merge have a pair at least as similar as their average.
    """
    from scipy.sparse.csgraph import connected_components

    voices = Compared(centers.vectors.astype(np.float32), centers.lines)
    rows, columns = [], []
    for start in range(0, len(voices), _BATCH):
        row, column = np.nonzero(voices[start : start + _BATCH].matrix(voices[start:]) >= threshold)
        rows.append(row + start)
        columns.append(column + start)
    row, column = np.concatenate(rows), np.concatenate(columns)
    graph = coo_array((np.ones(len(row), dtype=bool), (row, column)), shape=(len(voices),) * 2)
    _, component = connected_components(graph, directed=False)
    order = np.argsort(component, kind="stable")
    labels = np.empty(len(voices), dtype=np.int64)
    used = 0
    for members in np.split(order, np.flatnonzero(np.diff(component[order])) + 1):
        local = _average_linkage(centers[members], threshold)
        labels[members] = used + local
        used += int(local.max()) + 1
    return labels


def _average_linkage(centers: Compared, threshold: float) -> np.ndarray:
    if len(centers) == 1:
        return np.zeros(1, dtype=np.int64)
    distances = 1 - np.clip(centers.matrix(centers), -1, 1)
    np.fill_diagonal(distances, 0)
    tree = linkage(squareform(distances, checks=False), method="average")
    return np.asarray(fcluster(tree, 1 - threshold, criterion="distance"), dtype=np.int64) - 1


def _group_by_leaders(voices: Compared, threshold: float) -> np.ndarray:
    """Reduce very many segments in one pass: each joins the most similar leader, or becomes one."""
    leaders = np.zeros(0, np.int64)
    groups = np.empty(len(voices), dtype=np.int64)
    for start in range(0, len(voices), _BATCH):
        batch = voices[start : start + _BATCH]
        best, group = _most_similar(batch, voices[leaders])
        fresh: list[int] = []  # of this batch, become leaders
        for i in np.flatnonzero(best < threshold):
            similar = batch[np.array(fresh, np.int64)].to_one(batch[i : i + 1])
            if len(fresh) and similar.max() >= threshold:
                group[i] = len(leaders) + int(similar.argmax())
            else:
                group[i] = len(leaders) + len(fresh)
                fresh.append(int(i))
        groups[start : start + _BATCH] = group
        leaders = np.concatenate([leaders, start + np.array(fresh, np.int64)])
    return groups


def _most_similar(voices: Compared, leaders: Compared) -> tuple[np.ndarray, np.ndarray]:
    if not len(leaders):
        return np.full(len(voices), -2.0), np.zeros(len(voices), dtype=np.int64)
    similar = voices.matrix(leaders)
    group = similar.argmax(axis=1)
    return similar[np.arange(len(voices)), group], group
