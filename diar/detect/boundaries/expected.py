"""Boundaries where the size of a block is known: one every `size` files, give or take `window`.

From each boundary the next is expected `size` files on and searched within ± `window`. A wrong boundary would
displace the search for the next, so all of them are chosen together: the least total within-segment scatter
over all chains of boundaries whose steps are allowed (dynamic programming), with a mild preference for the
expected place, which decides where there is nothing to see.
"""

from __future__ import annotations

import numpy as np

_PREFERENCE = 0.3  # cost at the window's edge, in penalties
_SPAN_SEGMENTS = 16
_SPAN_FILES = 4_096


def find_expected(
    embeddings: np.ndarray, size: int, window: int, penalty: float, by_chance: float
) -> np.ndarray:
    """Positions where a new segment starts, ascending, without 0.

    The last segment may be shorter than `size - window`; it then costs `penalty`.

    Args:
        embeddings: (n, D) unit vectors in archive order. size: files expected in a segment. window: files
        around the expected place, at most size // 2. penalty: gain that a boundary must bring
        (`changepoint.default_penalty`). by_chance: gain that noise gives in a window; what each segment
        costs, so that where nothing changes, more
            segments are no better than fewer.
    """
    preference = _PREFERENCE * penalty / max(window, 1) ** 2
    count = len(embeddings)
    span = max(_SPAN_SEGMENTS * (size + window), _SPAN_FILES)
    boundaries: list[int] = []
    start = 0
    while start < count:
        last = start + span >= count
        chain = start + _best_chain(
            embeddings[start : start + span], size, window, by_chance, preference, penalty
        )
        if last:
            boundaries.extend(chain.tolist())
            break
        # the end of a span is no boundary: keep the half that it cannot influence, go on from there
        kept = chain[chain <= start + span // 2]
        boundaries.extend(kept.tolist())
        start = int(kept[-1])
    return np.array(boundaries, dtype=np.int64)


def _best_chain(
    embeddings: np.ndarray, size: int, window: int, by_chance: float, preference: float, short_end: float
) -> np.ndarray:
    count = len(embeddings)
    sums = np.vstack([np.zeros(embeddings.shape[1]), np.cumsum(embeddings, axis=0, dtype=np.float64)])
    shortest, longest = max(1, size - window), size + window
    best = np.full(count + 1, np.inf)
    best[0] = 0.0
    previous = np.zeros(count + 1, dtype=np.int64)
    for start in range(shortest, count, shortest):  # places of a block depend on earlier blocks only
        block = np.arange(start, min(start + shortest, count))
        for length in range(shortest, min(longest, int(block[-1])) + 1):
            ends = block[block >= length]
            costs = best[ends - length] + _cost(sums, ends - length, ends)
            costs += by_chance + preference * (length - size) ** 2
            better = costs < best[ends]
            best[ends[better]] = costs[better]
            previous[ends[better]] = ends[better] - length
    starts = np.arange(max(0, count - longest), count)
    short = count - starts < shortest
    costs = best[starts] + _cost(sums, starts, np.full_like(starts, count)) + np.where(short, short_end, 0.0)
    chain = []
    at = int(starts[costs.argmin()])
    while at > 0:
        chain.append(at)
        at = int(previous[at])
    return np.array(chain[::-1], dtype=np.int64)


def _cost(sums: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    between = sums[ends] - sums[starts]
    lengths = ends - starts
    return np.asarray(lengths - np.einsum("kd,kd->k", between, between) / lengths)
