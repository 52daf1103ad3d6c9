"""Bounds on the number of speakers in a recording."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SpeakerCount:
    """Bounds on the number of speakers, both included; no maximum where it is None."""

    minimum: int = 1
    maximum: int | None = None

    @property
    def is_open(self) -> bool:
        """Whether the data decide alone."""
        return self.minimum <= 1 and self.maximum is None

    def exceeded_by(self, clusters: int) -> bool:
        """Tell whether that many are too many."""
        return self.maximum is not None and clusters > self.maximum

    def clip(self, clusters: int) -> int:
        """Return the nearest allowed number."""
        upper = clusters if self.maximum is None else min(clusters, self.maximum)
        return max(self.minimum, upper)
