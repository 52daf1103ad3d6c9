"""Lay spoken lines out in time: a signal for each person, and what is true of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import soxr

from diar.demo.conversations import SpokenText, SpokenTurn, audible_parts
from diar.demo.espeak import SAMPLE_RATE
from diar.voices.dialogue import Line
from diar.voices.synthesizer import Text

_BETWEEN = (0.15, 0.6)  # seconds between the sentences of a line
_MOST_EARLY = 0.6  # share of the line before that the next one can overlap
_LEAD, _TAIL = 0.5, 1.0  # seconds before the first line, and after the last
_LEVEL = 0.05  # root mean square of a sentence
_QUIETER_BY, _VARIATION = 6.0, 1.5  # dB, most between two people; most of a sentence
_BACKCHANNEL_BY = 3.0  # dB that these are quieter
_MILLISECOND = SAMPLE_RATE // 1000


@dataclass(frozen=True)
class Conversation:
    """A conversation without a room around it.

    Attributes:
        tracks: (people, samples) float32 at 16 kHz, each person alone.
        turns: when each is audible, ascending.
        texts: what is said, a sentence each, ascending.
    """

    tracks: np.ndarray
    turns: list[SpokenTurn]
    texts: list[SpokenText]

    @property
    def overlap(self) -> float:
        """Share of the speech in which two or more speak."""
        voices = np.zeros(self.tracks.shape[1] // _MILLISECOND + 2, np.int16)
        for turn in self.turns:
            voices[round(1000 * turn.start) : round(1000 * turn.end)] += 1
        return float((voices > 1).sum() / max(1, (voices > 0).sum()))


def texts_of(lines: Sequence[Line], voices: Sequence[str], speeds: Sequence[float]) -> Iterator[Text]:
    """Yield what is to be spoken, in the order in which `lay_out` takes it."""
    for line in lines:
        for sentence in line.sentences:
            yield Text(sentence.text, voices[line.person], speeds[line.person])
            if sentence.listener is not None:
                yield Text(sentence.backchannel, voices[sentence.listener], speeds[sentence.listener])


def lay_out(
    lines: Sequence[Line],
    spoken: Iterator[np.ndarray],
    rate: int,
    names: Sequence[str],
    rng: np.random.Generator,
) -> Conversation:
    """Lay the lines out; a line begins after the one before the last has ended, so that two overlap at most.

    Args:
        lines: of the conversation.
        spoken: (samples,) of what `texts_of` yields, in its order.
        rate: of those samples.
        names: of the people, for the truth.
        rng: for pauses and loudness.
    """
    stage = _Stage(names, rng)
    start, end, before = _LEAD, _LEAD, _LEAD
    for line in lines:
        early = max(line.early, line.left * (end - start))
        start = max(before, end + line.gap - min(early, _MOST_EARLY * (end - start)))
        position = start
        for sentence in line.sentences:
            samples = _at_16_khz(next(spoken), rate)
            ended = stage.place(line.person, position, samples, sentence.text)
            if sentence.listener is not None:
                when = position + sentence.within * (ended - position)
                said = _at_16_khz(next(spoken), rate)
                stage.place(sentence.listener, when, said, sentence.backchannel, -_BACKCHANNEL_BY)
            position = ended + float(rng.uniform(*_BETWEEN))
        before, end = end, max(end, ended)
    return stage.conversation()


class _Stage:
    """Collects what is placed."""

    def __init__(self, names: Sequence[str], rng: np.random.Generator) -> None:
        self._names, self._rng = names, rng
        self._gains = rng.uniform(-_QUIETER_BY, 0, len(names))
        self._placed: list[tuple[int, int, np.ndarray]] = []
        self._turns: list[SpokenTurn] = []
        self._texts: list[SpokenText] = []

    def place(self, person: int, start: float, samples: np.ndarray, text: str, louder: float = 0.0) -> float:
        """Place one sentence; return the second at which it ends. `louder` is in dB."""
        parts = audible_parts(samples)
        speech = samples[parts[0, 0] : parts[-1, 1]]
        gain = self._gains[person] + self._rng.uniform(-_VARIATION, _VARIATION) + louder
        level = _LEVEL * 10 ** (gain / 20) / np.sqrt(np.mean(np.square(speech, dtype=np.float64)))
        first = round(1000 * start) * _MILLISECOND  # RTTM has milliseconds
        self._placed.append((person, first, (level * speech).astype(np.float32)))
        times = (parts - parts[0, 0] + first) / SAMPLE_RATE
        name = self._names[person]
        self._turns += [SpokenTurn(begin, end, name) for begin, end in times.tolist()]
        self._texts.append(SpokenText(float(times[0, 0]), float(times[-1, 1]), name, text))
        return float(times[-1, 1])

    def conversation(self) -> Conversation:
        end = max(first + len(samples) for _, first, samples in self._placed)
        tracks = np.zeros((len(self._names), end + round(_TAIL * SAMPLE_RATE)), np.float32)
        for person, first, samples in self._placed:
            tracks[person, first : first + len(samples)] += samples
        return Conversation(
            tracks, _merged(self._turns), sorted(self._texts, key=lambda text: (text.start, text.end))
        )


def _merged(turns: Sequence[SpokenTurn]) -> list[SpokenTurn]:
    """Join turns of one person that overlap: a back-channel can reach into the own line."""
    merged: list[SpokenTurn] = []
    for turn in sorted(turns, key=lambda turn: (turn.speaker, turn.start)):
        if merged and merged[-1].speaker == turn.speaker and turn.start <= merged[-1].end:
            merged[-1] = SpokenTurn(merged[-1].start, max(merged[-1].end, turn.end), turn.speaker)
        else:
            merged.append(turn)
    return sorted(merged, key=lambda turn: (turn.start, turn.end))


def _at_16_khz(samples: np.ndarray, rate: int) -> np.ndarray:
    return samples if rate == SAMPLE_RATE else np.asarray(soxr.resample(samples, rate, SAMPLE_RATE, "HQ"))
