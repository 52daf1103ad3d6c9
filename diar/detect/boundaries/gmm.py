"""Place one boundary by Gaussian mixtures of its two sides."""

from __future__ import annotations

import numpy as np
from sklearn.decomposition import PCA
from sklearn.mixture import GaussianMixture

from diar.detect.boundaries.cut import Context, Cut, best_cut, log_ratio

METHOD = "gmm"
MARGIN = 3  # files next to the cut that do not shape the mixtures
_MOST = 300
_LEAST = 3
_FILES_PER_COMPONENT = 10
_FILES_PER_DIMENSION = 3
_MOST_DIMENSIONS = 16
_LEAST_VARIANCE = 1e-8
_HEAD_START = 2.0  # log-odds of the cut that cosine placed: mixtures of few files are unreliable


class GmmError(Exception):
    """The mixtures cannot be fitted here; the message says why."""


def place_cut(embeddings: np.ndarray, context: Context, components: int) -> Cut:
    """Place the cut that maximises the likelihood of the window's files: left model before it, right after.

    Vectors are reduced by PCA of both sides together. Each side is a mixture of `components` diagonal
    Gaussians, fewer where it has fewer than ten files a component; variances shrink to their mean over both
    sides.

    Raises:
        GmmError: too few files, or files that do not differ.
    """
    left, right = context.sides(MARGIN, _MOST)
    counts = left.stop - left.start, right.stop - right.start
    if min(counts) < _LEAST:
        raise GmmError(f"{min(counts)} files on one side, at least {_LEAST} are needed")
    sides = np.concatenate([embeddings[left], embeddings[right]]).astype(np.float64)
    if not sides.var(axis=0).sum() > _LEAST_VARIANCE:
        raise GmmError("the files of both sides are identical")
    dimensions = int(np.clip(len(sides) // _FILES_PER_DIMENSION, 1, min(_MOST_DIMENSIONS, sides.shape[1])))
    projection = PCA(dimensions, svd_solver="full").fit(sides)
    reduced = projection.transform(sides)
    parts = reduced[: counts[0]], reduced[counts[0] :]
    within = np.concatenate([part - part.mean(axis=0) for part in parts])
    floor = float(within.var(axis=0).mean())
    if not floor > _LEAST_VARIANCE:
        raise GmmError("the files of each side are identical")
    window = projection.transform(embeddings[context.first : context.last].astype(np.float64))
    densities = [_fit(part, components, floor).score_samples(window) for part in parts]
    total = np.maximum(reduced.var(axis=0), floor)
    misfit = [_log_wide(window, part.mean(axis=0), total) for part in parts]
    return best_cut(context, log_ratio(densities[0], densities[1], misfit[0], misfit[1]), METHOD, _HEAD_START)


def _fit(part: np.ndarray, components: int, floor: float) -> GaussianMixture:
    components = max(1, min(components, len(part) // _FILES_PER_COMPONENT))
    # Few files underestimate variances; the fewer there are, the more of the common variance is added
    shrinkage = floor * min(1.0, 3.0 * components / len(part) + 0.1)
    mixture = GaussianMixture(
        components, covariance_type="diag", reg_covar=shrinkage, random_state=0, max_iter=200
    ).fit(part)
    if not mixture.converged_:
        raise GmmError(f"EM did not converge in 200 steps ({len(part)} files, {components} components)")
    return mixture


def _log_wide(vectors: np.ndarray, mean: np.ndarray, variance: np.ndarray) -> np.ndarray:
    squares = (vectors - mean) ** 2 / variance + np.log(2 * np.pi * variance)
    return np.asarray(-0.5 * squares.sum(axis=1))
