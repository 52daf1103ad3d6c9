"""Adaptive symmetric normalisation of scores (AS-norm) by a cohort of other people.

A voice, or its channel, may be like many: its cosines to strangers are higher than those of other voices. So
a cosine is counted in deviations from the voice's own cosines to the people of a cohort who are most like it,
for both sides (P. Matějka et al., "Analysis of score normalization in multilingual speaker recognition",
Interspeech 2017):

    z(a, b) = ½ (cos(a, b) − mean(a)) / deviation(a) + ½ (cos(a, b) − mean(b)) / deviation(b)

What is returned is `mean + deviation · z` with mean and deviation of the cohort's own people, so that the
cosines of an average voice stay what they are, and thresholds for cosines keep their meaning.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from diar.detect.backend.calibration import Calibration

_BLOCK = 4_096
_LEAST_DEVIATION = 0.01


@dataclass(frozen=True)
class ScoreNorm:
    """A cohort of c people, and how its own people lie in it.

    People of the cohort above `ceiling` to a voice are taken for the same person, and left out: hardly any
    two of the cohort are more alike. So a cohort may be of the archive that is compared.
    """

    cohort: np.ndarray  # (c, E) float32 unit vectors, where voices are compared
    top: int  # most alike people of the cohort that count
    ceiling: float  # cosine
    mean: float  # of the cosines of an average voice to its most alike people
    deviation: float
    calibration: Calibration | None = None  # of normalised cosines

    def moments(self, vectors: np.ndarray) -> np.ndarray:
        """Return mean and deviation (n, 2) of the cosines of unit vectors (n, E) to their most alike people.

        A vector that less than two of the cohort are other people for is an average one.
        """
        found = np.empty((len(vectors), 2), np.float32)
        for start in range(0, len(vectors), _BLOCK):
            part = slice(start, start + _BLOCK)
            found[part] = top_moments(vectors[part] @ self.cohort.T, self.top, self.ceiling)
        found[np.isnan(found[:, 0])] = self.mean, self.deviation
        return found

    def lines(self, vectors: np.ndarray) -> np.ndarray:
        """Return (n, 2) halves of lines: a pair's normalised cosine is (s + s′) · cosine + t + t′."""
        mean, deviation = self.moments(vectors).T
        slope = self.deviation / (2 * deviation)
        return np.stack([slope, self.mean / 2 - slope * mean], axis=1).astype(np.float32)


def top_moments(cosines: np.ndarray, top: int, ceiling: float) -> np.ndarray:
    """Return mean and deviation (n, 2) of the `top` highest of each row of (n, c) that are at most `ceiling`.

    The deviation is 0.01 at least; NaN where a row has less than two such.
    """
    allowed = np.where(cosines <= ceiling, cosines, -np.inf)
    count = min(top, allowed.shape[1])
    highest = np.partition(allowed, -count, axis=1)[:, -count:]
    there = np.isfinite(highest)
    number = there.sum(axis=1)
    safe = np.maximum(number, 1)
    mean = np.where(there, highest, 0).sum(axis=1) / safe
    squares = np.where(there, (highest - mean[:, None]) ** 2, 0).sum(axis=1) / safe
    moments = np.stack([mean, np.maximum(np.sqrt(squares), _LEAST_DEVIATION)], axis=1)
    return np.where(number[:, None] >= 2, moments, np.nan)
