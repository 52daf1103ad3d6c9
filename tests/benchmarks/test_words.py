"""The rules that words are compared with, and the conversations that are synthesised."""

import numpy as np
from words_cast import CAST, HELD_OUT_CASTS, STYLES
from words_rules import majority, whisperx, whisperx_segments
from words_synthesis import phrases, read_dialogues

from diar.records import Turn, Word

TURNS = [
    Turn("r", 0.0, 2.0, "a"),
    Turn("r", 1.5, 3.0, "b"),
    Turn("r", 2.0, 2.2, "a"),
    Turn("r", 9.0, 12.0, "b"),
]


def said(*words: tuple[float, float, str]) -> list[Word]:
    return [Word(start, end, text) for start, end, text in words]


def test_a_word_goes_to_whom_most_of_it_belongs_and_else_to_the_nearest_turn_or_nobody() -> None:
    words = said(
        (0.1, 0.5, "so"), (1.6, 2.7, "both"), (1.4, 2.2, "sum."), (5.0, 6.0, "gap"), (8.0, 8.5, "late")
    )
    assert [word.speaker for word in majority(words, TURNS)] == ["a", "b", "a", None, None]
    assert [word.speaker for word in whisperx(words, TURNS)] == ["a", "b", "a", "b", "b"]
    assert [word.speaker for word in whisperx(words, [])] == [None] * 5


def test_a_sentence_goes_to_one_speaker() -> None:
    words = said((0.0, 0.5, "I"), (0.5, 2.5, "do."), (2.5, 2.9, "You?"))
    assert [word.speaker for word in whisperx_segments(words, TURNS)] == ["a", "a", "b"]


def test_the_dialogues_have_voices_and_many_words() -> None:
    dialogues, *held_out = (read_dialogues(number) for number in (0, *HELD_OUT_CASTS))
    assert dialogues.keys() == CAST.keys()
    assert [one.keys() for one in held_out] == [cast.keys() for cast in HELD_OUT_CASTS.values()]
    voices = [{line.voice for lines in one.values() for line in lines} for one in (dialogues, *held_out)]
    assert set.union(*voices) == STYLES.keys() and sum(map(len, voices)) == len(STYLES)
    assert len(voices[0]) >= 5
    sentences = [text for lines in dialogues.values() for line in lines for text in line.sentences]
    assert sum(len(text.split()) for text in sentences) > 2000
    assert all(text[-1] in ".?!" for text in sentences)


def test_a_sentence_is_cut_at_the_comma_nearest_to_its_pause() -> None:
    parts = np.array([[1.0, 1.4], [2.0, 3.6]])
    assert phrases("No, I get off at the second stop.", parts) == [
        ("No,", 1.0, 1.4),
        ("I get off at the second stop.", 2.0, 3.6),
    ]
    assert phrases("Without any comma.", parts) == [("Without any comma.", 1.0, 3.6)]
