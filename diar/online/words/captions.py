"""The words of one stream, while it is spoken: what to recognise now, and what is told of it.

The current piece of speech is recognised again and again as it grows. A piece begins with speech after a
pause. Words are certain where two hypotheses agree, and where the speech pauses. Only speech that the turns
cover is recognised, and words outside of it are dropped.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np

from diar.align.assignment import assign_speakers
from diar.align.cleaning import clean
from diar.formats.words.punctuation import ends_sentence
from diar.intervals import at_least
from diar.online.audio import Samples
from diar.online.events import LiveTurn, LiveWord, TurnCorrected, TurnEnded, TurnEvent, TurnFinal
from diar.online.settings import SAMPLE_RATE
from diar.online.words.agreement import Agreement
from diar.records import Turn, Word

STEP = 0.5  # seconds of new audio after which a piece is recognised again
MARGIN = 0.25  # seconds around speech, which begins and ends softly
_PAUSE = 1.0  # seconds without speech after which a new piece begins
_LONG = 9.0  # seconds of a piece after which it loses what is certain
_LONGEST = 28.0  # seconds of a piece
_LATE = 5.0  # seconds after which a word is certain, whatever hypotheses say
_MOST_WAITING = 90.0  # seconds of audio that are kept for words
_RECENT = 64  # turns that are looked at
_OPENED = 1.0  # seconds before the end of a restored stream; turns that end later may go on
_AT_EDGE = 0.2  # seconds before what was heard last, within which a corrected turn ends that goes on
_CONTEXT = 6  # certain words that help to find the speakers of those that follow
_HEARD = 0.05  # seconds after speech that must have been heard, to have heard its last word
_BEFORE = 0.1  # seconds before a cut in speech, since words are placed no better than that
_EDGE = 1.0  # seconds at the end of what is heard that another look hears better, where audio is left over


@dataclass(frozen=True)
class Piece:
    """Audio to recognise now."""

    start: float  # second of the stream
    samples: np.ndarray  # (n,) float32
    last: bool  # the speech has ended in it: all of its words become certain

    @property
    def end(self) -> float:
        """Second of the stream where the audio ends."""
        return self.start + len(self.samples) / SAMPLE_RATE


@dataclass(frozen=True)
class Told:
    """What there is to tell.

    Attributes:
        words: certain from now on.
        partial: all words after them so far, which may change.
        until: second up to which was listened.
        done: second up to which words are certain.
        new: there is anything that was not told before.
    """

    words: tuple[LiveWord, ...]
    partial: tuple[LiveWord, ...]
    until: float
    done: float
    new: bool


class Captions:
    """The words of one stream.

    Args:
        turns: of the stream by id, as they are told; somebody else changes them.
        done: second up to which words were told already.
        end: second of the stream at which the audio begins that comes.

    Attributes:
        language: that is spoken; None until it is known.
        lost: seconds of speech that nobody recognised, because too much waited.
    """

    def __init__(self, turns: Mapping[int, LiveTurn], done: float = 0.0, end: float = 0.0) -> None:
        self._turns, self._agreement = turns, Agreement(done)
        self.renew(end)
        self._audio = Samples(start=round(end * SAMPLE_RATE))
        self._begin: float | None = None  # of the current piece
        self._listened = done  # second up to which the last hypothesis heard
        self._settled = done  # second up to which all words are told
        self._partial: tuple[LiveWord, ...] = ()  # as they were told
        self._closed = False
        self._idle = False  # nothing waits, and no turn has changed since
        self.language: str | None = None
        self.lost = 0.0

    @property
    def end(self) -> float:
        """Second up to which there is audio."""
        return self._audio.end / SAMPLE_RATE

    def hear(self, samples: np.ndarray) -> None:
        """Take samples (n,) float32."""
        self._audio.push(samples)
        least = self._audio.end - round(_MOST_WAITING * SAMPLE_RATE)
        if least > self._audio.start:
            self._overrun(least / SAMPLE_RATE)

    def turn(self, event: TurnEvent) -> None:
        """Note what an event says of a turn: whether its speaker goes on."""
        self._idle = False
        turn = event.turn
        if isinstance(event, TurnEnded | TurnFinal) or (isinstance(event, TurnCorrected) and event.removed):
            self._open.discard(turn.id)
        elif not isinstance(event, TurnCorrected) or event.time - turn.end < _AT_EDGE:
            self._open.add(turn.id)  # a correction may let a turn that had ended go on

    def renew(self, end: float) -> None:
        """Note that all turns are other ones; those that end in the last second before `end` may go on."""
        self._open = {turn.id for turn in self._turns.values() if not turn.final and turn.end > end - _OPENED}
        self._idle = False

    def close(self) -> None:
        """Note that no audio comes any more, so that whoever still talks is heard at once."""
        self._closed, self._idle = True, False

    def restore(self, samples: np.ndarray) -> None:
        """Take the samples before the first ones, of a stream that goes on elsewhere."""
        now = self._audio.end
        self._audio = Samples(start=now - len(samples))
        self._audio.push(samples)

    @property
    def pending(self) -> bool:
        """Whether speech that is known has words that are not told."""
        return bool(len(self._waiting()))

    @property
    def urgent(self) -> bool:
        """Whether the speech has paused, so that a final look is due."""
        return self.pending and not self._going_on()

    def due(self) -> bool:
        """Whether the current piece should be recognised (again)."""
        if self._going_on():
            if self.end - self._listened < STEP:
                return False
            return self.end - max(self._listened, self._speech_start()) >= STEP
        self._idle = self._idle or not self.pending
        return not self._idle

    def settle(self) -> Told | None:
        """Make certain what the last hypothesis has heard whole; None if it has to be heard again."""
        waiting = self._waiting()
        if self._going_on() or not len(waiting) or self._begin is None:
            return None
        end = float(waiting[-1, 1])
        if self._listened < end + _HEARD:
            return None
        return self._tell(self._agreement.settle(end + MARGIN), settled=end + MARGIN)

    def piece(self) -> Piece:
        """Return what to recognise now."""
        waiting, going_on = self._waiting(), self._going_on()
        start = self._speech_start()
        if self._begin is None or start - self._settled >= _PAUSE:
            self._begin = max(self._settled, start - MARGIN, self._audio.start / SAMPLE_RATE)
        end = self.end if going_on else min(self.end, float(waiting[-1, 1]) + MARGIN)
        stop = min(end, self._begin + _LONGEST)
        first, last = round(self._begin * SAMPLE_RATE), round(stop * SAMPLE_RATE)
        return Piece(self._begin, self._audio.take(first, last), last=not going_on and stop == end)

    def heard(self, piece: Piece, words: list[Word]) -> Told:
        """Take the words of a piece, in seconds from its start."""
        placed = [replace(w, start=w.start + piece.start, end=w.end + piece.start) for w in words]
        speech = self._speech(piece.end)
        kept = clean(sorted(placed, key=lambda word: word.start), speech).words
        full = piece.end - piece.start >= _LONGEST - 1 / SAMPLE_RATE
        settled = piece.end + MARGIN if piece.last else piece.end - (_EDGE if full else _LATE)
        known = max((turn.end for turn in self._recent()), default=0.0) + MARGIN
        certain = self._agreement.take(kept, known, settled)
        self._listened = piece.end
        if full and not certain and not piece.last:  # nobody knows a word in half a minute
            certain = self._agreement.settle(piece.end)
        return self._tell(certain, settled=piece.end if piece.last or full else None)

    def skip(self, piece: Piece) -> None:
        """Go on after a piece that could not be recognised."""
        self._listened = self._settled = piece.end
        self.lost += piece.end - piece.start
        self._agreement.open, self._begin = [], None

    def _tell(self, certain: list[Word], settled: float | None) -> Told:
        if settled is not None:
            self._settled = max(self._settled, settled)
        self._settled = max(self._settled, self._agreement.until if certain else 0.0)
        self._trim()
        words = self._with_speakers(certain + self._agreement.open)
        before, self._partial = self._partial, words[len(certain) :]
        new = bool(certain) or self._partial != before
        return Told(words[: len(certain)], self._partial, self._listened, self._settled, new)

    def _trim(self) -> None:
        """Let a long piece begin later: after its last sentence, else after its last certain word."""
        if self._begin is not None and self._listened - self._begin > _LONG:
            ends = [
                word.end
                for word in self._agreement.certain
                if ends_sentence(word.text) and word.end > self._begin
            ]
            self._begin = max(self._begin, (ends[-1] if ends else self._agreement.until) - _BEFORE)
        begin = self._settled - MARGIN if self._begin is None else self._begin
        self._audio.forget(max(0, round((begin - 2 * _PAUSE) * SAMPLE_RATE)))

    def _overrun(self, least: float) -> None:
        """Give up the oldest audio, because too much waits."""
        if self._going_on() or self.pending:
            self.lost += max(0.0, least - max(self._settled, self._audio.start / SAMPLE_RATE))
        self._audio.forget(round(least * SAMPLE_RATE))
        self._settled = max(self._settled, least)
        if self._begin is not None and self._begin < least:
            self._begin, self._agreement.open = None, []

    def _going_on(self) -> bool:
        return bool(self._open) and not self._closed

    def _recent(self) -> list[LiveTurn]:
        return list(islice(reversed(list(self._turns.values())), _RECENT))

    def _speech(self, end: float) -> np.ndarray:
        """Return (n, 2) seconds where somebody speaks; who still talks, talks up to `end`."""
        spans = [(turn.start, self._end_of(turn, end)) for turn in self._recent()]
        return at_least(1, [np.array([span]) for span in spans if span[1] > span[0]])

    def _end_of(self, turn: LiveTurn, end: float) -> float:
        """Return where a turn ends; if it goes on, not before `end`."""
        return max(turn.end, end) if turn.id in self._open else turn.end

    def _waiting(self) -> np.ndarray:
        """Return (n, 2) seconds of speech whose words are not told."""
        speech = self._speech(self.end)
        return speech[speech[:, 1] > self._settled + MARGIN]

    def _speech_start(self) -> float:
        waiting = self._waiting()
        return max(float(waiting[0, 0]), self._settled) if len(waiting) else self.end

    def _with_speakers(self, words: list[Word]) -> tuple[LiveWord, ...]:
        """Return words with the speaker and the turn that cover them."""
        if not words:
            return ()
        before = [word for word in self._agreement.certain if word not in words][-_CONTEXT:]
        turns = [replace(turn, end=self._end_of(turn, self._listened)) for turn in self._recent()]
        spoken = [Turn("", turn.start, turn.end, turn.speaker) for turn in turns]
        assigned = assign_speakers([*before, *words], spoken)[len(before) :]
        return tuple(_live(word, turns) for word in assigned)


def _live(word: Word, turns: list[LiveTurn]) -> LiveWord:
    own = [turn for turn in turns if turn.speaker == word.speaker]
    turn = max(own, key=lambda turn: min(turn.end, word.end) - max(turn.start, word.start), default=None)
    return LiveWord(
        word.text,
        word.start,
        word.end,
        word.speaker,
        None if turn is None else turn.id,
        word.probability,
        word.overlap,
    )
