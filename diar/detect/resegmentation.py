"""Viterbi resegmentation: windows keep their speaker unless another one is clearly more likely.

One state a cluster; a window's log-likelihood is its scaled cosine to the cluster's centroid, and a change of
state costs `-log` of its probability (M. Diez et al., "Speaker diarization based on Bayesian HMM with
eigenvoice priors", Odyssey 2018, without the re-estimation).
"""

from __future__ import annotations

import numpy as np


def viterbi(log_likelihood: np.ndarray, change_probability: float) -> np.ndarray:
    """Return the most likely states (n,) of a sequence.

    Args:
        log_likelihood: (n, K) of each state, K ≥ 1.
        change_probability: of another state in the next step, spread evenly over the other states; above 0,
            and no more than 0.5, so that no other state is likelier than the same one.
    """
    steps, states = log_likelihood.shape
    if not steps or states == 1:
        return np.zeros(steps, np.int64)
    stay, change = np.log1p(-change_probability), np.log(change_probability / (states - 1))
    score = log_likelihood[0].astype(np.float64)
    previous = np.empty((steps, states), np.int64)
    own = np.arange(states)
    for step in range(1, steps):
        best = int(score.argmax())
        moved = score[best] + change
        previous[step] = np.where(score + stay >= moved, own, best)
        score = np.maximum(score + stay, moved) + log_likelihood[step]
    path = np.empty(steps, np.int64)
    path[-1] = score.argmax()
    for step in range(steps - 1, 0, -1):
        path[step - 1] = previous[step, path[step]]
    return path
