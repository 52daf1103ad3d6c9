"""The most likely partner of every group, without all pairs in memory."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from diar.detect.backend.compared import Compared
from diar.detect.linking.evidence import Evidence
from diar.detect.linking.groups import Groups

EXACT = 20_000  # groups that are compared all with all; more are compared within cells
_BLOCK = 1_024
_CELL = 1_000  # groups in a cell, about
_VISITED = 8  # cells in which a group looks for others
_TRAINING = 64  # groups a cell that its centre is learned from
_ITERATIONS = 6

Pairs = tuple[np.ndarray, np.ndarray, np.ndarray]  # first, second, cosine


class Partners:
    """The best partner of each group: `index` (g,), -1 without one; `log_ratio` (g,)."""

    def __init__(self, size: int) -> None:
        self.index = np.full(size, -1, np.int64)
        self.log_ratio = np.full(size, -np.inf, np.float32)

    def offer(self, first: np.ndarray, second: np.ndarray, log_ratio: np.ndarray) -> None:
        """Offer each group of `first` that of `second` beside it as a partner, and vice versa.

        Of equally likely partners, a group takes the one with the lowest index. Pairs are not sorted, for a
        person of a thousand recordings makes half a million.
        """
        ratio = log_ratio.astype(np.float32)
        for group, other in ((first, second), (second, first)):
            held = self.log_ratio[group]
            np.maximum.at(self.log_ratio, group, ratio)
            best = np.flatnonzero(ratio == self.log_ratio[group])
            group, other, better = group[best], other[best], ratio[best] > held[best]
            self.index[group[better]] = len(self.index)  # more than any
            np.minimum.at(self.index, group, other)

    def mutual(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the pairs that prefer each other, the lower index first."""
        groups = np.flatnonzero(self.index >= 0)
        chosen = self.index[groups]
        agreed = (self.index[chosen] == groups) & (groups < chosen)
        return groups[agreed], chosen[agreed]


def find_partners(
    groups: Groups,
    evidence: Evidence,
    least_ratio: float,
    exact: int = EXACT,
    active: np.ndarray | None = None,
) -> Partners:
    """Find best partners with a log ratio of at least `least_ratio`; those of one recording are none.

    Args:
        groups: to find partners for.
        evidence: what cosines say.
        least_ratio: 0 or more.
        exact: up to so many groups are compared all with all.
        active: (g,) bool; only pairs with one of these are compared. Default: all.
    """
    partners = Partners(len(groups))
    floor = evidence.least_cosine(least_ratio)
    search = _all_pairs if len(groups) <= exact else _pairs_in_cells
    share = evidence.share(groups.seconds, groups.vectors)
    active = np.ones(len(groups), bool) if active is None else active
    for first, second, cosine in search(groups.voices, floor, active):
        ratio = evidence.log_ratio(cosine, share[first], share[second])
        likely = np.flatnonzero(ratio >= least_ratio)
        apart = likely[~groups.share_recording(first[likely], second[likely])]
        partners.offer(first[apart], second[apart], ratio[apart])
    return partners


def _all_pairs(voices: Compared, floor: float, active: np.ndarray) -> Iterator[Pairs]:
    order = np.argsort(~active, kind="stable")
    voices = voices[order]
    for start in range(0, int(active.sum()), _BLOCK):
        cosine = voices[start : start + _BLOCK].matrix(voices[start:])
        first, second = np.nonzero(cosine >= floor)
        upper = second > first
        first, second = first[upper], second[upper]
        yield order[first + start], order[second + start], cosine[first, second]


def _pairs_in_cells(voices: Compared, floor: float, active: np.ndarray) -> Iterator[Pairs]:
    """Pairs above `floor` that lie near one another: the inverted file of Jégou et al. (PAMI 2011).

    Each group is kept in the cell of its nearest centre, and those that are active are compared with the
    groups in the cells of their `_VISITED` nearest centres.
    """
    centres = _cell_centres(voices.vectors)
    visited = _nearest_cells(voices.vectors, centres)
    by_home = np.argsort(visited[:, 0], kind="stable")
    home_ends = np.cumsum(np.bincount(visited[:, 0], minlength=len(centres)))
    visitors = np.flatnonzero(active)
    visits = visited[visitors]
    by_visit = visitors[np.argsort(visits, axis=None, kind="stable") // visits.shape[1]]
    visit_ends = np.cumsum(np.bincount(visits.ravel(), minlength=len(centres)))
    for members, here in zip(
        np.split(by_home, home_ends[:-1]), np.split(by_visit, visit_ends[:-1]), strict=True
    ):
        for start in range(0, len(here), 4 * _BLOCK):
            queries = here[start : start + 4 * _BLOCK]
            cosine = voices[queries].matrix(voices[members])
            row, column = np.nonzero(cosine >= floor)
            first, second = queries[row], members[column]
            other = first != second
            yield first[other], second[other], cosine[row[other], column[other]]


def _cell_centres(direction: np.ndarray) -> np.ndarray:
    """(cells, D) unit vectors by spherical k-means of a sample, the same for the same input."""
    cells = max(len(direction) // _CELL, 2)
    rng = np.random.default_rng(0)
    sample = direction[
        np.sort(rng.choice(len(direction), min(len(direction), cells * _TRAINING), replace=False))
    ]
    centres = sample[rng.choice(len(sample), cells, replace=False)]
    for _ in range(_ITERATIONS):
        nearest = np.concatenate([(block @ centres.T).argmax(axis=1) for block in _blocks(sample)])
        total = np.zeros_like(centres)
        np.add.at(total, nearest, sample)
        norm = np.linalg.norm(total, axis=1, keepdims=True)
        centres = np.where(norm > 0, total / np.maximum(norm, np.finfo(np.float32).tiny), centres)
    return centres


def _nearest_cells(direction: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """(g, visited) int32, the nearest first."""
    count = min(_VISITED, len(centres))
    nearest = np.empty((len(direction), count), np.int32)
    for start, block in zip(range(0, len(direction), _BLOCK), _blocks(direction), strict=True):
        cosine = block @ centres.T
        chosen = np.argpartition(-cosine, count - 1, axis=1)[:, :count]
        by_rank = np.argsort(-np.take_along_axis(cosine, chosen, axis=1), axis=1, kind="stable")
        nearest[start : start + len(block)] = np.take_along_axis(chosen, by_rank, axis=1)
    return nearest


def _blocks(vectors: np.ndarray) -> list[np.ndarray]:
    return [vectors[start : start + _BLOCK] for start in range(0, len(vectors), _BLOCK)]
