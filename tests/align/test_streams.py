from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from diar.align.assignment import assign_speakers
from diar.align.streams import split_streams
from diar.records import Turn, Word
from tests.align.test_cleaning import words_of


def texts(words: list[Word]) -> list[str]:
    return [" ".join(words[n].text for n in own) for own in split_streams(words)]


def test_words_of_two_people_at_once_are_two_streams() -> None:
    long, short = words_of("we could go there by boat", each=0.3), words_of("oh yes", 0.6, 0.35)
    assert texts(sorted([*long, *short], key=lambda word: word.start)) == [
        "we could go there by boat",
        "oh yes",
    ]
    assert texts(words_of("one after the other")) == ["one after the other"]
    assert texts([]) == []


def test_times_that_overlap_a_little_do_not_part_words() -> None:
    assert texts([Word(0.0, 1.05, "almost"), Word(1.0, 1.5, "right")]) == ["almost right"]
    assert len(texts([Word(0.0, 1.05, "two"), Word(1.0, 1.06, "at once")])) == 2


def test_nobody_says_two_words_at_once() -> None:
    first, second = words_of("I never said that to her", each=0.4), words_of("You did.", 0.93, 0.4)
    words = sorted([*first, *second], key=lambda word: word.start)
    turns = [Turn("r", 0.0, 2.4, "a"), Turn("r", 0.7, 1.7, "b")]
    found = {word.text: word.speaker for word in assign_speakers(words, turns)}
    assert {found[word.text] for word in first} == {"a"}
    assert {found[word.text] for word in second} == {"b"}


@given(st.lists(st.tuples(st.floats(0, 20), st.floats(0, 3)), max_size=30))
def test_every_word_is_in_one_stream_and_follows_the_one_before(pairs: list[tuple[float, float]]) -> None:
    words = [Word(start, start + length, "w") for start, length in sorted(pairs)]
    streams = split_streams(words)
    assert sorted(n for own in streams for n in own) == list(range(len(words)))
    for own in streams:
        assert all(words[later].start >= words[earlier].end - 0.1 for earlier, later in pairwise(own))
    assert [len(own) for own in streams] == sorted((len(own) for own in streams), reverse=True)
