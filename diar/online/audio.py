"""The last samples of a stream."""

from __future__ import annotations

import numpy as np

from diar.errors import DiarError

_FULL_SCALE = 32768.0


class Samples:
    """Samples by their number in the stream, kept as 16 bit, so that a saved stream goes on as if it was not.

    Attributes:
        start: number of the first sample that is kept.
    """

    def __init__(self, kept: np.ndarray | None = None, start: int = 0) -> None:
        self.start = start
        self._kept = np.empty(0, np.int16) if kept is None else kept

    @property
    def end(self) -> int:
        """Number of samples in the stream so far."""
        return self.start + len(self._kept)

    @property
    def kept(self) -> np.ndarray:
        """(n,) int16."""
        return self._kept

    def push(self, samples: np.ndarray) -> None:
        """Append samples (n,) float32; beyond ±1 they are clipped.

        Raises:
            DiarError: another shape or type, or values that are not finite.
        """
        self.check(samples)
        rounded = np.clip(np.rint(samples * _FULL_SCALE), -_FULL_SCALE, _FULL_SCALE - 1)
        self._kept = np.concatenate([self._kept, rounded.astype(np.int16)])

    @staticmethod
    def check(samples: np.ndarray) -> None:
        """Raise what `push` does."""
        if not isinstance(samples, np.ndarray) or samples.ndim != 1 or samples.dtype != np.float32:
            what = f"{samples.dtype} {samples.shape}" if isinstance(samples, np.ndarray) else type(samples)
            raise DiarError(f"`samples` must be (n,) float32, got {what}")
        if not np.isfinite(samples).all():
            raise DiarError("`samples` must be finite")

    def power(self, start: int, end: int) -> float:
        """Return the mean square of samples start … end, without their mean."""
        return float(np.var(self.take(start, end), dtype=np.float64))

    def take(self, start: int, end: int) -> np.ndarray:
        """Return samples start … end, (n,) float32."""
        return self._kept[start - self.start : end - self.start].astype(np.float32) / _FULL_SCALE

    def forget(self, before: int) -> None:
        """Drop the samples before that number."""
        if before > self.start:
            self._kept = self._kept[before - self.start :].copy()
            self.start = before
