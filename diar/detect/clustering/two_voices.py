"""Whether a cluster is two voices: two long parts, far apart, with hardly a window between them.

The segmentation network may take two alike voices for one local speaker, and the threshold that joins the odd
moments of a voice with the rest of it joins alike voices, too. Windows of a second show the difference: those
of one person spread from one part to the other, those of two people leave a gap (docs/decisions/086).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from diar.detect.clustering.similarity import unit_rows

_AXES = 3  # principal axes along which a cluster may fall apart
_START = 0.3  # from the middle along an axis
_ROUNDS = 30
_MIDDLE = 1 / 3  # of the mean difference between both cosines: windows with less lie between the parts


@dataclass(frozen=True)
class TwoVoices:
    """When two parts of a cluster are two voices; the cosine is that of clean wide-band speech."""

    cosine: float = 0.78  # of the parts, at most
    seconds: float = 8.0  # of speech in the smaller part …
    share: float = 0.3  # … which is at least this much of the cluster
    between: float = 0.03  # share of windows that may lie between the parts
    farther: float = 0.05  # than the halves of any other cluster that is one voice


@dataclass(frozen=True)
class Halves:
    """A cluster in two long parts."""

    centroids: np.ndarray  # (2, D), L2-normalised
    cosine: float  # of both
    between: float  # share of windows that lie between the parts


def halve(embeddings: np.ndarray, weights: np.ndarray, settings: TwoVoices) -> Halves | None:
    """Return the halves of a cluster; None where one is too short to be a voice.

    Args:
        embeddings: (n, D) of the cluster's windows, L2-normalised.
        weights: (n,) seconds that each stands for.
        settings: see there.
    """
    if weights.sum() < 2 * settings.seconds:
        return None
    centroids = _halves(embeddings, weights)
    if centroids is None:
        return None
    apart = embeddings @ (centroids[0] - centroids[1])
    smaller = min(weights[apart > 0].sum(), weights[apart <= 0].sum())
    if smaller < max(settings.seconds, settings.share * weights.sum()):
        return None
    between = np.mean(np.abs(apart) < _MIDDLE * np.abs(apart).mean())
    return Halves(centroids, float(centroids[0] @ centroids[1]), float(between))


def clearest_two_voices(halves: dict[int, Halves], settings: TwoVoices) -> int | None:
    """Return the cluster whose halves are two voices by far; None where no cluster's are.

    A cluster with windows between its halves is one voice, however far they are apart: it shows what the
    recording does to a voice, and halves that are hardly farther apart are no evidence.
    """
    one_voice = [own.cosine for own in halves.values() if own.between > settings.between]
    most = min(settings.cosine, min(one_voice, default=np.inf) - settings.farther)
    two = {
        cluster: own.cosine
        for cluster, own in halves.items()
        if own.between <= settings.between and own.cosine < most
    }
    return min(two, key=two.__getitem__) if two else None


def _halves(embeddings: np.ndarray, weights: np.ndarray) -> np.ndarray | None:
    """Return the centroids (2, D) of the best halves by cosine; None where all embeddings are one."""
    middle = unit_rows((embeddings * weights[:, None]).sum(axis=0)[None])[0]
    centred = embeddings - np.average(embeddings, axis=0, weights=weights)
    _, axes = np.linalg.eigh(np.einsum("ni,n,nj->ij", centred, weights, centred, optimize=True))
    best, found = -np.inf, None
    for axis in axes.T[::-1][:_AXES]:
        centroids = _improved(
            embeddings, weights, unit_rows(np.stack([middle + 0.3 * axis, middle - 0.3 * axis]))
        )
        if centroids is not None:
            alike = float((embeddings @ centroids.T).max(axis=1) @ weights)
            if alike > best:
                best, found = alike, centroids
    return found


def _improved(embeddings: np.ndarray, weights: np.ndarray, centroids: np.ndarray) -> np.ndarray | None:
    """Assign to the nearest of two centroids and average in turn until they stay; None where one is empty."""
    for _ in range(_ROUNDS):
        second = embeddings @ (centroids[1] - centroids[0]) > 0
        if second.all() or not second.any():
            return None
        updated = unit_rows(
            np.stack([(embeddings[own] * weights[own, None]).sum(axis=0) for own in (~second, second)])
        )
        if np.abs(updated - centroids).max() < 1e-5:
            break
        centroids = updated
    return centroids
