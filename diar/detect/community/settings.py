"""What a pipeline's stage 2 needs, as stage 1 stored it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from diar.detect.clustering.plda import Plda, PldaError, XvectorTransform


@dataclass(frozen=True)
class Community:
    """Settings of the pipeline; the defaults are those of community-1."""

    plda: Plda
    threshold: float = 0.6  # distance of unit vectors down to which clusters merge before VBx
    fa: float = 0.07
    fb: float = 0.8
    min_duration_off: float = 0.0  # seconds; shorter pauses within a turn are closed
    min_duration_on: float = 0.0  # seconds; shorter turns are dropped

    @classmethod
    def of(cls, numbers: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Community:
        """Return the settings.

        Args:
            numbers: `threshold`, `fa`, `fb`, `min_duration_off`; others are ignored.
            arrays: of the PLDA model, see `pyannote_plda`.

        Raises:
            PldaError: arrays that do not fit.
        """
        names = ("threshold", "fa", "fb", "min_duration_off")
        return cls(pyannote_plda(arrays), **{name: float(numbers[name]) for name in names})


def pyannote_plda(arrays: Mapping[str, np.ndarray], source: str = "the PLDA model") -> Plda:
    """Return the model of pyannote.audio's two files, as its `vbx_setup` does.

    Vectors have the root of their dimension as length. The diagonalising transform solves the eigenvalue
    problem of the covariances between and within speakers, so signs are pyannote.audio's too.

    Args:
        arrays: mean1 (D,), lda (D, E), mean2 (E,), mu (E,), tr (E, E), psi (E,).
        source: what messages call them.

    Raises:
        PldaError: arrays are missing, do not fit each other, or are no PLDA model.
    """
    import scipy.linalg

    mean1, lda, mean2, mu, tr, psi = _checked(arrays, source)
    try:
        within = np.linalg.inv(tr.T @ tr)
        between = np.linalg.inv((tr.T / psi) @ tr)
        ratio, vectors = scipy.linalg.eigh(between, within)
    except np.linalg.LinAlgError as error:
        raise PldaError(f"{source}: tr or psi are of no PLDA model ({error})") from None
    return Plda(mu, vectors.T[::-1], ratio[::-1], "sqrt", XvectorTransform(mean1, lda, mean2))


def _checked(arrays: Mapping[str, np.ndarray], source: str) -> list[np.ndarray]:
    names = ("mean1", "lda", "mean2", "mu", "tr", "psi")
    missing = [name for name in names if name not in arrays]
    if missing:
        raise PldaError(f"{source} lacks {', '.join(missing)}; {', '.join(names)} are expected")
    for name in names:
        if arrays[name].dtype.kind not in "iuf" or not np.isfinite(arrays[name]).all():
            raise PldaError(f"{source}: {name} has values that are not finite numbers; the file is damaged")
    found = [np.asarray(arrays[name], np.float64) for name in names]
    given, size = found[0].size, found[5].size
    expected = [(given,), (given, size), (size,), (size,), (size, size), (size,)]
    for name, array, shape in zip(names, found, expected, strict=True):
        if array.shape != shape or not array.size:
            raise PldaError(f"{source}: {name} is {array.shape}, {shape} is expected")
    if not (found[5] > 0).all():
        raise PldaError(f"{source}: psi are variances and must be above 0; the least is {found[5].min():g}")
    return found
