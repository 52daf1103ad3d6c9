"""What local speakers say without a longer pause, followed from one seg_window to the next.

A local speaker of a short seg_window may be two people, one after the other. So what is said after a pause is
a voice of its own, until its embedding says whose it is.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np
from scipy.optimize import linear_sum_assignment

from diar.embedding.sample_intervals import frame_runs
from diar.embedding.speech.detector import LocalActivity

_PAUSE = 0.25  # seconds of silence of a local speaker, after which a voice is another one
_LEAST_SHARED = 0.15  # seconds that two speak at the same times, to be one
_LEAST_AGREEMENT = 0.5  # share of the time of the one that speaks less
_FIRST_TOLD = 0.3  # seconds of clean speech from which a voice is embedded …
_AGAIN_SOON, _SOON = 0.5, 0.8  # … and again after so much more, where it was less than that …
_AGAIN = 1.2  # … and later after so much more, because somebody else may have gone on without a pause


@dataclass
class Voice:
    """What one local speaker of the newest seg_window says without a longer pause.

    Attributes:
        slot: number of the local speaker.
        begin, end: frames of the seg_window that are the voice's, with half of the pauses around it.
        active: (frames,) bool of the seg_window.
        clean: (frames,) bool: and nobody else.
        speaker: of the stream; None: not known yet.
        embedding: (D,) of its clean speech, L2-normalised; None: not embedded yet.
        seconds: of clean speech in the embedding.
        certainty: 0 … 1 that it is that speaker.
        fresh: seconds of clean speech since it was embedded.
    """

    slot: int
    begin: int
    end: int
    active: np.ndarray
    clean: np.ndarray
    speaker: int | None = None
    embedding: np.ndarray | None = None
    seconds: float = 0.0
    certainty: float = 0.0
    fresh: float = 0.0

    def needs_telling(self, step: float, told_frames: int) -> bool:
        """Tell whether it has enough new clean speech in its last frames to be embedded (again)."""
        if self.embedding is None:
            return float(self.clean[-told_frames:].sum()) * step >= _FIRST_TOLD
        return self.fresh >= (_AGAIN_SOON if self.seconds < _SOON else _AGAIN)


@dataclass
class Voices:
    """The voices of the newest seg_window.

    Attributes:
        first: the frame of the stream at which the seg_window begins.
        rows: ascending by local speaker and time.
    """

    first: int = 0
    rows: list[Voice] = field(default_factory=list)

    def follow(self, first: int, local: LocalActivity, step: float) -> None:
        """Go on to the next seg_window; voices that go on keep what is known of them."""
        new = _split(local, step)
        for old, voice in self._pairs(new, first - self.first, step):
            voice.speaker, voice.embedding = old.speaker, old.embedding
            voice.seconds, voice.certainty = old.seconds, old.certainty
            known = max(0, len(old.active) + self.first - first)
            voice.fresh = old.fresh + float(voice.clean[known:].sum()) * step
        self.first, self.rows = first, new

    def as_speakers(self, local: LocalActivity) -> LocalActivity:
        """Return the seg_window with the voices in place of local speakers."""
        probability = np.zeros((*local.probability.shape[:3], len(self.rows)), np.uint8)
        active = np.zeros(probability.shape, bool)
        for row, voice in enumerate(self.rows):
            span = slice(voice.begin, voice.end)
            probability[0, 0, span, row] = local.probability[0, 0, span, voice.slot]
            active[0, 0, :, row] = voice.active
        return replace(local, probability=probability, active=active)

    def _pairs(self, new: list[Voice], shift: int, step: float) -> list[tuple[Voice, Voice]]:
        """Return voices before, each with the one now that speaks at the same times."""
        shared = np.zeros((len(self.rows), len(new)))
        agreement = np.zeros_like(shared)
        for i, old in enumerate(self.rows):
            for j, voice in enumerate(new):
                count = min(len(old.active) - shift, len(voice.active))
                own, now = old.active[shift : shift + count], voice.active[:count]
                shared[i, j] = (own & now).sum() * step
                agreement[i, j] = shared[i, j] / max(min(own.sum(), now.sum()) * step, step)
        return [
            (self.rows[i], new[j])
            for i, j in zip(*linear_sum_assignment(-shared), strict=True)
            if shared[i, j] >= _LEAST_SHARED and agreement[i, j] >= _LEAST_AGREEMENT
        ]


def _split(local: LocalActivity, step: float) -> list[Voice]:
    """Return the voices of a seg_window, without what is known of them."""
    active, alone = local.active[0, 0].T, local.alone[0, 0]  # (speakers, frames), (frames,)
    voices = []
    for slot, runs in enumerate(frame_runs(active)):
        if not len(runs):
            continue
        pauses = np.flatnonzero((runs[1:, 0] - runs[:-1, 1]) * step >= _PAUSE)
        middles = (runs[pauses, 1] + runs[pauses + 1, 0]) // 2
        edges = [0, *middles.tolist(), active.shape[1]]
        for begin, end in pairwise(edges):
            own = np.zeros(active.shape[1], bool)
            own[begin:end] = active[slot, begin:end]
            voices.append(Voice(slot, begin, end, own, own & alone))
    return voices
