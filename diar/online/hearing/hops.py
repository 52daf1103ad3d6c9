"""What one hop changes: local speakers of the newest seg_window become speakers of the stream."""

from __future__ import annotations

import numpy as np
from scipy.special import expit

from diar.detect.reconstruction import settle
from diar.embedding.speech.detector import LocalActivity
from diar.online.hearing.speakers import Speaker, Speakers
from diar.online.hearing.voices import Voice, Voices
from diar.online.models import TOLD_SECONDS
from diar.online.settings import LiveSettings
from diar.online.timeline import FULL, Timeline

_STAY = 0.1  # that a voice's own speaker is ahead of the others
_BESIDE = 0.1  # off the cosine to the speaker of another voice of the seg_window, who is seldom the same
_TOGETHER = 0.15  # seconds that two voices speak at once, to be two people whatever the cosine
_LITTLE, _LITTLE_SHARE = 0.8, 0.5  # seconds of speech with less of which a lower cosine is enough
_SHARPNESS = 12.0  # of certainty over cosines
_REVISED = 1.0  # seconds before the newest hop that are decided anew by it
_CONTEXT = 0.5  # seconds before what a voice said, that the trunk sees, too
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
        self._speech = settings.preset.reconstruction
        self.voices = Voices()
        self.tracked = 0

    def follow(self, first: int, local: LocalActivity, told_frames: int) -> int:
        """Take a new seg_window; return from which of its frames on voices must be embedded, -1 for none."""
        self.voices.follow(first, local, self._step)
        last = max(0, len(local.edges) - 1 - told_frames)
        clean = [
            voice.clean[last:] for voice in self.voices.rows if voice.needs_telling(self._step, told_frames)
        ]
        begins = [int(own.argmax()) for own in clean if own.any()]
        return max(last, last + min(begins) - round(_CONTEXT / self._step)) if begins else -1

    def tell(self, embeddings: np.ndarray, seconds: np.ndarray, told_frames: int) -> None:
        """Take embeddings (speakers, D) with the clean seconds in each, and find whose they are."""
        told = []
        for row, (voice, embedding, own) in enumerate(
            zip(self.voices.rows, embeddings, seconds, strict=True)
        ):
            if voice.needs_telling(self._step, told_frames):
                voice.embedding, voice.seconds = embedding, float(own)
                voice.fresh = 0.0
                told.append((max(self._scores(voice).values(), default=0.0), row, voice))
        for _, _, voice in sorted(told, key=lambda entry: (-entry[0], entry[1])):
            self._decide(voice, self._scores(voice))

    def write(self, first: int, local: LocalActivity) -> np.ndarray:
        """Write who speaks into the timeline; return the voices (frames,) at once, 0 to 2."""
        probability = local.probability[0, 0].T.astype(np.float32) / FULL  # (speakers, frames)
        expected = probability.sum(axis=0)
        count = settle(expected, self._speech, self._step)
        order = np.argsort(-probability, axis=0, kind="stable")
        levels = np.zeros((probability.shape[1], max([0, *self._speakers.numbers])), np.uint8)
        for rank in range(min(2, len(probability))):
            for voice in self.voices.rows:
                if voice.speaker is not None:
                    frames = np.flatnonzero((order[rank] == voice.slot) & (count > rank))
                    frames = frames[(frames >= voice.begin) & (frames < voice.end)]
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

    def _scores(self, voice: Voice) -> dict[int, float]:
        """Return the cosine of a voice to each speaker that it may be, by number."""
        assert voice.embedding is not None
        score = self._speakers.cosines(voice.embedding)
        for other in self.voices.rows:
            if other is voice or other.speaker not in score:
                continue
            score[other.speaker] -= _BESIDE
            if (other.active & voice.active).sum() * self._step >= _TOGETHER:
                del score[other.speaker]
        return score

    def _decide(self, voice: Voice, score: dict[int, float]) -> None:
        """Find the speaker of a voice: one who is known, its own as before, or a new one."""
        least = self._speakers.same if voice.seconds >= _LITTLE else _LITTLE_SHARE * self._speakers.same
        own = None if voice.speaker is None else self._speakers.get(voice.speaker)
        if own is not None and own.number in score:
            # All that is known of an unsure speaker is this voice, so that the cosine says nothing
            score[own.number] = score[own.number] + _STAY if own.sure else least + 1e-3
        best = max(score, key=lambda number: (score[number], -number), default=None)
        if best is None or (score[best] < least and not self._speakers.full):
            if not self._speakers.full:
                self._become(voice, self._new(voice), 0.5)
            return
        found = self._speakers.get(best)
        assert found is not None
        others = max((cosine for number, cosine in score.items() if number != best), default=least)
        self._become(voice, found, float(expit(_SHARPNESS * (score[best] - max(others, least)))))
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
            told = self.voices.first + len(voice.active) - round(TOLD_SECONDS / self._step)
            frames = frames[frames >= max(self.tracked, told)]
            self._timeline.replace(frames, before.number, speaker.number)
        else:
            self._timeline.merge(before.number, speaker.number)
            self._speakers.drop(before.number)
            for other in self.voices.rows:
                if other.speaker == before.number:
                    other.speaker = speaker.number

    def _learn(self, voice: Voice, speaker: Speaker, again: bool) -> None:
        assert voice.embedding is not None
        if not speaker.sure:
            speaker.total = speaker.total + voice.embedding * voice.seconds
            speaker.seconds += voice.seconds
            speaker.sure = voice.seconds >= self._settings.new_speaker_seconds
        elif speaker.seconds < _LEARN_SECONDS and not again:
            speaker.total = speaker.total + voice.embedding * voice.seconds
            speaker.seconds += voice.seconds
