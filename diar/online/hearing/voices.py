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
from diar.online.hearing.dips import SEEN, deepest

_PAUSE = 0.25  # seconds of silence of a local speaker, after which a voice is another one
_LEAST_SHARED = 0.15  # seconds that two speak at the same times, to be one
_LEAST_AGREEMENT = 0.5  # share of the time of the one that speaks less
_FIRST_TOLD = 0.3  # seconds of clean speech from which a voice is embedded …
_AGAIN_SOON, _SOON = 0.5, 0.8  # … and again after so much more, where it was less than that …
_AGAIN = 1.4  # … and later after so much more, because somebody else may have gone on without a pause: …
_AGAIN_DIP = ((20.0, 0.7), (9.0, 1.1))  # … where the loudness dips by so many dB, after so much
_BESIDE = 0.3  # seconds before and after a cut, in which a local speaker speaks who is cut there
_APART = 0.1  # seconds from one dip that is looked at to the next


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
        tried: frame of the stream up to which dips were looked at.
        dip: frame of the seg_window at which the loudness dips, so that somebody else may have gone on;
            None where it does not, or that was looked at.
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
    tried: int = 0
    dip: int | None = None

    def needs_telling(self, step: float, told_frames: int) -> bool:
        """Tell whether it has enough new clean speech in its last frames to be embedded (again)."""
        if self.embedding is None:
            return float(self.clean[-told_frames:].sum()) * step >= _FIRST_TOLD
        return self.dip is not None or self.fresh >= (_AGAIN_SOON if self.seconds < _SOON else _AGAIN)


@dataclass(frozen=True)
class News:
    """A voice that was embedded anew.

    Attributes:
        voice: with the new embedding.
        seconds_before: of clean speech in the embedding before; 0 = there was none.
        fresh: seconds of clean speech since then.
        cut_from: speaker after whom the voice begins without a pause; None where it does not.
    """

    voice: Voice
    seconds_before: float
    fresh: float
    cut_from: int | None = None


@dataclass
class Voices:
    """The voices of the newest seg_window.

    Attributes:
        first: the frame of the stream at which the seg_window begins.
        rows: ascending by local speaker and time.
        cuts: frames of the stream at which one voice ends and another one begins without a pause.
    """

    first: int = 0
    rows: list[Voice] = field(default_factory=list)
    cuts: list[int] = field(default_factory=list)

    def follow(self, first: int, local: LocalActivity, loud: np.ndarray, step: float) -> None:
        """Go on to the next seg_window; voices that go on keep what is known of them.

        Args:
            first: frame of the stream at which the seg_window begins.
            local: who speaks in it.
            loud: (frames,) dB of its frames.
            step: seconds from frame to frame.
        """
        self.cuts = [cut for cut in self.cuts if cut > first]
        new = _split(local, step, [cut - first for cut in self.cuts])
        for old, voice in self._pairs(new, first - self.first, step):
            voice.speaker, voice.embedding = old.speaker, old.embedding
            voice.seconds, voice.certainty = old.seconds, old.certainty
            known = max(0, len(old.active) + self.first - first)
            voice.fresh = old.fresh + float(voice.clean[known:].sum()) * step
            voice.tried = old.tried
        self.first, self.rows = first, new
        for voice in new:
            if voice.embedding is not None and voice.speaker is not None:
                voice.dip = self._dip(voice, loud, step)

    def cut(self, voice: Voice) -> Voice:
        """Divide a voice at its dip; return what comes after it, of which nothing is known yet."""
        at = voice.dip
        assert at is not None
        self.cuts.append(self.first + at)
        behind = np.arange(len(voice.active)) >= at
        new = Voice(voice.slot, at, voice.end, voice.active & behind, voice.clean & behind)
        voice.end, voice.active, voice.clean = at, voice.active & ~behind, voice.clean & ~behind
        voice.dip, new.tried = None, voice.tried
        row = next(row for row, own in enumerate(self.rows) if own is voice)
        self.rows.insert(row + 1, new)
        return new

    def _dip(self, voice: Voice, loud: np.ndarray, step: float) -> int | None:
        """Return the frame of the deepest dip of a voice; None where it was looked at or is not due."""
        begin = max(len(loud) - round(SEEN / step), voice.begin)
        found = deepest(loud[begin : voice.end], voice.clean[begin : voice.end], step)
        if found is None:
            return None
        due = next((after for depth, after in _AGAIN_DIP if found[1] >= depth), _AGAIN)
        if voice.fresh < due:
            return None
        dip = begin + found[0]
        return dip if self.first + dip > voice.tried + _APART / step else None

    def as_speakers(self, local: LocalActivity) -> LocalActivity:
        """Return the seg_window with the voices in place of local speakers.

        Where a voice has a dip, it ends there; what comes after it is one more row behind all voices.
        """
        parts = [(voice, voice.begin, voice.end if voice.dip is None else voice.dip) for voice in self.rows]
        parts += [(voice, voice.dip, voice.end) for voice in self.rows if voice.dip is not None]
        probability = np.zeros((*local.probability.shape[:3], len(parts)), np.uint8)
        active = np.zeros(probability.shape, bool)
        for row, (voice, begin, end) in enumerate(parts):
            probability[0, 0, begin:end, row] = local.probability[0, 0, begin:end, voice.slot]
            active[0, 0, begin:end, row] = voice.active[begin:end]
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


def _split(local: LocalActivity, step: float, cuts: list[int]) -> list[Voice]:
    """Return the voices of a seg_window that is cut at some frames, without what is known of them."""
    active, alone = local.active[0, 0].T, local.alone[0, 0]  # (speakers, frames), (frames,)
    voices = []
    for slot, runs in enumerate(frame_runs(active)):
        if not len(runs):
            continue
        pauses = np.flatnonzero((runs[1:, 0] - runs[:-1, 1]) * step >= _PAUSE)
        middles = (runs[pauses, 1] + runs[pauses + 1, 0]) // 2
        own_cuts = [cut for cut in cuts if _whose(active & alone, cut, round(_BESIDE / step)) == slot]
        edges = sorted({0, *middles.tolist(), *own_cuts, active.shape[1]})
        for begin, end in pairwise(edges):
            own = np.zeros(active.shape[1], bool)
            own[begin:end] = active[slot, begin:end]
            voices.append(Voice(slot, begin, end, own, own & alone))
    return voices


def _whose(clean: np.ndarray, cut: int, near: int) -> int | None:
    """Return the local speaker that speaks alone on both sides of a cut, None where nobody does."""
    before, after = clean[:, max(0, cut - near) : cut].sum(axis=1), clean[:, cut : cut + near].sum(axis=1)
    both = np.minimum(before, after)
    return int(both.argmax()) if both.any() else None
