"""How well scores tell pairs of one speaker from pairs of two."""

from __future__ import annotations

import numpy as np


def of_vectors(vectors: np.ndarray, speakers: np.ndarray) -> float:
    """Return the equal error rate of all pairs of unit vectors (n, D), by cosine and their speakers (n,)."""
    first, second = np.triu_indices(len(vectors), 1)
    names = np.asarray(speakers)
    return equal_error_rate((vectors @ vectors.T)[first, second], names[first] == names[second])


def equal_error_rate(scores: np.ndarray, target: np.ndarray) -> float:
    """Return the rate at which as many targets are missed as others are taken for one.

    Args:
        scores: (n,) the higher, the likelier one speaker.
        target: (n,) bool: one speaker.

    Raises:
        ValueError: no pairs of one kind.
    """
    if target.all() or not target.any():
        raise ValueError("pairs of one speaker and of two are needed")
    order = np.argsort(-scores, kind="stable")
    hit = target[order]
    missed = 1 - np.cumsum(hit) / hit.sum()
    taken = np.cumsum(~hit) / (~hit).sum()
    best = int(np.abs(missed - taken).argmin())
    return float((missed[best] + taken[best]) / 2)
