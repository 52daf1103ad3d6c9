"""Vectors of two encoders become one whose cosine is the weighted mean of both cosines.

w · cos(a, a′) + (1 − w) · cos(b, b′) is the inner product of (√w a, √(1 − w) b) and (√w a′, √(1 − w) b′),
which have the length 1 where a and b have.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from diar.detect.clustering.similarity import unit_rows
from diar.records import Tracks

_SAME = 1e-3  # seconds by which times, or amounts of speech, may differ


def join_vectors(first: np.ndarray, second: np.ndarray, weight: float) -> np.ndarray:
    """Join unit vectors (n, A) and (n, B) to (n, A + B) float32; a zero vector leaves its place empty."""
    parts = [np.sqrt(weight) * unit_rows(first), np.sqrt(1 - weight) * unit_rows(second)]
    return unit_rows(np.concatenate(parts, axis=1)).astype(np.float32)


def join_tracks(first: Tracks, second: Tracks, weight: float) -> Tracks:
    """Join the embeddings of the same tracks of a recording; their lengths are known no more.

    Raises:
        ValueError: they are not the same tracks; says what differs.
    """
    if len(first) != len(second):
        raise ValueError(f"{len(first)} tracks in the first, {len(second)} in the second")
    for name in ("local_speaker", "channel", "start", "end", "speech_seconds", "clean_seconds"):
        one, other = getattr(first, name), getattr(second, name)
        differs = np.flatnonzero(np.abs(one.astype(np.float64) - other) > _SAME)
        if len(differs):
            row = differs[0]
            raise ValueError(
                f"{name} of track {row} is {one[row]:g} in the first, {other[row]:g} in the second"
            )
    return replace(first, embedding=join_vectors(first.embedding, second.embedding, weight), norm=None)
