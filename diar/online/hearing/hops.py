"""What one hop changes: local speakers of the newest seg_window become speakers of the stream."""

from __future__ import annotations

import numpy as np
from scipy.special import expit

from diar.detect.reconstruction import settle
from diar.embedding.speech.detector import LocalActivity
from diar.online.hearing.dips import loudness
from diar.online.hearing.speakers import Speaker, Speakers
from diar.online.hearing.voices import News, Voice, Voices
from diar.online.models import TOLD_SECONDS
from diar.online.settings import LiveSettings
from diar.online.timeline import FULL, Timeline

_STAY = 0.1  # that a voice's own speaker is ahead of the others …
_BESIDE = 0.1  # off the cosine to the speaker of another voice of the seg_window, who is seldom the same
_TOGETHER = 0.15  # seconds that two voices speak at once, to be two people whatever the cosine
_ENOUGH = 0.8  # seconds of speech from which what was decided is held on to by `_STAY` …
_STAY_LITTLE = 0.05  # … and before
_CHANGED = 0.1  # that somebody else is ahead of a voice's speaker after a dip, or its own is behind
_HELD = 0.25  # seconds at the end of a seg_window that are told by the next hop, which hears what follows
_SHARPNESS = 12.0  # of certainty over cosines
_REVISED = 0.75  # seconds before what the hop before told, that are decided anew
_CONTEXT = 0.5  # seconds before what a voice said, that the trunk sees, too
_LEARN_SECONDS = 10.0  # of a speaker's voice, up to which hops add to it; tracks do so later
_MARGIN_LEARNT = 0.15  # that a voice which goes on is ahead with its speaker, to be added
# A voice in doubt waits while it goes on: up to so many seconds of clean speech (more over a telephone), or
# since it began; it is in doubt unless the best speaker is ahead by so much, or nobody has more than `_FAR`
_WAIT_CLEAN, _WAIT_CLEAN_NARROW, _WAIT, _AHEAD, _FAR, _GOES_ON = 0.9, 1.0, 1.15, 0.1, 0.0, 0.3
_UNDECIDED = 1.5  # seconds since a voice began, after which there is no hurry
# Probability of speech that a voice needs to be somebody new; more, where it is so quiet as hum. Speech is
# nominally at -26 dB (ITU-T P.56)
_SPEECH, _QUIET_SPEECH, _QUIET = 0.6, 0.9, -55.0  # dB of full scale


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
        self._probability = np.zeros((0, 0), np.float32)
        self._power = np.zeros(0)

    @property
    def undecided(self) -> bool:
        """Whether somebody speaks of whom it is not decided yet who that is, and soon will be."""
        recent, long = round(_GOES_ON / self._step), round(_UNDECIDED / self._step)
        return any(
            voice.speaker is None and voice.active[-recent:].any() and not voice.active[:-long].any()
            for voice in self.voices.rows
        )

    def follow(self, first: int, local: LocalActivity, power: np.ndarray, told_frames: int) -> int:
        """Take a new seg_window; return from which of its frames on voices must be embedded, -1 for none.

        Args:
            first: frame of the stream at which it begins.
            local: who speaks in it.
            power: (frames,) mean square of its frames.
            told_frames: of its end that can be embedded.
        """
        self._probability = local.probability[0, 0].astype(np.float32) / FULL  # (frames, speakers)
        self._power = power
        self.voices.follow(first, local, loudness(power), self._step)
        last = max(0, len(local.edges) - 1 - told_frames)
        clean = [
            voice.clean[last:] for voice in self.voices.rows if voice.needs_telling(self._step, told_frames)
        ]
        begins = [int(own.argmax()) for own in clean if own.any()]
        return max(last, last + min(begins) - round(_CONTEXT / self._step)) if begins else -1

    def tell(self, embeddings: np.ndarray, seconds: np.ndarray, told_frames: int) -> None:
        """Find whose the voices are.

        Args:
            embeddings: (rows, D), of the rows of `Voices.as_speakers`.
            seconds: (rows,) of clean speech in each.
            told_frames: of the end of the seg_window that was embedded.
        """
        told = []
        for row, news in enumerate(self._news(embeddings, seconds, told_frames)):
            told.append((max(self._scores(news.voice).values(), default=0.0), row, news))
        for _, _, news in sorted(told, key=lambda entry: (-entry[0], entry[1])):
            voice, score = news.voice, self._scores(news.voice)
            if news.cut_from is not None:
                score.pop(news.cut_from, None)
                self._decide(news, score)
                self._hand_over(voice, news.cut_from)
            elif voice.speaker is None and (self._is_noise(voice, score) or self._waits(voice, score)):
                voice.embedding = None  # so that the next hop asks again
            else:
                self._decide(news, score)

    def _news(self, embeddings: np.ndarray, seconds: np.ndarray, told_frames: int) -> list[News]:
        """Give voices their new embeddings; cut those that somebody else goes on."""
        found, rows = [], list(self.voices.rows)
        behind = len(rows)
        for row, voice in enumerate(rows):
            if not voice.needs_telling(self._step, told_frames):
                continue
            embedding, own, cut_from = embeddings[row], float(seconds[row]), None
            if voice.dip is not None:
                voice.tried = self.voices.first + voice.dip
                later, after = embeddings[behind], float(seconds[behind])
                behind += 1
                if self._is_another(voice, later, after, embedding):
                    cut_from = voice.speaker
                    voice, embedding, own = self.voices.cut(voice), later, after
                else:
                    embedding, own = embedding * own + later * after, own + after
                    embedding /= np.linalg.norm(embedding)
                    voice.dip = None
            fresh = voice.fresh if voice.embedding is not None else own
            found.append(News(voice, voice.seconds, fresh, cut_from))
            voice.embedding, voice.seconds, voice.fresh = embedding, own, 0.0
        return found

    def _is_another(self, voice: Voice, later: np.ndarray, seconds: float, before: np.ndarray) -> bool:
        """Tell whether what a voice says after its dip is somebody else's."""
        score = self._scores(voice, later)
        if voice.speaker not in score:
            return False
        own = score.pop(voice.speaker)
        other = max(score.values(), default=-1.0)
        least = self._speakers.least(seconds)
        if other >= least and other - own >= _CHANGED:
            return True
        alone = own < least - _CHANGED and float(later @ before) < self._speakers.same
        return alone and not self._speakers.full

    def _is_noise(self, voice: Voice, score: dict[int, float]) -> bool:
        """Tell whether a voice that is nobody's known is too doubtful to be somebody new."""
        if max(score.values(), default=-1.0) >= self._speakers.same:
            return False
        clean = np.flatnonzero(voice.clean)[-round(TOLD_SECONDS / self._step) :]
        quiet = 10 * np.log10(self._power[clean].mean() + 1e-12) < _QUIET
        return bool(self._probability[clean, voice.slot].mean() < (_QUIET_SPEECH if quiet else _SPEECH))

    def _waits(self, voice: Voice, score: dict[int, float]) -> bool:
        """Tell whether a voice goes on, and had better be heard for longer before it is somebody's."""
        since = (len(voice.active) - int(voice.active.argmax())) * self._step
        goes_on = voice.active[-round(_GOES_ON / self._step) :].any()
        clean = _WAIT_CLEAN_NARROW if self._settings.narrow_band else _WAIT_CLEAN
        if not score or not goes_on or voice.seconds >= clean or since >= _WAIT:
            return False
        best, second = [*sorted(score.values(), reverse=True), -1.0][:2]
        clear = best >= self._speakers.same and best - second >= _AHEAD
        return best >= _FAR and not clear

    def write(self, first: int, local: LocalActivity, *, last: bool) -> np.ndarray:
        """Write who speaks into the timeline; return the voices (frames,) at once, 0 to 2.

        The end of the seg_window is left to the next hop, if this is not the `last` one: the network is wrong
        more often about frames behind which it hears nothing. Whoever speaks after silence is told at once.
        """
        probability = local.probability[0, 0].T.astype(np.float32) / FULL  # (speakers, frames)
        expected = probability.sum(axis=0)
        count = settle(expected, self._speech, self._step)
        order = np.argsort(-probability, axis=0, kind="stable")
        numbers = sorted({voice.speaker for voice in self.voices.rows if voice.speaker is not None})
        levels = np.zeros((probability.shape[1], len(numbers)), np.uint8)
        for rank in range(min(2, len(probability))):
            for voice in self.voices.rows:
                if voice.speaker is not None:
                    frames = np.flatnonzero((order[rank] == voice.slot) & (count > rank))
                    frames = frames[(frames >= voice.begin) & (frames < voice.end)]
                    levels[frames, numbers.index(voice.speaker)] = max(1, round(FULL * voice.certainty))
        speaking = self._timeline.speaks_at_end(round(_GOES_ON / self._step))
        held = round(_HELD / self._step) if speaking and not last else 0
        levels = levels[: len(levels) - held]
        begin = max(self.tracked, self._timeline.end - round(_REVISED / self._step), first)
        if begin - first >= len(levels):
            return np.asarray(count)
        self._timeline.write(begin, levels[begin - first :], numbers)
        start = max(first, self.tracked, self._timeline.first)
        if start < begin:  # nothing is written of voices that were not known then
            self._timeline.complete(start, levels[start - first : begin - first], numbers)
        return np.asarray(count)

    def _scores(self, voice: Voice, embedding: np.ndarray | None = None) -> dict[int, float]:
        """Return the score of a voice, or an embedding of a part of it, with each speaker that it may be."""
        chosen = voice.embedding if embedding is None else embedding
        assert chosen is not None
        score = self._speakers.scores(chosen)
        for other in self.voices.rows:
            if other is voice or other.speaker not in score:
                continue
            score[other.speaker] -= _BESIDE
            if (other.active & voice.active).sum() * self._step >= _TOGETHER:
                del score[other.speaker]
        return score

    def _decide(self, news: News, score: dict[int, float]) -> None:
        """Find the speaker of a voice: one who is known, its own as before, or a new one."""
        voice = news.voice
        least = self._speakers.least(voice.seconds)
        own = None if voice.speaker is None else self._speakers.get(voice.speaker)
        if own is not None and own.number in score:
            stay = _STAY if news.seconds_before >= _ENOUGH else _STAY_LITTLE
            score[own.number] += stay
            if own.single or not own.sure:  # all that is known of the speaker is this voice: who is like it?
                whole = self._scores(voice, own.total / np.linalg.norm(own.total)) if own.sure else score
                score = {number: whole[number] for number in score} | {own.number: least + 1e-3}
        best = max(score, key=lambda number: (score[number], -number), default=None)
        if best is None or (score[best] < least and not self._speakers.full):
            if not self._speakers.full:
                self._become(voice, self._new(voice), 0.5)
            return
        found = self._speakers.get(best)
        assert found is not None
        others = max((cosine for number, cosine in score.items() if number != best), default=least)
        certainty = float(expit(_SHARPNESS * (score[best] - max(others, least))))
        ahead = self._ahead(voice, found)
        self._become(voice, found, certainty)
        self._learn(news, found, again=own is found, ahead=ahead)

    def _ahead(self, voice: Voice, speaker: Speaker) -> float:
        """Return by how much a voice is nearer to a speaker than to others, 0 where it is not near at all."""
        assert voice.embedding is not None
        cosine = self._speakers.cosines(voice.embedding)
        own = cosine.pop(speaker.number)
        if own < self._speakers.same:
            return 0.0
        if speaker.sure and voice.seconds >= _ENOUGH:
            self._speakers.saw_different(voice.embedding, speaker)
        return own - max(cosine.values(), default=0.0)

    def _new(self, voice: Voice) -> Speaker:
        assert voice.embedding is not None
        sure = voice.seconds >= self._settings.new_speaker_seconds
        speaker = self._speakers.add(voice.embedding * voice.seconds, voice.seconds, sure=sure)
        speaker.single = True
        return speaker

    def _become(self, voice: Voice, speaker: Speaker, certainty: float) -> None:
        before = None if voice.speaker is None else self._speakers.get(voice.speaker)
        voice.speaker, voice.certainty = speaker.number, certainty
        if before is None or before is speaker:
            return
        if (before.sure and not before.single) or before.name is not None:
            self._hand_over(voice, before.number)
        else:
            self._timeline.merge(before.number, speaker.number)
            self._speakers.drop(before.number)
            for other in self.voices.rows:
                if other.speaker == before.number:
                    other.speaker = speaker.number

    def _hand_over(self, voice: Voice, old: int) -> None:
        """Give what was told of a voice as the speaker `old`'s to its speaker."""
        assert voice.speaker is not None
        frames = self.voices.first + np.flatnonzero(voice.active)
        told = self.voices.first + len(voice.active) - round(TOLD_SECONDS / self._step)
        frames = frames[frames >= max(self.tracked, told)]
        self._timeline.replace(frames, old, voice.speaker)

    def _learn(self, news: News, speaker: Speaker, *, again: bool, ahead: float) -> None:
        """Add what a voice said to its speaker; `again` where that was its speaker before."""
        voice, enough = news.voice, self._settings.new_speaker_seconds
        assert voice.embedding is not None
        speaker.single &= again
        if not speaker.sure:
            if again and speaker.seconds <= voice.seconds:  # nothing else is known of the speaker
                speaker.total, speaker.seconds = voice.embedding * voice.seconds, voice.seconds
            else:
                speaker.add(voice.embedding, voice.seconds)
            speaker.sure = voice.seconds >= enough or (not again and speaker.seconds >= enough)
        elif speaker.seconds < _LEARN_SECONDS and (not again or ahead >= _MARGIN_LEARNT):
            speaker.add(voice.embedding, news.fresh if again else voice.seconds)
