"""Words in a row that one speaker says: sentences for tools, paragraphs for readers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

from diar.formats.words.punctuation import ends_sentence
from diar.records import Word

NOBODY = "unknown"  # where a format must name a speaker and a word has none
_WITHOUT_BLANKS = frozenset(["zh", "yue", "ja", "th", "lo", "my", "km"])  # languages that write none
_LONGEST_PAUSE = 1.0  # seconds within a sentence


@dataclass(frozen=True)
class Utterance:
    """One or more words of one speaker."""

    speaker: str  # NOBODY where the words have none
    words: Sequence[Word]
    text: str

    @property
    def start(self) -> float:
        """Second of the first word."""
        return self.words[0].start

    @property
    def end(self) -> float:
        """Second at which the last word has ended."""
        return max(word.end for word in self.words)


def join(texts: Sequence[str], language: str | None) -> str:
    """Return words as a text, with the blanks that the language writes."""
    return ("" if language in _WITHOUT_BLANKS else " ").join(texts)


def sentences(words: Sequence[Word], language: str | None) -> list[Utterance]:
    """Return sentences: an utterance ends with a sentence, a change of speaker, or a pause of a second."""
    found: list[Utterance] = []
    for turn in _turns(words):
        first = 0
        for number, (word, later) in enumerate(pairwise(turn), start=1):
            if ends_sentence(word.text) or later.start - word.end > _LONGEST_PAUSE:
                found.append(_utterance(turn[first:number], language))
                first = number
        found.append(_utterance(turn[first:], language))
    return found


def paragraphs(words: Sequence[Word], language: str | None) -> list[Utterance]:
    """Return what each speaker says until another one does."""
    return [_utterance(turn, language) for turn in _turns(words)]


def _turns(words: Sequence[Word]) -> list[list[Word]]:
    return [list(own) for _, own in groupby(words, key=lambda word: (word.speaker, word.channel))]


def _utterance(words: Sequence[Word], language: str | None) -> Utterance:
    return Utterance(words[0].speaker or NOBODY, words, join([word.text for word in words], language))
