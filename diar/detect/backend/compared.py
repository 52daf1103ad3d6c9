"""Voices as they are compared: by cosine, or by normalised cosine."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from diar.detect.backend.norm import ScoreNorm

Rows = np.ndarray | slice


@dataclass(frozen=True)
class Compared:
    """n unit vectors, and what normalises their cosines."""

    vectors: np.ndarray  # (n, E)
    lines: np.ndarray | None = None  # (n, 2) of `ScoreNorm.lines`; None: the cosine itself

    @classmethod
    def of(cls, vectors: np.ndarray, norm: ScoreNorm | None = None) -> Compared:
        """Return unit vectors (n, E) as `norm` compares them."""
        return cls(vectors, None if norm is None else norm.lines(vectors))

    def __len__(self) -> int:
        return len(self.vectors)

    def __getitem__(self, rows: Rows) -> Compared:
        return Compared(self.vectors[rows], None if self.lines is None else self.lines[rows])

    def matrix(self, other: Compared) -> np.ndarray:
        """Return how alike each of n is to each of m others, (n, m)."""
        cosine = self.vectors @ other.vectors.T
        if self.lines is None or other.lines is None:
            return np.asarray(cosine)
        (slope, shift), (slopes, shifts) = self.lines.T, other.lines.T
        return np.asarray((slope[:, None] + slopes) * cosine + shift[:, None] + shifts)

    def to_one(self, other: Compared) -> np.ndarray:
        """Return how alike each of n is to the only one of `other`, (n,)."""
        cosine = self.vectors @ other.vectors[0]
        if self.lines is None or other.lines is None:
            return np.asarray(cosine)
        line = self.lines + other.lines[0]
        return np.asarray(line[:, 0] * cosine + line[:, 1])

    def pairs(self, other: Compared) -> np.ndarray:
        """Return how alike each of n is to the one beside it, (n,)."""
        cosine = np.einsum("ij,ij->i", self.vectors, other.vectors)
        if self.lines is None or other.lines is None:
            return np.asarray(cosine)
        line = self.lines + other.lines
        return np.asarray(line[:, 0] * cosine + line[:, 1])
