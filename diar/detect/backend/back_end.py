"""What compares the voices of different recordings, and of different segments.

A PLDA model maps embeddings to a space in which one speaker scatters alike in all directions. There they are
compared by cosine, so that all that works with cosines of unit vectors works there, for a million speakers,
too. It tells pairs of recordings apart as well as the model's log-likelihood ratio does
(docs/decisions/103-trained-back-end.md).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from diar.detect.backend.calibration import Calibration
from diar.detect.backend.norm import ScoreNorm
from diar.detect.clustering.plda import Plda, PldaError
from diar.detect.clustering.similarity import unit_rows

_BLOCK = 65_536


@dataclass(frozen=True)
class BackEnd:
    """Trained models that embeddings are compared by; without a PLDA model, the embeddings themselves are."""

    plda: Plda | None = None
    norm: ScoreNorm | None = None  # of cosines of `vectors`

    @property
    def calibration(self) -> Calibration | None:
        """What the (normalised) cosines of `vectors` mean; None where training did not find out."""
        trained = self.plda if self.norm is None else self.norm
        return None if trained is None else trained.calibration

    def check_plda(self, source: str, encoder: str, sha256: str, dimension: int) -> None:
        """Refuse embeddings of another encoder than the PLDA model was trained on, as far as the file tells.

        Args:
            source: the file, as an error calls it.
            encoder: name of the encoder of the embeddings.
            sha256: of its weights.
            dimension: of its embeddings.

        Raises:
            PldaError: another encoder.
        """
        if self.plda is None:
            return
        trained = self.plda.input_dimension
        if trained != dimension or self.plda.encoder_sha256 not in ("", sha256):
            size = f" ({trained} dimensions in place of {dimension})" if trained != dimension else ""
            raise PldaError(
                f"{source} was trained on embeddings of another encoder than {encoder}, which made these"
                f"{size}; train one on an archive of this encoder (`diar train plda`)"
            )

    def vectors(self, embedding: np.ndarray) -> np.ndarray:
        """Map unit embeddings (n, D) to float32 unit vectors (n, E), which are compared by cosine.

        Raises:
            PldaError: embeddings of another dimension; values that are not finite.
        """
        if self.plda is None:
            return embedding
        found = np.empty((len(embedding), len(self.plda.mean)), np.float32)
        for start in range(0, len(embedding), _BLOCK):
            part = slice(start, start + _BLOCK)
            found[part] = unit_rows(self.plda.transform(embedding[part]))
        return found
