"""Word times that cannot be: a word that lasts over a gap, words that last no time at all.

Whisper's times come from its attention, which jumps. A word before a jump lasts until the next one, the words
at a jump have no length. A word cannot last much longer than its letters take to say, and each takes some
time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from diar.formats.words.punctuation import ends_clause
from diar.records import Word

_BASE, _LETTER = 0.2, 0.075  # seconds that a word lasts at most in quick talk, and a letter of it more
_STRETCHED = 0.4  # seconds more than that are no slow talk
_NO_LENGTH = 0.03  # seconds


def plausible_times(words: Sequence[Word]) -> list[Word]:
    """Return words with times that can be; the order stays.

    A stretched word that ends a clause keeps its start, since what follows is the pause; any other keeps its
    end, since the next word follows it. Words without length take their time from the gap before them.

    Args:
        words: ascending by start; those without a probability were not timed by a recogniser and stay.
    """
    found = [_shortened(word) for word in words]
    for number in range(len(found) - 1, -1, -1):
        if words[number].probability is not None and words[number].end - words[number].start < _NO_LENGTH:
            before = _end_before(words, found, number)
            after = found[number + 1].start if number + 1 < len(found) else None
            follows = after is not None and words[number + 1].start - words[number].end < _NO_LENGTH
            found[number] = _with_length(words[number], before, after, follows)
    return found


def _end_before(words: Sequence[Word], found: Sequence[Word], number: int) -> float:
    """Return where the last word ends that is not at the same moment as this one."""
    first = number
    while first and words[number].start - words[first - 1].start < _NO_LENGTH:
        first -= 1
    return found[first - 1].end if first else 0.0


def _seconds(word: Word) -> float:
    return _BASE + _LETTER * sum(c.isalnum() for c in word.text)


def _shortened(word: Word) -> Word:
    likely = _seconds(word)
    if word.probability is None or word.end - word.start <= likely + _STRETCHED:
        return word
    if ends_clause(word.text):
        return replace(word, end=word.start + likely)
    return replace(word, start=word.end - likely)


def _with_length(word: Word, before: float, after: float | None, follows: bool) -> Word:
    """Return a word without length from the gap before it, else after it; as it is where there is none.

    Args:
        word: without length.
        before: where the word before it ends.
        after: where the next word begins.
        follows: whether the next word began where this one was.
    """
    end = after if follows and after is not None else word.end
    start = max(min(before, end), end - _seconds(word))
    if end - start < _NO_LENGTH and after is not None and after > end:
        return replace(word, start=start, end=min(after, start + _seconds(word)))
    return replace(word, start=start, end=end)
