"""Placing one boundary by cosine similarity to the centres of its two sides."""

from __future__ import annotations

import numpy as np

from diar.detect.boundaries.cut import Context, Cut, best_cut, log_ratio
from diar.detect.boundaries.odd_files import similarity_to_rest
from diar.detect.boundaries.scatter import robust_center

METHOD = "cosine"
MARGIN = 3  # files next to the cut that do not shape the centres
_MOST = 500
_LEAST_DEVIATION = 0.03


def place_cut(embeddings: np.ndarray, context: Context) -> Cut:
    """Compare each file's cosine to the left centre with that to the right one.

    The difference of the two cosines is Gaussian on each side, with medians and a common deviation taken from
    the files that are surely left or right, each measured against a centre without itself.
    """
    left, right = context.sides(MARGIN, _MOST)
    centers = np.stack([robust_center(embeddings[left]), robust_center(embeddings[right])])
    of_left = similarity_to_rest(embeddings[left]) - embeddings[left] @ centers[1]
    of_right = embeddings[right] @ centers[0] - similarity_to_rest(embeddings[right])
    means = np.median(of_left), np.median(of_right)
    spread = np.median(np.abs(np.concatenate([of_left - means[0], of_right - means[1]])))
    deviation = max(1.4826 * float(spread), _LEAST_DEVIATION)
    differences = embeddings[context.first : context.last] @ (centers[0] - centers[1])
    wide = max(0.5 * abs(float(means[0] - means[1])), 2 * deviation)
    good = [_log_normal(differences, mean, deviation) for mean in means]
    misfit = [_log_normal(differences, mean, wide) for mean in means]
    return best_cut(context, log_ratio(good[0], good[1], misfit[0], misfit[1]), METHOD)


def _log_normal(values: np.ndarray, mean: float, deviation: float) -> np.ndarray:
    return np.asarray(-0.5 * ((values - mean) / deviation) ** 2 - np.log(deviation))
