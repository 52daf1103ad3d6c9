"""The limits of subtitles hold for whatever is said."""

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from diar.formats.words.cues import LIMITS, Cue, make_cues, prefix, wrap
from diar.formats.words.utterances import NOBODY
from diar.records import Word
from tests.align.test_cleaning import words_of
from tests.formats.words.samples import any_words, conversation


def assert_readable(cues: list[Cue]) -> None:
    for cue in cues:
        seconds = (cue.end - cue.start) / 1000
        assert 1 <= len(cue.lines) <= 2
        assert all(0 < len(line) <= 42 for line in cue.lines)
        assert 5 / 6 - 1e-9 <= seconds <= 7.0
        assert sum(map(len, cue.lines)) / seconds <= 20.0 + 1e-9
    assert all(earlier.end <= later.start for earlier, later in pairwise(cues))


def at_once(said: str) -> list[Word]:
    """Words of no length at the same moment: A a word of Ann's, B of Ben's."""
    return [
        Word(0.0, 0.0, str(number), speaker="Ann" if who == "A" else "Ben") for number, who in enumerate(said)
    ]


@given(any_words(), st.booleans(), st.sampled_from(["en", "ja", None]))
@example(at_once("AAABA"), False, "en")  # people who talk at once are told a sentence at a time
def test_every_cue_keeps_all_limits_and_no_word_is_lost(
    words: list[Word], names: bool, language: str | None
) -> None:
    cues = make_cues(words, language, names=names)
    assert_readable(cues)
    if not names:
        for speaker in {word.speaker for word in words}:
            own = [line for cue in cues if cue.speaker == (speaker or NOBODY) for line in cue.lines]
            assert "".join(own).replace(" ", "") == "".join(
                word.text for word in words if word.speaker == speaker
            )
    assert all(cue.start >= 0 for cue in cues)


def test_a_conversation_reads_well() -> None:
    cues = make_cues(conversation(), "en", names=True)
    assert [cue.lines for cue in cues] == [
        ("Ann: Good morning, everybody. Shall we", "begin with the figures of last week?"),
        ("Ben <x>: Yes & no: half are missing.",),
        ("- Hm.",),
        ("Ann: Then we wait.",),
    ]
    assert [cue.begins for cue in cues] == [True, True, True, True]
    assert cues[0].start == 500


def test_a_cue_ends_with_a_sentence_where_it_can() -> None:
    text = "We looked at all of them on Monday. Nothing of what had been promised was there when we came back"
    first, *_ = make_cues(words_of(text), "en", names=False)
    assert " ".join(first.lines).endswith("Monday.")


def test_fast_talk_comes_late_and_catches_up_in_a_pause() -> None:
    words = words_of("antidisestablishmentarianism " * 12, each=0.2)
    cues = make_cues([*words, Word(40.0, 41.0, "slow")], "en", names=False)
    assert_readable(cues)
    assert cues[-2].start > words[-1].end * 1000 - 1000
    assert cues[-1].start == 40_000


@pytest.mark.parametrize(
    ("name", "shown"), [("Ann", "Ann: "), ("A" * 30, "A" * 19 + "…: "), ("a\nb", "a b: ")]
)
def test_names_are_short_and_on_one_line(name: str, shown: str) -> None:
    assert prefix(name) == shown


def test_a_word_that_does_not_fit_beside_the_name_stands_below_it() -> None:
    words = [Word(1.0, 2.0, "Bundesverfassungsgericht", speaker="Bundeskanzler Scholz")]
    words += [Word(2.0, 3.0, "urteilt.", speaker="Bundeskanzler Scholz")]
    cues = make_cues(words, "de", names=True)
    assert [cue.lines for cue in cues] == [("Bundeskanzler Scholz:", "Bundesverfassungsgericht urteilt.")]


def test_lines_break_at_a_comma_near_the_middle() -> None:
    text = "When the last of the guests had left, we went upstairs to bed"
    assert wrap("", text.split(), "en") == (
        "When the last of the guests had left,",
        "we went upstairs to bed",
    )
    assert wrap("", "x" * 43, "ja") == ("x" * 21, "x" * 22)
    assert wrap("", ["x" * 43], "en") is None
    assert LIMITS.line == 42
