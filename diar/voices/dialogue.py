"""Who says what in a conversation, and how lines follow each other.

Between two lines lies a floor transfer offset: mostly a gap of some tenths of a second, often an overlap
(Heldner & Edlund, "Pauses, gaps and overlaps in conversations", Journal of Phonetics 38, 2010). Listeners
say short things in between without taking the turn (back-channels).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from diar.demo.sentences import REPLIES, SENTENCES, endless
from diar.errors import DiarError

BACKCHANNELS = ("Yeah.", "Right.", "I see.", "Okay.", "Sure.", "Really?", "Of course.", "Exactly.")
_CHARACTERS_A_SECOND = 18.0  # between those of Kokoro and of espeak-ng
_REPLIES = 0.3  # share of lines that are one
_MORE_SENTENCES = 0.45  # that another sentence follows in a line
_MOST_SENTENCES = 4
_GAP_MEDIAN, _GAP_SPREAD, _LONGEST_GAP = 0.3, 0.8, 3.0  # seconds; of the logarithm; seconds
_EARLY = (0.2, 1.2)  # seconds that a line begins early …
_INTERRUPTIONS = 0.2  # … but in this share of the overlaps, this share of the line before is left
_LEFT = (0.3, 0.6)
_LONG_ENOUGH = 45  # characters of a sentence that a listener responds to
_WITHIN = (0.3, 0.7)  # of that sentence


@dataclass(frozen=True)
class Manner:
    """How people talk to each other; shares from 0 to 1."""

    overlap: float = 0.3  # of the changes of speaker, in which the next begins before the last has ended
    backchannels: float = 0.1  # of long sentences, within which a listener says something short


@dataclass(frozen=True)
class Sentence:
    """One sentence of a line, and what a listener says within it."""

    text: str
    listener: int | None = None
    backchannel: str = ""
    within: float = 0.0  # share of the sentence that is over then


@dataclass(frozen=True)
class Line:
    """What one person says until another one takes the turn.

    Attributes:
        person: from 0.
        sentences: in order.
        gap: seconds from the end of the line before; 0 where lines overlap.
        early: seconds that it begins before that end.
        left: share of the line before that is still to come, in place of `early`: an interruption.
    """

    person: int
    sentences: tuple[Sentence, ...]
    gap: float = 0.0
    early: float = 0.0
    left: float = 0.0


def plan_dialogue(people: int, seconds: float, manner: Manner, rng: np.random.Generator) -> list[Line]:
    """Make up a conversation of about `seconds`, in which everybody speaks."""
    sentences, replies = endless(SENTENCES, rng), endless(REPLIES, rng)
    planned: list[Line] = []
    estimate, last = 0.0, -1
    while estimate < seconds or len(planned) < people:
        person = len(planned) if len(planned) < people else _another(last, people, rng)
        texts = [next(replies)] if rng.random() < _REPLIES else list(_some(sentences, rng))
        line = _line(person, texts, people, manner, rng, changes=last not in (-1, person))
        estimate += sum(map(len, texts)) / _CHARACTERS_A_SECOND + line.gap - line.early
        planned.append(line)
        last = person
    return planned


def read_script(path: Path) -> list[tuple[str, list[str]]]:
    """Read who says what: lines of `NAME: text`, blank ones and those that begin with # are passed over.

    Returns:
        Name and sentences of each line.

    Raises:
        DiarError: a line without a name or without words; not UTF-8.
        OSError: it cannot be read.
    """
    said = []
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise DiarError(
            f"{path} is not UTF-8 (byte {error.start}); convert it, for example by iconv"
        ) from None
    for number, text in enumerate(lines, start=1):
        if not text.strip() or text.lstrip().startswith("#"):
            continue
        name, colon, words = text.partition(":")
        if not (colon and name.strip() and words.strip()):
            raise DiarError(f"{path}:{number}: a line reads NAME: what they say, this is {text.strip()!r}")
        said.append((name.strip(), re.split(r"(?<=[.?!]) +", words.strip())))
    if not said:
        raise DiarError(f"{path} holds no line")
    return said


def follow_script(
    script: Sequence[tuple[str, list[str]]], manner: Manner, rng: np.random.Generator
) -> list[Line]:
    """Return the lines of a script; its people are numbered in order of appearance."""
    names = list(dict.fromkeys(name for name, _ in script))
    said_before = ["", *(name for name, _ in script)]
    return [
        _line(names.index(name), texts, len(names), manner, rng, changes=before not in ("", name))
        for before, (name, texts) in zip(said_before, script, strict=False)
    ]


def _some(sentences: Iterator[str], rng: np.random.Generator) -> Iterator[str]:
    for number in range(_MOST_SENTENCES):
        if number and rng.random() >= _MORE_SENTENCES:
            return
        yield next(sentences)


def _another(last: int, people: int, rng: np.random.Generator) -> int:
    return int((last + 1 + rng.integers(max(1, people - 1))) % people)


def _line(
    person: int, texts: Sequence[str], people: int, manner: Manner, rng: np.random.Generator, changes: bool
) -> Line:
    """Return a line; it may begin early where the speaker `changes`, as nobody interrupts themselves."""
    sentences = tuple(_sentence(text, person, people, manner, rng) for text in texts)
    if changes and rng.random() < manner.overlap:
        if rng.random() < _INTERRUPTIONS:
            return Line(person, sentences, left=float(rng.uniform(*_LEFT)))
        return Line(person, sentences, early=float(rng.uniform(*_EARLY)))
    gap = _GAP_MEDIAN * np.exp(_GAP_SPREAD * rng.standard_normal())
    return Line(person, sentences, gap=float(min(gap, _LONGEST_GAP)))


def _sentence(text: str, person: int, people: int, manner: Manner, rng: np.random.Generator) -> Sentence:
    if people < 2 or len(text) < _LONG_ENOUGH or rng.random() >= manner.backchannels:
        return Sentence(text)
    said = BACKCHANNELS[int(rng.integers(len(BACKCHANNELS)))]
    return Sentence(text, _another(person, people, rng), said, float(rng.uniform(*_WITHIN)))
