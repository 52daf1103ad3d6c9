"""Scatter of unit vectors: the cost that all methods share.

A segment of n vectors with sum S has within-segment scatter `Σ‖x‖² - ‖S‖²/n`, which for unit vectors is
`n - ‖S‖²/n` (the linear-kernel cost of Arlot, Celisse & Harchaoui 2019). Cutting it in two removes
`n1·n2/(n1+n2)·‖m1 - m2‖²` of it: the gain of that cut.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_PAIRS = 20_000
_CHUNK = 8_192
_LEAST_NOISE = 1e-3  # identical files
_COPY = 0.02  # squared distance up to which two files are one: a cosine of 0.99
_LEAST_OWN = 0.2  # share of neighbours that are no copies, without which they are as good as any
_CHI2_MEDIAN = 0.455  # of one degree of freedom


@dataclass(frozen=True)
class Noise:
    """What the gain of a cut looks like where nothing changes.

    With within-speaker covariance W, the gain at one fixed place has mean tr W and variance 2·tr W².
    """

    mean: float  # tr W
    deviation: float  # sqrt(2·tr W²)

    def level(self, places: int) -> float:
        """Gain that the best of `places` meaningless cuts reaches, about."""
        return self.mean + self.deviation * float(np.sqrt(2 * np.log(max(places, 2))))


def estimate_noise(embeddings: np.ndarray) -> Noise:
    """Estimate within-speaker noise without knowing the speakers.

    The difference of two neighbours is free of the speaker, save at the few boundaries, which medians ignore.
    Copies of one file that stand beside each other say nothing about it, and are left out.

    Args:
        embeddings: (n, D) unit vectors in archive order; of a single file nothing is known.
    """
    if len(embeddings) < 2:
        return Noise(1.0, 0.0)
    rng = np.random.default_rng(0)
    steps = len(embeddings) - 1
    at = np.arange(steps) if steps <= _PAIRS else np.sort(rng.choice(steps, _PAIRS, replace=False))
    differences = embeddings[at + 1].astype(np.float64) - embeddings[at]
    squares = np.einsum("nd,nd->n", differences, differences)
    own = squares > _COPY
    if own.mean() >= _LEAST_OWN:
        at, differences, squares = at[own], differences[own], squares[own]
    mean = max(float(np.median(squares)) / 2, _LEAST_NOISE)
    left, right = rng.integers(len(at), size=(2, _PAIRS))
    apart = np.abs(at[left] - at[right]) > 1
    if not apart.any():
        return Noise(mean, mean)
    products = np.einsum("nd,nd->n", differences[left[apart]], differences[right[apart]])
    return Noise(mean, float(np.sqrt(2 * np.median(products**2) / 4 / _CHI2_MEDIAN)))


def speaker_distance(embeddings: np.ndarray, noise: Noise) -> float:
    """Squared distance ‖m1 - m2‖² of two speakers' means that may be expected with this encoder and audio.

    ‖m‖² = 1 - tr W; the cosine between speakers is the mean over random pairs of files, at most 0.5, because
    an archive of one speaker says nothing about others.
    """
    rng = np.random.default_rng(0)
    left, right = rng.integers(len(embeddings), size=(2, _PAIRS))
    apart = np.abs(left - right) > 1
    strength = max(1 - noise.mean, 1e-3)
    if not apart.any():
        return strength
    cosine = float(np.einsum("nd,nd->n", embeddings[left[apart]], embeddings[right[apart]]).mean()) / strength
    return 2 * strength * (1 - float(np.clip(cosine, 0.0, 0.5)))


def gain(left: np.ndarray, right: np.ndarray) -> float:
    """Scatter that the cut between two runs of files removes; (n1, D) and (n2, D)."""
    difference = left.mean(axis=0, dtype=np.float64) - right.mean(axis=0, dtype=np.float64)
    return float(len(left) * len(right) / (len(left) + len(right)) * (difference @ difference))


def cosine_across(embeddings: np.ndarray, reach: int = 5) -> np.ndarray:
    """Cosine (n,) between the sum of `reach` files before each place and that of `reach` files from there on.

    Fewer at the ends; NaN at place 0. In chunks, so that memory stays bounded.
    """
    count = len(embeddings)
    cosines = np.full(count, np.nan)
    for start in range(1, count, _CHUNK):
        places = np.arange(start, min(start + _CHUNK, count))
        low = max(0, start - reach)
        part = embeddings[low : places[-1] + reach]
        sums = np.vstack([np.zeros(part.shape[1]), np.cumsum(part, axis=0, dtype=np.float64)])
        before = sums[places - low] - sums[np.maximum(places - reach, 0) - low]
        after = sums[np.minimum(places + reach, count) - low] - sums[places - low]
        cosines[places] = np.einsum("nd,nd->n", unit(before), unit(after))
    return cosines


def robust_center(vectors: np.ndarray) -> np.ndarray:
    """Unit vector in the middle of (n, D) vectors, to which misfits contribute little: weights cos²."""
    center = vectors.sum(axis=0, dtype=np.float64)
    for _ in range(3):
        center = unit(center)
        center = np.clip(vectors @ center, 0.0, None) ** 2 @ vectors
    return unit(center)


def unit(vectors: np.ndarray) -> np.ndarray:
    """Scale the last axis to length 1; a zero vector stays zero."""
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / np.where(length > 0, length, 1.0)
