"""Groups of vectors that are taken for one speaker, and what makes two of them one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from diar.detect.backend.compared import Compared
from diar.detect.backend.norm import ScoreNorm
from diar.detect.linking.evidence import Evidence


@dataclass(frozen=True)
class Groups:
    """g groups of the n vectors that are linked."""

    direction: np.ndarray  # (g, D) float32 unit vectors
    length: np.ndarray  # (g,) float32, of the weighted sum of the group's vectors, along `direction`
    seconds: np.ndarray  # (g,) float32, of clean speech
    vectors: np.ndarray  # (g,) float32, how many, each of another recording
    recordings: csr_array  # (g, recordings) int32, 1 where the group has a vector in the recording
    norm: ScoreNorm | None = None  # of cosines between groups
    lines: np.ndarray | None = None  # (g, 2) of `norm`

    def __len__(self) -> int:
        return len(self.seconds)

    @property
    def voices(self) -> Compared:
        """The groups as they are compared."""
        return Compared(self.direction, self.lines)

    @classmethod
    def single(
        cls,
        embedding: np.ndarray,
        seconds: np.ndarray,
        recording: np.ndarray,
        evidence: Evidence,
        norm: ScoreNorm | None = None,
    ) -> Groups:
        """Make a group of each vector; one of much speech weighs more, see `vector_weights`."""
        n = len(embedding)
        direction = embedding.astype(np.float32, copy=False)
        columns = np.unique(recording, return_inverse=True)[1] if n else np.zeros(0, np.int64)
        entries = (np.ones(n, np.int32), columns.astype(np.int32), np.arange(n + 1, dtype=np.int32))
        return cls(
            direction=direction,
            length=vector_weights(seconds, evidence).astype(np.float32),
            seconds=seconds.astype(np.float32),
            vectors=np.ones(n, np.float32),
            recordings=csr_array(entries, shape=(n, int(columns.max(initial=0)) + 1)),
            norm=norm,
            lines=None if norm is None else norm.lines(direction),
        )

    def merge(self, keep: np.ndarray, absorb: np.ndarray) -> tuple[Groups, np.ndarray]:
        """Add each group of `absorb`, all different, to that of `keep` beside it; none of those is absorbed.

        Returns:
            The fewer groups, in their old order, and the new index (g,) of each old group.
        """
        stay = np.ones(len(self), bool)
        stay[absorb] = False
        renamed = np.cumsum(stay) - 1
        renamed[absorb] = renamed[keep]
        total = summed(self.direction, self.length, renamed)
        length = np.linalg.norm(total, axis=1)
        total /= np.maximum(length, np.finfo(np.float32).tiny)[:, None]
        seconds, vectors = (np.bincount(renamed, values) for values in (self.seconds, self.vectors))
        entries = (np.ones(len(self), np.int32), (renamed, np.arange(len(self))))
        recordings = csr_array(entries, shape=(len(total), len(self))) @ self.recordings
        lines = self._lines_of(total, stay, renamed[absorb])
        merged = Groups(
            total,
            length,
            seconds.astype(np.float32),
            vectors.astype(np.float32),
            recordings,
            self.norm,
            lines,
        )
        return merged, renamed

    def _lines_of(self, direction: np.ndarray, stay: np.ndarray, changed: np.ndarray) -> np.ndarray | None:
        """Return the lines of merged groups; those of groups that are not `changed` are as they were."""
        if self.norm is None or self.lines is None:
            return None
        lines = self.lines[stay]
        again = np.unique(changed)
        lines[again] = self.norm.lines(direction[again])
        return lines

    def share_recording(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Return (p,) bool: the pairs whose groups share a recording, so they are different people."""
        common = self.recordings[first].multiply(self.recordings[second])
        return np.asarray(common.sum(axis=1)).ravel() > 0


def vector_weights(seconds: np.ndarray, evidence: Evidence) -> np.ndarray:
    """Return the weight (n,) of each vector in its speaker's mean: its inverse variance."""
    seconds = np.maximum(seconds, 1e-3)
    return np.asarray(seconds / (evidence.session_variance * seconds + evidence.speech_variance))


def summed(embedding: np.ndarray, weights: np.ndarray, label: np.ndarray) -> np.ndarray:
    """Return (labels, D) float32: the weighted sum of the vectors of each label 0, 1, …; all labels occur."""
    entries = (weights.astype(np.float32), (label, np.arange(len(label))))
    matrix = csr_array(entries, shape=(int(label.max(initial=-1)) + 1, len(label)))
    return np.asarray(matrix @ embedding.astype(np.float32, copy=False))
