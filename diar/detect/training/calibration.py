"""Learn what scores mean from pairs whose speakers are known."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

from diar.detect.backend.calibration import Calibration

LEAST_PAIRS = 20  # of one speaker in two recordings; fewer tell nothing of the slope


def fit_calibration(scores: np.ndarray, target: np.ndarray) -> Calibration | None:
    """Fit a linear calibration by logistic regression.

    Pairs of one speaker weigh as much as those of two, so that the result is a log-likelihood ratio and holds
    for any prior (Brümmer and du Preez, 2006). Labels are softened as if one more pair of each kind were of
    the other (J. Platt, "Probabilistic outputs for support vector machines", 1999), so that kinds that do not
    overlap have a finite slope.

    Args:
        scores: (n,) the higher, the likelier one speaker.
        target: (n,) bool: one speaker.

    Returns:
        None where there are fewer than 20 pairs of a kind, or a higher score is no sign of one speaker.
    """
    same, other = int(target.sum()), int((~target).sum())
    if min(same, other) < LEAST_PAIRS:
        return None
    weight = np.where(target, 0.5 / same, 0.5 / other)
    wanted = np.where(target, (same + 1) / (same + 2), 1 / (other + 2))
    centre, deviation = float(scores.mean()), max(float(scores.std()), 1e-12)
    values = (scores - centre) / deviation

    def loss(line: np.ndarray) -> tuple[float, np.ndarray]:
        ratio = line[0] * values + line[1]
        missing = weight * (expit(ratio) - wanted)
        return float(weight @ (np.logaddexp(0, ratio) - wanted * ratio)), np.array(
            [missing @ values, missing.sum()]
        )

    found = minimize(loss, np.array([1.0, 0.0]), jac=True, method="BFGS", options={"gtol": 1e-8}).x
    slope = float(found[0]) / deviation
    return Calibration(slope, float(found[1]) - slope * centre) if slope > 0 else None


def cost_of_ratios(ratios: np.ndarray, target: np.ndarray) -> float:
    """Return Cllr in bits: what log-likelihood ratios lose against knowing who speaks; 1 tells nothing."""
    missed = np.logaddexp(0, -ratios[target]).mean()
    taken = np.logaddexp(0, ratios[~target]).mean()
    return float((missed + taken) / (2 * np.log(2)))
