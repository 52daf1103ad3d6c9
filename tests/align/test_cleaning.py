import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diar.align.cleaning import clean, clip_to_speech, cut_loops
from diar.intervals import at_least, running_seconds
from diar.records import Word


def words_of(text: str, start: float = 0.0, each: float = 0.3) -> list[Word]:
    return [Word(start + i * each, start + (i + 1) * each, word) for i, word in enumerate(text.split())]


def texts(words: list[Word]) -> str:
    return " ".join(word.text for word in words)


def test_words_where_nobody_speaks_are_dropped_and_counted() -> None:
    speech = np.array([[1.0, 2.0]])
    words = [
        Word(0.0, 0.4, "Thanks"),
        Word(1.1, 1.4, "hello"),
        Word(3.0, 4.0, "for"),
        Word(4.0, 5.0, "watching"),
    ]
    cleaned = clean(words, speech)
    assert (texts(cleaned.words), cleaned.outside_speech, cleaned.repeated) == ("hello", 3, 0)
    assert clean(words, np.empty((0, 2))).outside_speech == 4


def test_words_at_the_edge_of_speech_and_without_length_are_kept() -> None:
    speech = np.array([[1.0, 2.0]])
    words = [Word(0.9, 0.95, "A"), Word(1.5, 1.5, "short"), Word(2.05, 2.4, "end."), Word(2.6, 2.6, "gone")]
    assert texts(clip_to_speech(words, speech)) == "A short end."


def test_a_word_that_runs_into_a_pause_ends_with_the_speech() -> None:
    speech = np.array([[1.0, 2.0], [2.2, 3.0], [5.0, 6.0]])
    first, last, across = Word(0.0, 1.3, "So"), Word(2.8, 5.1, "done."), Word(1.9, 2.4, "bridge")
    found = [(w.start, w.end) for w in clip_to_speech([first, across, last], speech)]
    assert found == [(1.0, 1.3), (1.9, 2.4), (2.8, 3.0)]


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("you know you know I think", "you know you know I think"),  # as people speak
        ("no no no no no", "no no no no no"),
        ("no no no no no no no", "no"),
        ("so the end of the end of the end of the end of the day", "so the end of the day"),
        ("La la, la LA la la. yes", "La yes"),
        ("1 2 3 1 2 3 1 2 3 1 2 3", "1 2 3"),
        ("का कि की कु कू के", "का कि की कु कू के"),  # other words by their vowel signs
        ("a b c d e f g h i j k l m n o p " * 3, "a b c d e f g h i j k l m n o p"),
        # a refrain
        ("a b c d e f g h i j k l m n o p " * 2, ("a b c d e f g h i j k l m n o p " * 2).strip()),
        ("", ""),
    ],
)
def test_loops_are_cut_and_what_people_repeat_is_kept(said: str, kept: str) -> None:
    assert texts(clean(words_of(said), np.array([[0.0, 100.0]])).words) == kept


intervals = st.lists(st.tuples(st.floats(0, 50), st.floats(0.01, 5)), max_size=8).map(
    lambda pairs: at_least(1, [np.array([(s, s + d) for s, d in pairs])] if pairs else [])
)
spans = st.lists(st.tuples(st.floats(0, 50), st.floats(0, 3)), max_size=20).map(
    lambda pairs: [Word(s, s + d, f"w{n}") for n, (s, d) in enumerate(sorted(pairs))]
)


@given(spans, intervals)
def test_clipped_words_lie_where_they_were_and_touch_speech(words: list[Word], speech: np.ndarray) -> None:
    before = {word.text: word for word in words}
    for word in clip_to_speech(words, speech):
        old = before[word.text]
        assert old.start <= word.start <= word.end <= old.end
        wider = at_least(1, [speech + np.array([-0.25, 0.25])])
        inside = np.diff(running_seconds(wider, np.array([[word.start, word.end]])))[0, 0]
        assert inside >= (word.end - word.start) * 0.99


@given(st.lists(st.sampled_from("ab"), max_size=60))
def test_cutting_loops_keeps_an_order_and_leaves_no_long_loop_of_one_word(letters: list[str]) -> None:
    kept = [word.text for word in cut_loops(words_of(" ".join(letters)), str)]
    rest = iter(letters)
    assert all(letter in rest for letter in kept)  # a subsequence


def test_improbable_words_in_scraps_of_speech_are_dropped() -> None:
    speech = np.array([[1.0, 1.3], [5.0, 5.3], [9.0, 10.0], [11.0, 11.2], [11.4, 11.9]])
    words = [
        Word(1.0, 1.3, "you", 0.05),  # a beat of music
        Word(5.0, 5.3, "Yes.", 0.8),
        Word(9.2, 9.6, "perhaps", 0.05),
        Word(11.0, 11.3, "so", 0.05),  # its speech goes on after a short pause
    ]
    assert texts(clean(words, speech).words) == "Yes. perhaps so"
    assert clean(words, speech).outside_speech == 1
    imported = [Word(1.0, 1.3, "you")]
    assert clean(imported, speech).words == imported
