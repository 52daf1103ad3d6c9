"""Words in a row that one speaker says: sentences for tools, paragraphs for readers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

from diar.formats.words.punctuation import ends_sentence
from diar.letters import is_written_with_blanks
from diar.records import Word

NOBODY = "unknown"  # where a format must name a speaker and a word has none
_WITHOUT_BLANKS = frozenset(["zh", "yue", "ja", "th", "lo", "my", "km"])  # languages that write none
_AFTER_WORDS = ",.;:!?)"  # of scripts that write blanks
_LONGEST_PAUSE = 1.0  # seconds within a sentence
_AT_ONCE = 0.05  # seconds that a word may reach into a pause and still lie in it


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
    """Return words as a text, with the blanks that the language writes.

    Languages without blanks have them beside words of other scripts: `iPhone 15 Proです`.
    """
    if language not in _WITHOUT_BLANKS:
        return " ".join(texts)
    parts = [(" " if _apart(before, text) else "") + text for before, text in pairwise(texts)]
    return "".join([*texts[:1], *parts])


def _apart(before: str, text: str) -> bool:
    """Return whether a blank is between two words of a language without: a word and a word or a number.

    Letters one by one, as WhisperX times them, are parts of a word.
    """
    ends = before.rstrip(_AFTER_WORDS) or before
    both = is_written_with_blanks(ends[-1:]) and is_written_with_blanks(text[:1])
    return both and len(before) + len(text) > 2 and any(map(str.isalpha, (*ends, *text)))


def whole_text(words: Sequence[Word], language: str | None) -> str:
    """Return all that is said in one line, sentence by sentence where people talk at once."""
    return join([said.text for said in sentences(words, language)], language)


def sentences(words: Sequence[Word], language: str | None) -> list[Utterance]:
    """Return sentences, by their start.

    One ends with its last word, with a pause of a second, or where somebody else says a word in between.

    People who speak at once do not interrupt each other, nor do channels that are recognised apart.
    """
    found = [
        _utterance(said, language)
        for channel in sorted({word.channel for word in words})
        for said in _of_channel([word for word in words if word.channel == channel])
    ]
    return sorted(found, key=lambda said: said.start)


def paragraphs(words: Sequence[Word], language: str | None) -> list[Utterance]:
    """Return what each speaker says until another one does; whole sentences where people speak at once."""
    in_order = [word for said in sentences(words, language) for word in said.words]
    turns = groupby(in_order, key=lambda word: (word.speaker, word.channel))
    return [_utterance(list(turn), language) for _, turn in turns]


def _of_channel(words: Sequence[Word]) -> Iterator[list[Word]]:
    """Yield the words of each sentence, by speaker."""
    last: dict[str | None, list[Word]] = {}
    for word in words:
        said = last.get(word.speaker, [])
        if said and not _ends(said[-1], word, [own[-1] for who, own in last.items() if who != word.speaker]):
            said.append(word)
            continue
        if said:
            yield said
        last[word.speaker] = [word]
    yield from last.values()


def _ends(word: Word, later: Word, others: Sequence[Word]) -> bool:
    """Tell whether a sentence ends between two words of a speaker; `others` are the last ones of others."""
    between = any(
        other.start >= word.end - _AT_ONCE and other.end <= later.start + _AT_ONCE for other in others
    )
    return between or ends_sentence(word.text) or later.start - word.end > _LONGEST_PAUSE


def _utterance(words: Sequence[Word], language: str | None) -> Utterance:
    return Utterance(words[0].speaker or NOBODY, words, join([word.text for word in words], language))
