"""Subtitles: words in cues that can be read in the time that they are shown.

The limits are those of the trade (BBC Subtitle Guidelines; Netflix Timed Text Style Guide): two lines of 42
characters, 20 characters a second, 5/6 s at least and 7 s at most. Every cue keeps all of them. Where people
talk faster than can be read, cues come late and catch up in the next pause.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from diar.formats.words.punctuation import ends_clause, ends_sentence
from diar.formats.words.utterances import NOBODY, join, paragraphs
from diar.records import Word


@dataclass(frozen=True)
class CueLimits:
    """What a cue must keep."""

    line: int = 42  # characters
    lines: int = 2
    characters_per_second: float = 20.0
    shortest: float = 5 / 6  # seconds
    longest: float = 7.0
    pause: float = 1.0  # seconds without words after which a new cue begins
    name: int = 20  # characters of a speaker's name


LIMITS = CueLimits()


@dataclass(frozen=True)
class Cue:
    """One subtitle."""

    start: int  # milliseconds
    end: int
    speaker: str  # NOBODY where the words have none
    lines: tuple[str, ...]
    begins: bool  # the speaker has not spoken in the cue before


@dataclass(frozen=True)
class _Piece:
    """Words of a cue before it has its time."""

    words: Sequence[Word]
    lines: tuple[str, ...]


def make_cues(
    words: Sequence[Word], language: str | None, *, names: bool, limits: CueLimits = LIMITS
) -> list[Cue]:
    """Return the cues of words that ascend by start.

    Args:
        words: with speakers.
        language: tells where blanks are written.
        names: let a speaker's first cue after somebody else's begin with the name.
        limits: that every cue keeps.
    """
    cues: list[Cue] = []
    shown_until, shown = 0, None
    for paragraph in paragraphs(words, language):
        for number, piece in enumerate(_pieces(paragraph.words, language, names, limits)):
            start, end = _times(piece, shown_until, limits)
            begins = number == 0 and paragraph.speaker != shown
            cues.append(Cue(start, end, paragraph.speaker, piece.lines, begins))
            shown_until, shown = end, paragraph.speaker
    return cues


def _times(piece: _Piece, earliest: int, limits: CueLimits) -> tuple[int, int]:
    """Return when a piece is shown: from its first word to its last, or for as long as it takes to read."""
    start = max(round(piece.words[0].start * 1000), earliest)
    characters = sum(map(len, piece.lines))
    needed = max(limits.shortest, characters / limits.characters_per_second)
    end = max(round(max(word.end for word in piece.words) * 1000), start + math.ceil(needed * 1000))
    return start, min(end, start + round(limits.longest * 1000))


def prefix(speaker: str, limits: CueLimits = LIMITS) -> str:
    """Return what stands before the first words of a speaker; long names are cut."""
    if speaker == NOBODY:
        return "- "
    name = " ".join(speaker.split())
    return (name if len(name) <= limits.name else name[: limits.name - 1] + "…") + ": "


def _pieces(words: Sequence[Word], language: str | None, names: bool, limits: CueLimits) -> Iterator[_Piece]:
    """Cut one speaker's words into pieces that fit into a cue."""
    first = 0
    lead = prefix(words[0].speaker or NOBODY, limits) if names else ""
    while first < len(words):
        end = _end_of_piece(words, first, lead, language, limits)
        texts = [word.text for word in words[first:end]]
        lines = wrap(lead, texts, language, limits)
        if lines is None:  # one word that does not fit
            yield from _broken(lead, words[first], limits)
        else:
            yield _Piece(words[first:end], lines)
        first, lead = end, ""


def _end_of_piece(
    words: Sequence[Word], first: int, lead: str, language: str | None, limits: CueLimits
) -> int:
    """Return where the piece that begins at `first` ends best."""
    end = first + 1
    while end < len(words) and words[end].start - words[end - 1].end <= limits.pause:
        texts = [word.text for word in words[first : end + 1]]
        too_long = words[end].end - words[first].start > limits.longest
        if too_long or wrap(lead, texts, language, limits) is None:
            return _best_break(words, first, end)
        end += 1
        if ends_sentence(words[end - 1].text) and len(" ".join(texts)) > limits.line:
            return end
    return end


def _best_break(words: Sequence[Word], first: int, most: int) -> int:
    """Return the last end of a sentence, else of a clause, in the latter half of what fits; else its end."""
    least = first + (most - first + 1) // 2
    for ends in (ends_sentence, ends_clause):
        for end in range(most, max(least, first + 1) - 1, -1):
            if ends(words[end - 1].text):
                return end
    return most


def wrap(
    lead: str, texts: Sequence[str], language: str | None, limits: CueLimits = LIMITS
) -> tuple[str, ...] | None:
    """Return the words in as few lines as they fit in, balanced; None where they do not fit."""
    whole = lead + join(texts, language)
    if len(whole) <= limits.line:
        return (whole,)
    if limits.lines < 2:
        return None
    splits = [
        (lead + join(texts[:n], language), join(texts[n:], language), ends_clause(texts[n - 1]))
        for n in range(1, len(texts))
    ]
    fitting = [split for split in splits if max(len(split[0]), len(split[1])) <= limits.line]
    if not fitting:
        below = join(texts, language)  # the name stands alone where the first word does not fit beside it
        return (lead.rstrip(), below) if lead and len(below) <= limits.line else None
    first, second, _ = min(fitting, key=_unevenness)
    return first, second


def _unevenness(split: tuple[str, str, bool]) -> int:
    """Return how far two lines are from even; a comma at the break makes up for some of it."""
    upper, lower, at_clause = split
    return abs(len(lower) - len(upper)) + (0 if at_clause else 18) + (len(upper) > len(lower))


def _broken(lead: str, word: Word, limits: CueLimits) -> Iterator[_Piece]:
    """Break one word that is longer than a cue, such as an address or a text without blanks."""
    rest = lead + word.text
    parts = [rest[at : at + limits.line] for at in range(0, len(rest), limits.line)]
    cues = [parts[at : at + limits.lines] for at in range(0, len(parts), limits.lines)]
    for number, lines in enumerate(cues):
        share = (word.end - word.start) / len(cues)
        part = Word(word.start + number * share, word.start + (number + 1) * share, word.text)
        yield _Piece([part], tuple(lines))
