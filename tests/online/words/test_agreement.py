"""Which words are certain: those on which two hypotheses agree, and none of them twice."""

from diar.online.words.agreement import Agreement
from diar.records import Word


def words(text: str, start: float = 0.0) -> list[Word]:
    """Words of half a second each."""
    return [Word(start + place / 2, start + (place + 1) / 2, one) for place, one in enumerate(text.split())]


def texts(found: list[Word]) -> str:
    return " ".join(word.text for word in found)


def test_two_hypotheses_agree() -> None:
    agreement = Agreement()
    assert agreement.take(words("We met an"), sure=9, settled=0) == []
    assert texts(agreement.take(words("we met Anna, then"), sure=9, settled=0)) == "we met"
    assert texts(agreement.open) == "Anna, then"
    assert texts(agreement.take(words("We met Anna. Then she"), sure=9, settled=0)) == "Anna. Then"
    assert agreement.until == 2 and texts(agreement.settle(9)) == "she"
    assert agreement.settle(9) == [] and texts(agreement.certain) == "we met Anna. Then she"


def test_certain_words_that_move_are_not_told_again() -> None:
    agreement = Agreement()
    for _ in range(2):
        agreement.take(words("one two three"), sure=9, settled=0)
    later = words("two three four five", start=0.8)  # the recogniser hears them later now
    assert agreement.take(later, sure=9, settled=0) == [] and texts(agreement.open) == "four five"


def test_words_wait_for_their_speech_but_not_for_ever() -> None:
    agreement = Agreement()
    for _ in range(2):
        told = agreement.take(words("one two three"), sure=1.0, settled=0)
    assert texts(told) == "one two" and texts(agreement.open) == "three"
    assert texts(agreement.take(words("one two tree for six"), sure=1.0, settled=2.0)) == "tree for"
