"""Words as a file of somebody else's has them, and times for those that have none of their own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from diar.records import Word

Recordings = dict[str | None, list[Word]]  # by recording id; None: the file does not say


@dataclass(frozen=True)
class FoundWords:
    """The words of one file."""

    recordings: Recordings
    language: str | None = None  # as the file calls it: `ja`, `Japanese`; None where it does not say


def spread(text: str, start: float, end: float, speaker: str | None = None) -> Iterator[Word]:
    """Yield the words of `text` from `start` to `end`, each as long as its share of the letters."""
    words = text.split()
    for word, (begin, stop) in zip(words, shared_out(words, start, end), strict=True):
        yield Word(begin, stop, word, speaker=speaker)


def shared_out(texts: Sequence[str], start: float, end: float) -> Iterator[tuple[float, float]]:
    """Yield where each text begins and ends if all of them fill the time, by their letters."""
    letters = max(sum(map(len, texts)), 1)
    position = start
    for text in texts:
        until = position + (end - start) * len(text) / letters
        yield position, until
        position = until
