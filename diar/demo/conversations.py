"""Conversations of synthetic speakers: turns, pauses and overlap, and an exact reference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from diar.demo.espeak import SAMPLE_RATE
from diar.demo.sentences import REPLIES, SENTENCES, endless
from diar.demo.voices import Voice

SPEAKERS = (2, 3, 4)  # in the first, the second and the third conversation
SECONDS = (68.0, 80.0)  # planned; with every voice the result lies within 60 and 90
CHARACTERS_A_SECOND = 17.0  # mean of all voices

SHARE_OF_REPLIES = 0.3
SHARE_OF_TWO_SENTENCES = 0.5
LONGEST_TEXT = 125  # characters; every voice reads them in less than 8 s
SHARE_OF_OVERLAPS = 0.45  # of the changes of speaker
OVERLAP = (0.4, 1.7)  # seconds that the next speaker starts early
PAUSE = (0.1, 1.5)  # seconds that the next speaker waits

PEAK = 0.42  # of the loudest speaker: two of them together do not clip
QUIETER_BY = 6.0  # dB, most between two speakers
LOUDNESS_VARIATION = 1.0  # dB, most between a line and its speaker's level
NOISE = 0.003  # standard deviation: -50 dB below full scale

FRAME = SAMPLE_RATE // 100
AUDIBLE = 0.01  # share of the loudest frame's level: -40 dB
LONGEST_PAUSE = 0.3  # seconds of silence that do not yet end a turn
MILLISECOND = SAMPLE_RATE // 1000


@dataclass(frozen=True, slots=True)
class Line:
    """What one speaker says until another one does."""

    voice: Voice
    text: str
    peak: float
    wait: float  # seconds from the end of the line before; negative: the lines overlap


@dataclass(frozen=True, slots=True)
class SpokenTurn:
    """A turn of the reference: one speaker is heard from `start` to `end`, in seconds."""

    start: float
    end: float
    speaker: str


@dataclass(frozen=True, slots=True)
class SpokenText:
    """What one speaker says from `start` to `end`, in seconds."""

    start: float
    end: float
    speaker: str
    text: str


@dataclass(frozen=True, slots=True)
class Mixture:
    """A conversation as it sounds, and what is true of it."""

    waveform: np.ndarray  # (samples,) float32 at 16 kHz
    turns: list[SpokenTurn]  # when each speaker is audible in the clean waveforms, ascending
    texts: list[SpokenText]  # ascending


def plan_conversation(voices: Sequence[Voice], rng: np.random.Generator) -> list[Line]:
    """Decide who says what, in order; every voice speaks, and none twice in a row."""
    target = rng.uniform(*SECONDS)
    peaks = PEAK * _decibels(rng.uniform(-QUIETER_BY, 0, len(voices)))
    today = [voice.on_another_day(rng) for voice in voices]
    sentences, replies = endless(SENTENCES, rng), endless(REPLIES, rng)
    lines: list[Line] = []
    speaker, estimate = -1, 0.0
    while estimate < target:
        speaker = _next_speaker(len(lines), speaker, len(voices), rng)
        text = next(replies) if rng.random() < SHARE_OF_REPLIES else next(sentences)
        if text not in REPLIES and rng.random() < SHARE_OF_TWO_SENTENCES:
            both = f"{text} {next(sentences)}"
            text = both if len(both) <= LONGEST_TEXT else text
        wait = -rng.uniform(*OVERLAP) if rng.random() < SHARE_OF_OVERLAPS else rng.uniform(*PAUSE)
        peak = peaks[speaker] * _decibels(rng.uniform(-LOUDNESS_VARIATION, LOUDNESS_VARIATION))
        lines.append(Line(today[speaker], text, float(peak), float(wait)))
        estimate += len(text) / CHARACTERS_A_SECOND + wait
    return lines


def _decibels(value: np.ndarray | float) -> np.ndarray:
    return np.power(10.0, np.asarray(value) / 20)


def _next_speaker(number: int, last: int, count: int, rng: np.random.Generator) -> int:
    if number < count:  # first everybody speaks once
        return number
    others = [i for i in range(count) if i != last]
    return others[int(rng.integers(len(others)))]


def mix(lines: Sequence[Line], waveforms: Sequence[np.ndarray], rng: np.random.Generator) -> Mixture:
    """Lay the lines one after the other, in light noise.

    At most two speakers are heard at once, since a line starts in the second half of the one before, or
    later, and ends after it.

    Args:
        lines: of one conversation.
        waveforms: each line spoken, (samples,) at 16 kHz.
        rng: for the noise.
    """
    placed: list[tuple[int, np.ndarray]] = []
    turns: list[SpokenTurn] = []
    texts: list[SpokenText] = []
    end, length_before = 0, 0
    for line, waveform in zip(lines, waveforms, strict=True):
        parts = audible_parts(waveform)
        speech = waveform[parts[0, 0] : parts[-1, 1]]
        earliest = end - min(length_before, len(speech)) // 2 if placed else 0
        start = max(earliest, end + round(line.wait * SAMPLE_RATE))
        start += -start % MILLISECOND  # RTTM has milliseconds
        placed.append((start, line.peak / np.abs(speech).max() * speech))
        turns += turns_of(parts - parts[0, 0] + start, line.voice)
        end, length_before = start + len(speech), len(speech)
        texts.append(SpokenText(start / SAMPLE_RATE, end / SAMPLE_RATE, line.voice.name, line.text))
    mixture = NOISE * rng.standard_normal(end + round(PAUSE[1] * SAMPLE_RATE))
    for start, speech in placed:
        mixture[start : start + len(speech)] += speech
    ordered = sorted(turns, key=lambda turn: (turn.start, turn.end))
    return Mixture(mixture.astype(np.float32), ordered, sorted(texts, key=lambda text: text.start))


def turns_of(parts: np.ndarray, voice: Voice) -> list[SpokenTurn]:
    """Return turns of `voice` where it is heard: `parts` is (n, 2), in samples."""
    return [SpokenTurn(first, last, voice.name) for first, last in (parts / SAMPLE_RATE).tolist()]


def audible_parts(waveform: np.ndarray) -> np.ndarray:
    """Return where a clean (samples,) waveform is heard: (n, 2), first sample and one past the last.

    A frame of 10 ms is heard if it is less than 40 dB below the loudest. Silence of 0.3 s or less is no
    pause.
    """
    frames = np.pad(waveform, (0, -len(waveform) % FRAME)).reshape(-1, FRAME)
    level = np.sqrt(np.mean(np.square(frames, dtype=np.float64), axis=1))
    heard = np.flatnonzero(level > AUDIBLE * level.max())
    pauses = np.flatnonzero(np.diff(heard) - 1 > LONGEST_PAUSE * SAMPLE_RATE / FRAME)
    first, last = heard[np.append(0, pauses + 1)], heard[np.append(pauses, len(heard) - 1)]
    return np.stack([first * FRAME, np.minimum((last + 1) * FRAME, len(waveform))], axis=1)
