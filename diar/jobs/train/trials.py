"""Trials: vectors of known speakers compared by back ends that were trained without these speakers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from diar.detect.backend.calibration import Calibration
from diar.detect.training.calibration import cost_of_ratios, fit_calibration
from diar.jobs.train.labels import Examples

FOLDS = 5
_MOST_ROWS = 1_000  # of a fold, that are compared all with all


def folds(speaker: np.ndarray, random: np.random.Generator) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the rows to train on, (n,) bool, and those of the other speakers, a fifth of all; five times.

    Nothing is yielded of fewer than ten speakers.
    """
    names, own = np.unique(speaker, return_inverse=True)
    if len(names) < 2 * FOLDS:
        return
    fold = (random.permutation(len(names)) % FOLDS)[own]
    for number in range(FOLDS):
        yield fold != number, np.flatnonzero(fold == number)


class Trials:
    """Scores of pairs of different recordings, and which are of one speaker."""

    def __init__(self) -> None:
        self._scores: list[np.ndarray] = []
        self._same: list[np.ndarray] = []

    def add(self, scores: np.ndarray, rows: Examples) -> None:
        """Add the scores (n, n) of n `rows`, one of each speaker of each recording."""
        first, second = np.triu_indices(len(scores), 1)
        apart = rows.recording[first] != rows.recording[second]
        first, second = first[apart], second[apart]
        self._scores.append(scores[first, second])
        self._same.append(rows.speaker[first] == rows.speaker[second])

    @property
    def scores(self) -> np.ndarray:
        """(p,) of all pairs."""
        return np.concatenate([np.empty(0), *self._scores])

    @property
    def same(self) -> np.ndarray:
        """(p,) bool: one speaker."""
        return np.concatenate([np.empty(0, bool), *self._same])

    def calibrated(self) -> Calibrated | None:
        """Learn what the scores mean; None where the pairs do not tell."""
        scores, same = self.scores, self.same
        calibration = fit_calibration(scores, same)
        if calibration is None:
            return None
        cost = cost_of_ratios(calibration.slope * scores + calibration.offset, same)
        return Calibrated(calibration, cost, (int(same.sum()), int((~same).sum())))


@dataclass(frozen=True)
class Calibrated:
    """A calibration, its cost (Cllr, bits), and the pairs of one speaker and of two that it comes from."""

    calibration: Calibration
    cost: float
    pairs: tuple[int, int]

    def card(self) -> dict[str, object]:
        """Return it as cards have it."""
        return {
            "slope": self.calibration.slope,
            "offset": self.calibration.offset,
            "cllr": self.cost,
            "pairs": self.pairs,
        }


def drawn(rows: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Return at most a thousand of the rows."""
    return rows if len(rows) <= _MOST_ROWS else np.sort(random.choice(rows, _MOST_ROWS, replace=False))
