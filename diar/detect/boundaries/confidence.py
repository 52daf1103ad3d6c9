"""What the confidence of a boundary means: the probability that the cut is exactly there.

It is the product of three probabilities (docs/decisions/014-confidence.md): that there is a change at all (by
its gain and the penalty), that the two sides are different speakers (by their cosine and the linking
threshold), and that this cut of all in the window is the right one (by the likelihoods of its files).
"""

from __future__ import annotations

import numpy as np

_GAIN_POWER = 6.0
_COSINE_SCALE = 0.04


def separation(gains: np.ndarray, cosines: np.ndarray, penalty: float, threshold: float) -> np.ndarray:
    """Return the probability (n,) that two different speakers meet at a boundary.

    Args:
        gains: (n,) scatter that the cut removes.
        cosines: (n,) between the centres of the two sides.
        penalty: gain at which a change is as likely as none.
        threshold: cosine at which two segments are as likely one speaker as two.
    """
    change = 1 / (1 + (penalty / np.maximum(gains, 1e-9)) ** _GAIN_POWER)
    different = 1 / (1 + np.exp(np.clip((cosines - threshold) / _COSINE_SCALE, -50, 50)))
    return np.asarray(change * different)
