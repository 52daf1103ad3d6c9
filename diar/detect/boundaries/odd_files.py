"""Files that fit their segment badly, and what they are instead.

A file's similarity is its cosine to the robust centre of the rest of its segment. A file is judged by the
mean of that and of its cosine to the nearest file of the segment. The archive itself shows how alike files of
one speaker are, and how alike foreign ones: the latter by each file's cosines to the segment before its own.
Silence, noise and music fit no speaker either, but such files resemble *each other* more than files of one
voice do: they are "unclear", not "foreign", and so are misfits with hardly any speech
(docs/decisions/012-odd-files.md).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from diar.detect.boundaries.scatter import robust_center, unit

_PRIOR = 0.02  # share of odd files expected
_LEAST_SPREAD = 0.05  # of same-speaker similarities; only synthetic voices vary less
_TAIL = 8.0  # degrees of freedom: same-speaker similarities have a long lower tail
_TWIN_QUANTILE = 0.9
_COMPANY = 64  # files of a segment among which the nearest is looked for
_BATCH = 2_048
_MOST_MISFITS = 20_000
_LEAST_SPEECH = 0.6  # seconds; a vector of less depends more on the noise than on the voice


@dataclass(frozen=True)
class Fit:
    """How well each of n files fits its segment."""

    similarity: np.ndarray  # (n,) cosine to the rest of its segment
    odd_probability: np.ndarray  # (n,)
    unclear: np.ndarray  # (n,) bool: resembles other misfits more than one voice does, or hardly any speech


def similarity_to_rest(vectors: np.ndarray) -> np.ndarray:
    """Return the cosine of each of (n, D) unit vectors to the robust centre of the others, else 1."""
    if len(vectors) < 2:
        return np.ones(len(vectors))
    center = robust_center(vectors)
    weights = np.clip(vectors @ center, 1e-3, None) ** 2
    rest = weights @ vectors - weights[:, None] * vectors
    return np.asarray(np.einsum("nd,nd->n", vectors, unit(rest)))


def measure_fit(
    embeddings: np.ndarray,
    speech_seconds: np.ndarray,
    starts: np.ndarray,
    centers: np.ndarray,
    threshold: float,
) -> Fit:
    """Measure the similarity of every file, and the probability that it is odd.

    Args:
        embeddings: (n, D) unit vectors in archive order.
        speech_seconds: (n,) speech in each.
        starts: (m,) first file of each segment, starting with 0.
        centers: (m, D) robust unit centres of the segments.
        threshold: odd probability above which a file is a misfit (for finding unclear ones).
    """
    ends = np.append(starts[1:], len(embeddings))
    parts = [embeddings[start:end] for start, end in zip(starts, ends, strict=True)]
    similarity = np.concatenate([similarity_to_rest(part) for part in parts])
    nearest = np.concatenate([_nearest(part, part) for part in parts])
    foreign, foreign_nearest = _foreign_similarities(parts, centers)
    by_center = _odd_probability(similarity, foreign)
    by_both = _odd_probability((similarity + nearest) / 2, (foreign + foreign_nearest) / 2)
    misfits = np.flatnonzero(by_center > threshold)
    unclear = np.zeros(len(embeddings), dtype=bool)
    unclear[misfits] = _closest(embeddings[misfits]) > _twin_similarity(parts)
    unclear[misfits] |= speech_seconds[misfits] < _LEAST_SPEECH
    return Fit(similarity, np.where(unclear, by_center, by_both), unclear)


def _foreign_similarities(parts: list[np.ndarray], centers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return each file's cosine (n,) to the centre and to the nearest file of the segment before its own."""
    if len(parts) < 2:
        return np.zeros(1), np.zeros(1)  # nothing to compare with: unrelated directions
    to_center = [part @ centers[i - 1] for i, part in enumerate(parts)]
    to_nearest = [_nearest(part, parts[i - 1]) for i, part in enumerate(parts)]
    return np.concatenate(to_center), np.concatenate(to_nearest)


def _nearest(vectors: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return each vector's cosine to the most similar of up to `_COMPANY` others, itself left out."""
    chosen = others[:: -(-len(others) // _COMPANY)]
    similar = vectors @ chosen.T
    if vectors is others:
        own = np.arange(0, len(others), -(-len(others) // _COMPANY))
        similar[own, np.arange(len(own))] = -1.0
    return np.asarray(similar.max(axis=1)) if len(vectors) > 1 else np.ones(len(vectors))


def _odd_probability(similarity: np.ndarray, foreign: np.ndarray) -> np.ndarray:
    """Apply Bayes' rule to a Gaussian of foreign similarities and a Student t of same-speaker ones."""
    center = float(np.median(similarity))
    below = similarity[similarity < center]
    spread = max(1.4826 * float(np.median(center - below)) if len(below) else 0.0, _LEAST_SPREAD)
    mean = float(np.median(foreign))
    deviation = max(1.4826 * float(np.median(np.abs(foreign - mean))), 0.05)
    if center <= mean + deviation:
        return np.zeros(len(similarity))  # segments have no common voice, so no file is odd
    # Clipped: less similar than any stranger is no less odd, more similar than the median is no more odd
    strange = np.maximum(similarity, mean)
    own = np.minimum(similarity, center)
    log_odd = np.log(_PRIOR) - 0.5 * ((strange - mean) / deviation) ** 2 - np.log(deviation)
    t = (own - center) / spread
    log_own = np.log1p(-_PRIOR) - 0.5 * (_TAIL + 1) * np.log1p(t**2 / _TAIL) - np.log(spread)
    return np.asarray(1 / (1 + np.exp(np.clip(log_own - log_odd, -50, 50))))


def _twin_similarity(parts: list[np.ndarray]) -> float:
    """Return the cosine that few pairs of files of one segment exceed."""
    rng = np.random.default_rng(0)
    chosen = parts if len(parts) <= 500 else [parts[i] for i in rng.choice(len(parts), 500, replace=False)]
    pairs = [
        (part[left] * part[right]).sum(axis=1)
        for part in chosen
        if len(part) > 1
        for left, right in [rng.integers(len(part), size=(2, min(4 * len(part), 1000)))]
    ]
    values = np.concatenate(pairs) if pairs else np.zeros(0)
    values = values[values < 1 - 1e-6]
    return float(np.quantile(values, _TWIN_QUANTILE)) if len(values) else 1.0


def _closest(vectors: np.ndarray) -> np.ndarray:
    """Return each vector's highest cosine to another one; of very many, to a random sample."""
    count = len(vectors)
    chosen = np.arange(count)
    if count > _MOST_MISFITS:
        chosen = np.sort(np.random.default_rng(0).choice(count, _MOST_MISFITS, replace=False))
    highest = np.full(count, -1.0)
    for start in range(0, count, _BATCH):
        similar = vectors[start : start + _BATCH] @ vectors[chosen].T
        similar[start + np.arange(len(similar))[:, None] == chosen[None, :]] = -1.0  # itself
        highest[start : start + _BATCH] = similar.max(axis=1, initial=-1.0)
    return highest
