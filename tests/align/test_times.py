from hypothesis import given
from hypothesis import strategies as st

from diar.align.times import plausible_times
from diar.records import Word


def timed(*words: tuple[float, float, str]) -> list[tuple[float, float]]:
    found = plausible_times([Word(start, end, text, 0.9) for start, end, text in words])
    return [(round(word.start, 3), round(word.end, 3)) for word in found]


def test_a_word_that_lasts_until_the_next_one_is_cut() -> None:
    assert timed((1.0, 1.3, "the"), (1.3, 4.0, "end."), (4.0, 4.4, "But")) == [
        (1.0, 1.3), (1.3, 1.725), (4.0, 4.4)
    ]  # fmt: skip
    assert timed((1.0, 1.3, "end."), (1.3, 4.0, "she"), (4.0, 4.4, "came")) == [
        (1.0, 1.3), (3.575, 4.0), (4.0, 4.4)
    ]  # fmt: skip


def test_words_without_length_get_time_before_them_or_after_them() -> None:
    assert timed((0.0, 0.5, "come?"), (2.0, 2.0, "Good"), (2.0, 2.0, "one."), (3.0, 3.3, "There")) == [
        (0.0, 0.5), (1.075, 1.575), (1.575, 2.0), (3.0, 3.3)
    ]  # fmt: skip
    assert timed((0.4, 1.0, "The"), (1.0, 1.0, "garden."), (1.5, 1.8, "We")) == [
        (0.4, 1.0), (1.0, 1.5), (1.5, 1.8)
    ]  # fmt: skip
    assert timed((5.0, 5.5, "so."), (6.0, 6.0, "Then"), (6.0, 8.5, "she")) == [
        (5.0, 5.5), (7.575, 8.075), (8.075, 8.5)
    ]  # fmt: skip


def test_slow_words_and_words_of_other_tools_stay() -> None:
    words = [Word(0.0, 0.9, "well", 0.9), Word(1.0, 5.0, "long"), Word(5.0, 5.0, "short")]
    assert plausible_times(words) == words
    assert plausible_times([]) == []


words_in_order = st.lists(
    st.tuples(
        st.sampled_from([0.0, 0.1, 0.7, 3.0]),
        st.sampled_from([0.0, 0.2, 1.0, 4.0]),
        st.sampled_from(["a", "garden.", "we,"]),
    ),
    max_size=12,
)


@given(words_in_order)
def test_words_stay_in_order_within_the_time_they_had(steps: list[tuple[float, float, str]]) -> None:
    now, words = 0.0, []
    for pause, length, text in steps:
        words.append(Word(now + pause, now + pause + length, text, 0.5))
        now += pause + length
    found = plausible_times(words)
    assert [word.text for word in found] == [word.text for word in words]
    for word, earlier in zip(found[1:], found, strict=False):
        assert earlier.end <= word.start + 1e-9
    for word in found:
        assert 0.0 <= word.start <= word.end <= now + 1e-9
        assert word.end - word.start <= 0.2 + 0.075 * 6 + 0.4 + 1e-9
