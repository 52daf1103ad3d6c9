"""Local speakers, followed from one seg_window to the next by when they speak."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import linear_sum_assignment

from diar.embedding.speech.detector import LocalActivity

_LEAST_SHARED = 0.15  # seconds that two speak at the same times, to be one
_LEAST_AGREEMENT = 0.5  # share of the time of the one that speaks less
_FIRST_TOLD = 0.3  # seconds of clean speech from which a voice is embedded …
_AGAIN = 2.0  # … and again, at so many times as much …
_ENOUGH = 2.0  # … until it has so many


@dataclass
class Voice:
    """A local speaker of the newest seg_window.

    Attributes:
        active: (frames,) bool of the seg_window.
        clean: (frames,) bool: and nobody else.
        speaker: of the stream; None: not known yet.
        embedding: (D,) of its clean speech, L2-normalised; None: not embedded yet.
        seconds: of clean speech in the embedding.
        certainty: 0 … 1 that it is that speaker.
    """

    active: np.ndarray
    clean: np.ndarray
    speaker: int | None = None
    embedding: np.ndarray | None = None
    seconds: float = 0.0
    certainty: float = 0.0

    def needs_telling(self, step: float, told_frames: int) -> bool:
        """Tell whether it has enough new clean speech in its last frames to be embedded (again)."""
        if self.seconds >= _ENOUGH:
            return False
        return float(self.clean[-told_frames:].sum()) * step >= max(_FIRST_TOLD, _AGAIN * self.seconds)


@dataclass
class Voices:
    """The local speakers of the newest seg_window.

    Attributes:
        first: the frame of the stream at which the seg_window begins.
        rows: by number of the local speaker; None where nobody speaks under it.
    """

    first: int = 0
    rows: list[Voice | None] = field(default_factory=list)

    def follow(self, first: int, local: LocalActivity, step: float) -> None:
        """Go on to the next seg_window; voices that go on keep what is known of them."""
        active = local.active[0, 0].T  # (speakers, frames)
        clean = active & local.alone[0, 0]
        new = [Voice(*frames) if frames[0].any() else None for frames in zip(active, clean, strict=True)]
        shift = first - self.first
        for before, now in self._pairs(active, shift, step):
            old, voice = self.rows[before], new[now]
            if old is not None and voice is not None:
                voice.speaker, voice.embedding = old.speaker, old.embedding
                voice.seconds, voice.certainty = old.seconds, old.certainty
        self.first, self.rows = first, new

    def _pairs(self, active: np.ndarray, shift: int, step: float) -> list[tuple[int, int]]:
        """Return which rows before and now speak at the same times; `active` is (speakers, frames)."""
        if not self.rows:
            return []
        shared = np.zeros((len(self.rows), len(active)))
        agreement = np.zeros_like(shared)
        for i, old in enumerate(self.rows):
            if old is None:
                continue
            earlier = old.active[shift:]
            count = min(len(earlier), active.shape[1])
            own, now = earlier[:count], active[:, :count]
            shared[i] = (own & now).sum(axis=1) * step
            shorter = np.minimum(own.sum(), now.sum(axis=1)) * step
            agreement[i] = shared[i] / np.maximum(shorter, step)
        rows, columns = linear_sum_assignment(-shared)
        return [
            (int(i), int(j))
            for i, j in zip(rows, columns, strict=True)
            if shared[i, j] >= _LEAST_SHARED and agreement[i, j] >= _LEAST_AGREEMENT
        ]
