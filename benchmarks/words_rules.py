"""Other ways to give words their speakers, for comparison: the plain rule and WhisperX's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import groupby

import numpy as np

from diar.formats.words.punctuation import ends_sentence
from diar.records import Turn, Word

LONGEST_PAUSE = 1.0  # seconds within a sentence
Rule = Callable[[Sequence[Word], Sequence[Turn]], list[Word]]


def majority(words: Sequence[Word], turns: Sequence[Turn]) -> list[Word]:
    """Give each word the speaker who overlaps it most; one outside of all turns is nobody's."""
    return [replace(word, speaker=_most(turns, word.start, word.end)) for word in words]


def whisperx(words: Sequence[Word], turns: Sequence[Turn]) -> list[Word]:
    """Assign as `whisperx.assign_word_speakers(…, fill_nearest=True)` 3.8.6 does.

    The speaker whose turns intersect the word most, summed; else that of the turn whose middle is nearest.
    Without `fill_nearest`, its default, it is the rule of `majority`.
    """
    return [replace(word, speaker=_most_or_nearest(turns, word.start, word.end)) for word in words]


def whisperx_segments(words: Sequence[Word], turns: Sequence[Turn]) -> list[Word]:
    """Give the words of a sentence the speaker of the segment; WhisperX's segments are sentences."""
    found: list[Word] = []
    for own in sentences(words):
        speaker = _most_or_nearest(turns, own[0].start, max(word.end for word in own))
        found += [replace(word, speaker=speaker) for word in own]
    return found


RULES: dict[str, Rule] = {
    "majority of overlap (WhisperX, default)": majority,
    "WhisperX, fill_nearest": whisperx,
    "WhisperX, segments": whisperx_segments,
}


def sentences(words: Sequence[Word]) -> list[list[Word]]:
    """Return the words in sentences, whoever says them."""
    number, numbers = 0, []
    for word, later in zip(words, [*words[1:], None], strict=True):
        numbers.append(number)
        if later is not None and (ends_sentence(word.text) or later.start - word.end > LONGEST_PAUSE):
            number += 1
    numbered = zip(numbers, words, strict=True)
    return [[word for _, word in own] for _, own in groupby(numbered, key=lambda pair: pair[0])]


def _most(turns: Sequence[Turn], start: float, end: float) -> str | None:
    """Return who has most of the time between; None where nobody has any."""
    seconds: dict[str, float] = {}
    for turn in turns:
        common = min(turn.end, end) - max(turn.start, start)
        if common > 0:
            seconds[turn.speaker] = seconds.get(turn.speaker, 0.0) + common
    return max(seconds, key=lambda speaker: seconds[speaker]) if seconds else None


def _most_or_nearest(turns: Sequence[Turn], start: float, end: float) -> str | None:
    found = _most(turns, start, end)
    if found is not None or not turns:
        return found
    middles = np.array([(turn.start + turn.end) / 2 for turn in turns])
    return turns[int(np.argmin(np.abs(middles - (start + end) / 2)))].speaker
