"""The file of a score normalisation: a cohort, its numbers, and what it was made for.

An .npz with

    cohort (c, E), top, ceiling, mean, deviation   see `ScoreNorm`
    calibration (2,)                               slope and offset for normalised cosines; optional
    encoder_sha256, plda                           the encoder's; the PLDA model's fingerprint, or empty
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from diar.detect.backend.calibration import Calibration
from diar.detect.backend.norm import ScoreNorm
from diar.errors import DiarError

_NUMBERS = ("top", "ceiling", "mean", "deviation")
_TEXTS = ("encoder_sha256", "plda")
_LENGTH_TOLERANCE = 1e-2


class NormError(DiarError):
    """A score normalisation that cannot be read, or does not fit the embeddings."""


@dataclass(frozen=True)
class StoredNorm:
    """A score normalisation, and the encoder and PLDA model whose vectors it normalises."""

    norm: ScoreNorm
    encoder_sha256: str
    plda: str  # fingerprint; empty for the encoder's own vectors

    def check(self, source: str, encoder: str, sha256: str, plda: str, dimension: int) -> None:
        """Refuse other vectors than those of the cohort.

        Args:
            source: the file, as an error calls it.
            encoder: name of the encoder of the embeddings.
            sha256: of its weights.
            plda: fingerprint of the PLDA model that is used, or empty.
            dimension: of the vectors that are compared.

        Raises:
            NormError: another encoder, another PLDA model, or one too many or too few.
        """
        if self.encoder_sha256 != sha256:
            raise NormError(
                f"{source} was trained on embeddings of another encoder than {encoder}, which made these; "
                "train one on an archive of this encoder (`diar train norm`)"
            )
        if self.plda != plda:
            made = "with another `plda`" if self.plda and plda else "with" if self.plda else "without"
            need = "" if self.plda and plda else " `plda`"
            raise NormError(f"{source} was trained {made}{need}: give the same here as there")
        if self.norm.cohort.shape[1] != dimension:
            raise NormError(
                f"{source} has people of {self.norm.cohort.shape[1]} dimensions in place of {dimension}; the "
                "file is damaged, train again"
            )


def write_norm(path: Path, stored: StoredNorm) -> None:
    """Write what `read_norm` reads."""
    norm = stored.norm
    arrays = {"cohort": norm.cohort} | {name: np.array(getattr(norm, name)) for name in _NUMBERS}
    arrays |= {name: np.array(getattr(stored, name)) for name in _TEXTS}
    if norm.calibration is not None:
        arrays["calibration"] = norm.calibration.stored
    with path.open("wb") as file:  # given a name, numpy would append .npz to it
        np.savez(file, **arrays)  # type: ignore[arg-type]  # numpy's stub takes them for allow_pickle


def read_norm(path: Path) -> StoredNorm:
    """Read a score normalisation.

    Raises:
        NormError: damaged, or another file.
        OSError: it cannot be opened.
    """
    content = path.read_bytes()
    if not content.startswith(b"PK"):
        raise NormError(f"{path} is no .npz, as `diar train norm` writes it")
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {key: file[key] for key in file.files}
    except (zipfile.BadZipFile, ValueError, EOFError, OSError) as error:
        raise NormError(f"{path} is a damaged .npz ({error}); copy it again") from None
    missing = [key for key in ("cohort", *_NUMBERS, *_TEXTS) if key not in arrays]
    if missing:
        raise NormError(
            f"{path} holds {sorted(arrays)}, and lacks {missing}; `diar train norm` makes such files"
        )
    try:
        return StoredNorm(_norm(arrays), str(arrays["encoder_sha256"]), str(arrays["plda"]))
    except ValueError as error:
        raise NormError(f"{path}: {error}") from None


def _norm(arrays: dict[str, np.ndarray]) -> ScoreNorm:
    cohort = arrays["cohort"]
    if cohort.ndim != 2 or len(cohort) < 2 or cohort.dtype.kind != "f":
        raise ValueError(f"the cohort has shape {cohort.shape}, (people, dimensions) are needed")
    lengths = np.linalg.norm(cohort, axis=1)
    if not (np.abs(lengths - 1) < _LENGTH_TOLERANCE).all():  # NaN is bad too
        raise ValueError("the cohort's vectors must have the length 1; the file is damaged, train again")
    numbers = {name: arrays[name] for name in _NUMBERS}
    if any(value.shape != () or value.dtype.kind not in "iuf" for value in numbers.values()):
        raise ValueError(f"{list(_NUMBERS)} must be numbers; the file is damaged, train again")
    top, ceiling, mean, deviation = (float(value) for value in numbers.values())
    if not (np.isfinite([top, ceiling, mean, deviation]).all() and top >= 1 and deviation > 0):
        raise ValueError(f"top {top:g} and deviation {deviation:g} must be above 0 and finite; train again")
    calibration = Calibration.of(arrays["calibration"]) if "calibration" in arrays else None
    return ScoreNorm(cohort.astype(np.float32), int(top), ceiling, mean, deviation, calibration)
