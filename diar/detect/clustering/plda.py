"""PLDA models: what makes embeddings of different speakers comparable, as VBx needs it.

In the space that `Plda.transform` maps to, embeddings of one speaker scatter around the speaker with
covariance I, and speakers scatter around 0 with covariance diag(psi) (two-covariance model: Brümmer &
de Villiers, "The speaker partitioning problem", Odyssey 2010; Kaldi's parametrisation: Ioffe, "Probabilistic
linear discriminant analysis", ECCV 2006).

Read are Kaldi's PLDA files, binary or text, beside them VBx's x-vector transform (HDF5 with `mean1`, `mean2`,
`lda`), and .npz files with

    mu (E,), tr (E, E), psi (E,)                 the PLDA model as Kaldi keeps it
    mean1 (D,), lda (D, E), mean2 (E,)           the x-vector transform; all three or none
    length_norm                                  "unit" or "sqrt"; optional, see `read_plda`
    calibration (2,)                             slope and offset for cosines in the PLDA space; optional
    encoder_sha256                               of the weights that made the embeddings; optional

which is also how pyannote publishes its two files, and what `write_npz` writes as one.
"""

from __future__ import annotations

import hashlib
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from diar.detect.backend.calibration import Calibration
from diar.detect.clustering.kaldi import KaldiError, read_kaldi_plda
from diar.errors import DiarError
from diar.extras import require

LengthNorm = Literal["unit", "sqrt"]
_PLDA_KEYS = ("mu", "tr", "psi")
_TRANSFORM_KEYS = ("mean1", "lda", "mean2")
_HDF5_MAGIC = b"\x89HDF"
_NPZ_MAGIC = b"PK"
_NUMBERS = "iuf"


class PldaError(DiarError):
    """A PLDA model that cannot be read, or does not fit the embeddings."""


@dataclass(frozen=True)
class XvectorTransform:
    """What VBx does with an x-vector before PLDA: centre, length, LDA, centre."""

    mean1: np.ndarray  # (D,)
    lda: np.ndarray  # (D, E)
    mean2: np.ndarray  # (E,)


@dataclass(frozen=True)
class Plda:
    """A PLDA model of E dimensions, those in which speakers differ most first.

    `length_norm` is the length that vectors are scaled to, before LDA and before PLDA: 1 ("unit") or the
    square root of their dimension ("sqrt"). `calibration` says what the cosine between two transformed
    embeddings of different recordings means.
    """

    mean: np.ndarray  # (E,)
    diagonalizer: np.ndarray  # (E, E): within-speaker covariance becomes I, between-speaker diag(psi)
    psi: np.ndarray  # (E,) descending, variance of speakers relative to that within a speaker
    length_norm: LengthNorm
    xvector_transform: XvectorTransform | None = None
    calibration: Calibration | None = None
    encoder_sha256: str = ""  # of the weights of the embeddings' encoder, where it is known

    @property
    def input_dimension(self) -> int:
        """D, the dimension of the embeddings that the model is made for."""
        transform = self.xvector_transform
        return len(self.mean) if transform is None else len(transform.mean1)

    @property
    def fingerprint(self) -> str:
        """What tells this model from others: the beginning of the sha256 of its numbers."""
        transform = self.xvector_transform
        parts = [self.mean, self.diagonalizer, self.psi]
        parts += [] if transform is None else [transform.mean1, transform.lda, transform.mean2]
        told = hashlib.sha256(self.length_norm.encode())
        for part in parts:
            told.update(np.ascontiguousarray(part, np.float64).tobytes())
        return told.hexdigest()[:16]

    def project(self, xvectors: np.ndarray) -> np.ndarray:
        """Embeddings (n, D) → vectors (n, E) of one length, the input of PLDA; VBx compares these by cosine.

        Raises:
            PldaError: embeddings of another dimension; values that are not finite.
        """
        vectors = np.asarray(xvectors, dtype=np.float64)
        if vectors.ndim != 2 or vectors.shape[1] != self.input_dimension:
            raise PldaError(
                f"the PLDA model is made for embeddings (n, {self.input_dimension}), these are "
                f"{vectors.shape}; use a PLDA model trained on embeddings of the encoder that extracted these"
            )
        if not np.isfinite(vectors).all():
            bad = int(np.flatnonzero(~np.isfinite(vectors).all(axis=1))[0])
            raise PldaError(
                f"embedding {bad} of {len(vectors)} has values that are not finite; extract it again"
            )
        if self.xvector_transform is not None:
            centered = self._scaled(vectors - self.xvector_transform.mean1)
            vectors = centered @ self.xvector_transform.lda - self.xvector_transform.mean2
        return self._scaled(vectors)

    def transform(self, xvectors: np.ndarray) -> np.ndarray:
        """Embeddings (n, D) → features (n, E) of the PLDA space; the first R columns go with `psi[:R]`.

        Raises:
            PldaError: see `project`.
        """
        return np.asarray((self.project(xvectors) - self.mean) @ self.diagonalizer.T)

    def _scaled(self, vectors: np.ndarray) -> np.ndarray:
        length = 1.0 if self.length_norm == "unit" else np.sqrt(vectors.shape[1])
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        return np.asarray(vectors * (length / np.where(norms > 0, norms, 1.0)))


