"""From scores to log-likelihood ratios: one threshold then means the same for every encoder and back end."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Calibration:
    """ln p(score | one speaker) / p(score | two speakers) = slope · score + offset, with slope > 0.

    Linear calibration by logistic regression (N. Brümmer and J. du Preez, "Application-independent evaluation
    of speaker detection", Computer Speech & Language, 2006).
    """

    slope: float
    offset: float

    @classmethod
    def of(cls, stored: np.ndarray) -> Calibration:
        """Return what `stored` keeps as (slope, offset).

        Raises:
            ValueError: two finite numbers are needed, and the higher score must be the likelier one.
        """
        numeric = stored.dtype.kind in "iuf" and stored.shape == (2,) and bool(np.isfinite(stored).all())
        if not numeric or stored[0] <= 0:
            raise ValueError(
                "calibration must be a slope above 0 and an offset; the file is damaged, train again"
            )
        return cls(float(stored[0]), float(stored[1]))

    @property
    def stored(self) -> np.ndarray:
        """(slope, offset) as files keep it."""
        return np.array([self.slope, self.offset])

    def score_at(self, log_ratio: float) -> float:
        """Return the score with this log-likelihood ratio."""
        return (log_ratio - self.offset) / self.slope
