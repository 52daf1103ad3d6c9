"""A cohort for the normalisation of scores, from vectors of people who differ."""

from __future__ import annotations

import numpy as np

from diar.detect.backend.calibration import Calibration
from diar.detect.backend.norm import ScoreNorm, top_moments

LEAST_PEOPLE = 20
_NEAREST = 0.9  # of the people have nobody above the ceiling; the others may be one person under two names


def make_norm(people: np.ndarray, top: int, calibration: Calibration | None = None) -> ScoreNorm:
    """Make a cohort.

    Args:
        people: (c, E) unit vectors, where voices are compared, one of each person.
        top: most alike people that count for a voice; at most all others.
        calibration: of the normalised cosines.

    Raises:
        ValueError: fewer than 20 people.
    """
    if len(people) < LEAST_PEOPLE:
        raise ValueError(f"{LEAST_PEOPLE} people are needed at least, these are {len(people)}")
    cohort = people.astype(np.float32)
    cosines = cohort @ cohort.T
    np.fill_diagonal(cosines, -1.0)
    ceiling = float(np.quantile(cosines.max(axis=1), _NEAREST))
    np.fill_diagonal(cosines, np.inf)
    count = min(top, len(cohort) - 1)
    mean, deviation = top_moments(cosines, count, ceiling).mean(axis=0)
    return ScoreNorm(cohort, count, ceiling, float(mean), float(deviation), calibration)