def read_plda(path: Path, transform_path: Path | None = None, length_norm: LengthNorm | None = None) -> Plda:
    """Read a PLDA model: a Kaldi file or .npz, with its x-vector transform in that .npz or a file of its own.

    Some toolkits scale vectors to length 1 (VBx), some to the root of their dimension (Kaldi, pyannote). A
    model shows which: of vectors of equal length the squared length is ‖mean‖² plus the trace of the total
    covariance. `length_norm` overrules that and what an .npz says.

    Raises:
        PldaError: damaged, not a PLDA model, dimensions that do not fit, h5py needed but not installed.
        OSError: a file cannot be opened.
    """
    arrays = _read_arrays(path, _PLDA_KEYS)
    if transform_path is not None:
        arrays = {key: arrays[key] for key in arrays if key not in _TRANSFORM_KEYS}
        arrays |= _read_arrays(transform_path, _TRANSFORM_KEYS)
    mean, transform, psi = _check_plda(path, *(arrays[key] for key in _PLDA_KEYS))
    stored = str(arrays["length_norm"]) if "length_norm" in arrays else None
    norm = length_norm or stored or _length_norm_of(path, mean, transform, psi)
    if norm not in ("unit", "sqrt"):
        raise PldaError(f"{path}: length_norm is {norm!r}, it must be 'unit' or 'sqrt'")
    order = np.argsort(-psi, kind="stable")
    xvector_transform = _check_transform(transform_path or path, arrays, len(mean))
    return Plda(
        mean,
        transform[order],
        psi[order],
        "unit" if norm == "unit" else "sqrt",
        xvector_transform,
        None if transform_path else _calibration(path, arrays),  # it was learned with the transform inside
        str(arrays.get("encoder_sha256", "")),
    )


def write_npz(path: Path, plda: Plda) -> None:
    """Write everything as one .npz that `read_plda` reads without h5py (keys: see the module's docstring)."""
    arrays = {"mu": plda.mean, "tr": plda.diagonalizer, "psi": plda.psi}
    arrays["length_norm"] = np.array(plda.length_norm)
    if plda.xvector_transform is not None:
        arrays |= {key: getattr(plda.xvector_transform, key) for key in _TRANSFORM_KEYS}
    if plda.calibration is not None:
        arrays["calibration"] = plda.calibration.stored
    if plda.encoder_sha256:
        arrays["encoder_sha256"] = np.array(plda.encoder_sha256)
    with path.open("wb") as file:  # given a name, numpy would append .npz to it
        np.savez(file, **arrays)  # type: ignore[arg-type]  # numpy's stub takes them for allow_pickle


def _read_arrays(path: Path, needed: tuple[str, ...]) -> dict[str, np.ndarray]:
    content = path.read_bytes()
    if content.startswith(_NPZ_MAGIC):
        arrays = _read_npz(path)
    elif content.startswith(_HDF5_MAGIC):
        arrays = _read_hdf5(path)
    elif needed == _PLDA_KEYS:
        try:
            arrays = dict(zip(_PLDA_KEYS, read_kaldi_plda(content), strict=True))
        except KaldiError as error:
            raise PldaError(f"{path} is not a PLDA model that can be read: {error}") from None
    else:
        raise PldaError(
            f"{path} is neither HDF5 nor .npz: an x-vector transform is needed, as VBx publishes it"
        )
    missing = [key for key in needed if key not in arrays]
    if missing:
        raise PldaError(f"{path} holds {sorted(arrays)}, and lacks {missing}")
    for key in set(arrays) & {*_PLDA_KEYS, *_TRANSFORM_KEYS}:
        if arrays[key].dtype.kind not in _NUMBERS or not np.isfinite(arrays[key]).all():
            raise PldaError(f"{path}: {key} has values that are not finite numbers; the file is damaged")
        arrays[key] = arrays[key].astype(np.float64)
    return arrays


