"""Words that are said at the same time, told apart: nobody says two words at once.

A recogniser that hears one voice at a time writes words that follow each other: one stream. Words of a
reference, of a recogniser that separates voices, or of several channels overlap in time where people do.
"""

from __future__ import annotations

from collections.abc import Sequence

from diar.records import Word

_SHARE = 0.5  # of the shorter of two words in a row that may overlap …
_SECONDS = 0.1  # … and the most of it: times are no better
_AHEAD = 6  # words among which the next one of a speaker is
_PAUSE = 1.0  # seconds between two words that belong together


def split_streams(words: Sequence[Word]) -> list[list[int]]:
    """Return the numbers of the words of each stream, in which words follow each other; the longest first.

    Words of which one begins where the other ends stay together. What begins anew goes on with the stream
    that ended last before it.

    Args:
        words: ascending by start.
    """
    streams: list[list[int]] = []
    for run in _runs(words):
        first = words[run[0]]
        free = [own for own in streams if _follows(words[own[-1]], first)]
        if free:
            max(free, key=lambda own: words[own[-1]].end).extend(run)
        else:
            streams.append(list(run))
    return sorted(streams, key=len, reverse=True)


def _runs(words: Sequence[Word]) -> list[list[int]]:
    """Return runs of words that follow each other closely, by first word."""
    links = sorted(
        (abs(words[later].start - word.end), later - number, number, later)
        for number, word in enumerate(words)
        for later in range(number + 1, min(number + 1 + _AHEAD, len(words)))
        if _follows(word, words[later]) and words[later].start - word.end <= _PAUSE
    )
    following: dict[int, int] = {}
    led: set[int] = set()
    for _, _, number, later in links:
        if number not in following and later not in led:
            following[number] = later
            led.add(later)
    runs = []
    for number in range(len(words)):
        if number not in led:
            runs.append([number])
            while runs[-1][-1] in following:
                runs[-1].append(following[runs[-1][-1]])
    return runs


def _follows(earlier: Word, later: Word) -> bool:
    shorter = min(earlier.end - earlier.start, later.end - later.start)
    return earlier.end - later.start <= min(_SHARE * shorter, _SECONDS)
