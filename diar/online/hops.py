"""What one hop changes: the newest seg_window's local speakers become speakers of the stream, in its frames."""

from __future__ import annotations

import numpy as np
from scipy.special import expit

from diar.detect.reconstruction import settle
from diar.embedding.speech.detector import LocalActivity
from diar.online.settings import LiveSettings
from diar.online.speakers import Speaker, Speakers
from diar.online.timeline import FULL, Timeline
from diar.online.voices import Voice, Voices

_SAME = 0.0  # log ratio from which a voice is a speaker's
_STAY = 2.0  # that a voice's own speaker is ahead of the others
_REVISED = 1.0  # seconds before the newest hop that are decided anew by it
_LEARN_SECONDS = 10.0  # of a speaker's voice, up to which hops add to it; tracks do so later


class Hops:
    """The part of a stream that is fast and may be wrong.

    Args:
        settings: of the stream.
        speakers: of the stream.
        timeline: of the stream.
        step: seconds from frame to frame.

    Attributes:
        voices: of the newest seg_window.
        tracked: the frame up to which tracks decided who speaks; hops leave it alone.
    """

    def __init__(self, settings: LiveSettings, speakers: Speakers, timeline: Timeline, step: float) -> None:
        self._settings, self._speakers, self._timeline, self._step = settings, speakers, timeline, step
        narrow = settings.narrow_band
        self._preset = settings.diarize.narrow_preset if narrow else settings.diarize.preset
        self.voices = Voices()
        self.tracked = 0

    def follow(self, first: int, local: LocalActivity, told_frames: int) -> bool:
        """Take a new seg_window; tell whether voices must be embedded."""
        self.voices.follow(first, local, self._step)
        return any(
            voice is not None and voice.needs_telling(self._step, told_frames) for voice in self.voices.rows
        )

    def tell(self, embeddings: np.ndarray, seconds: np.ndarray, told_frames: int) -> None:
        """Take embeddings (speakers, D) with the clean seconds in each, and find whose they are."""
        told = []
        for voice, embedding, own in zip(self.voices.rows, embeddings, seconds, strict=True):
            if voice is not None and voice.needs_telling(self._step, told_frames):
                voice.embedding, voice.seconds = embedding, float(own)
                told.append((voice, self._ratios(voice)))
        for voice, ratios in sorted(told, key=lambda pair: -max(pair[1].values(), default=0.0)):
            self._decide(voice, ratios)

    def write(self, first: int, local: LocalActivity) -> np.ndarray:
        """Write who speaks into the timeline; return the voices (frames,) at once, 0 to 2."""
        probability = local.probability[0, 0].T.astype(np.float32) / FULL  # (speakers, frames)
        expected = probability.sum(axis=0)
        count = settle(expected, self._preset.reconstruction, self._step)
        order = np.argsort(-probability, axis=0, kind="stable")
        levels = np.zeros((probability.shape[1], max([0, *self._speakers.numbers])), np.uint8)
        for rank in range(min(2, len(probability))):
            for row, voice in enumerate(self.voices.rows):
                if voice is not None and voice.speaker is not None:
                    frames = (order[rank] == row) & (count > rank)
                    levels[frames, voice.speaker - 1] = max(1, round(FULL * voice.certainty))
        begin = max(self.tracked, self._timeline.end - round(_REVISED / self._step), first)
        self._timeline.write(begin, levels[begin - first :])
        self._complete(first, begin, levels)
        return np.asarray(count)

    def _complete(self, first: int, begin: int, levels: np.ndarray) -> None:
        """Write what voices said before `begin` where nothing is written: they were not known then."""
        start = max(first, self.tracked, self._timeline.first)
        if start >= begin:
            return
        rows = slice(start - self._timeline.first, begin - self._timeline.first)
        there = self._timeline.level[rows]
        empty = ~there.any(axis=1)
        there[empty, : levels.shape[1]] = levels[start - first : begin - first][empty]

    def _ratios(self, voice: Voice) -> dict[int, float]:
        assert voice.embedding is not None
        ratios = self._speakers.ratios(voice.embedding, voice.seconds)
        return dict(zip(self._speakers.numbers, ratios.tolist(), strict=True))

    def _decide(self, voice: Voice, ratios: dict[int, float]) -> None:
        """Find the speaker of a voice: one who is known, its own as before, or a new one."""
        taken = {other.speaker for other in self.voices.rows if other is not None and other is not voice}
        own = None if voice.speaker is None else self._speakers.get(voice.speaker)
        score = {number: ratio for number, ratio in ratios.items() if number not in taken}
        if own is not None and own.number in score:
            score[own.number] += _STAY
            if not own.sure:  # all that is known of it is this voice
                score[own.number] = _SAME + 1e-3
        best = max(score, key=lambda number: (score[number], -number), default=None)
        if best is None or (score[best] < _SAME and not self._speakers.full):
            if best is None and self._speakers.full:
                return
            self._become(voice, self._new(voice), 0.5)
            return
        found = self._speakers.get(best)
        assert found is not None
        others = max((ratio for number, ratio in score.items() if number != best), default=_SAME)
        self._become(voice, found, float(expit(score[best] - max(others, _SAME))))
        self._learn(voice, found, own is found)

    def _new(self, voice: Voice) -> Speaker:
        assert voice.embedding is not None
        sure = voice.seconds >= self._settings.new_speaker_seconds
        return self._speakers.add(voice.embedding * voice.seconds, voice.seconds, sure=sure)

    def _become(self, voice: Voice, speaker: Speaker, certainty: float) -> None:
        before = None if voice.speaker is None else self._speakers.get(voice.speaker)
        voice.speaker, voice.certainty = speaker.number, certainty
        if before is None or before is speaker:
            return
        if before.sure:
            frames = self.voices.first + np.flatnonzero(voice.active)
            self._timeline.replace(frames[frames >= self.tracked], before.number, speaker.number)
        else:
            self._timeline.merge(before.number, speaker.number)
            self._speakers.drop(before.number)
            for other in self.voices.rows:
                if other is not None and other.speaker == before.number:
                    other.speaker = speaker.number

    def _learn(self, voice: Voice, speaker: Speaker, again: bool) -> None:
        assert voice.embedding is not None
        if not speaker.sure:
            speaker.total, speaker.seconds = voice.embedding * voice.seconds, voice.seconds
            speaker.sure = voice.seconds >= self._settings.new_speaker_seconds
        elif speaker.seconds < _LEARN_SECONDS and not again:
            speaker.total = speaker.total + voice.embedding * voice.seconds
            speaker.seconds += voice.seconds