def _read_npz(path: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as file:
            return {key: file[key] for key in file.files}
    except (zipfile.BadZipFile, ValueError, EOFError, OSError) as error:
        raise PldaError(f"{path} is a damaged .npz ({error}); copy it again") from None


def _read_hdf5(path: Path) -> dict[str, np.ndarray]:
    h5py = require("h5py", "vbx", f"{path}, as HDF5 (once, see write_npz),", PldaError)
    try:
        with h5py.File(path, "r") as file:
            return {key: np.asarray(file[key]) for key in _TRANSFORM_KEYS if key in file}
    except (OSError, RuntimeError, TypeError) as error:
        raise PldaError(f"{path} is a damaged HDF5 file ({error}); copy it again") from None


def _check_plda(
    path: Path, mean: np.ndarray, transform: np.ndarray, psi: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    size = len(psi) if psi.ndim == 1 else 0
    if not size or mean.shape != (size,) or transform.shape != (size, size):
        found = f"mean {mean.shape}, transform {transform.shape}, psi {psi.shape}"
        raise PldaError(f"{path}: {found} do not fit, (E,), (E, E), (E,) are needed")
    if psi.min() < 0 or not psi.any():
        raise PldaError(f"{path}: psi are variances and must be 0 or more, not all 0; least is {psi.min():g}")
    if np.linalg.matrix_rank(transform) < size:
        raise PldaError(
            f"{path}: the transform is singular; the file is damaged, or training had too few vectors"
        )
    return mean, transform, psi


def _check_transform(path: Path, arrays: dict[str, np.ndarray], size: int) -> XvectorTransform | None:
    found = [key for key in _TRANSFORM_KEYS if key in arrays]
    if not found:
        return None
    if len(found) < len(_TRANSFORM_KEYS):
        raise PldaError(f"{path} holds {found} of an x-vector transform, {list(_TRANSFORM_KEYS)} are needed")
    mean1, lda, mean2 = (arrays[key] for key in _TRANSFORM_KEYS)
    if mean1.ndim != 1 or lda.shape != (len(mean1), size) or mean2.shape != (size,):
        shapes = f"mean1 {mean1.shape}, lda {lda.shape}, mean2 {mean2.shape}"
        raise PldaError(f"{path}: {shapes} do not fit a PLDA model of {size}: (D,), (D, {size}), ({size},)")
    return XvectorTransform(mean1, lda, mean2)


def _calibration(path: Path, arrays: dict[str, np.ndarray]) -> Calibration | None:
    try:
        return Calibration.of(arrays["calibration"]) if "calibration" in arrays else None
    except ValueError as error:
        raise PldaError(f"{path}: {error}") from None


def _length_norm_of(path: Path, mean: np.ndarray, transform: np.ndarray, psi: np.ndarray) -> LengthNorm:
    inverse = np.linalg.inv(transform)
    squared = mean @ mean + np.einsum("ij,ij,j->", inverse, inverse, 1 + psi)  # W + B = T⁻¹ diag(1 + psi) T⁻ᵀ
    lengths: dict[LengthNorm, float] = {"unit": 1.0, "sqrt": float(np.sqrt(len(mean)))}
    ratios = {norm: abs(np.log(np.sqrt(squared) / length)) for norm, length in lengths.items()}
    best = min(lengths, key=lambda norm: ratios[norm])
    if ratios[best] > np.log(1.5):
        raise PldaError(
            f"{path} was trained on vectors of length {np.sqrt(squared):.3g}, neither 1 nor "
            f"{lengths['sqrt']:.3g}; give length_norm='unit' or 'sqrt', or train it on normalised vectors"
        )
    return best
