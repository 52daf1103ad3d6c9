"""Sentences and paragraphs, also of calls whose sides talk at once."""

import pytest

from diar.formats.words.utterances import join, paragraphs, sentences, whole_text
from diar.records import Word


def say(text: str, start: float, speaker: str, channel: int) -> list[Word]:
    return [
        Word(start + 0.3 * n, start + 0.3 * n + 0.25, one, None, speaker, channel=channel)
        for n, one in enumerate(text.split())
    ]


def in_time(*parts: list[Word]) -> list[Word]:
    return sorted((word for part in parts for word in part), key=lambda word: word.start)


def test_sides_of_a_call_that_talk_at_once_keep_their_sentences() -> None:
    call = in_time(
        say("We meet on Monday. At ten.", 0.0, "Ann", 0),
        say("Not on Monday.", 0.4, "Ben", 1),
        say("Good.", 2.5, "Ann", 0),
    )
    assert [(said.speaker, said.text) for said in sentences(call, "en")] == [
        ("Ann", "We meet on Monday."),
        ("Ben", "Not on Monday."),
        ("Ann", "At ten."),
        ("Ann", "Good."),
    ]
    assert whole_text(call, "en") == "We meet on Monday. Not on Monday. At ten. Good."
    assert [(said.speaker, said.text, said.start) for said in paragraphs(call, "en")] == [
        ("Ann", "We meet on Monday.", 0.0),
        ("Ben", "Not on Monday.", 0.4),
        ("Ann", "At ten. Good.", 1.2),
    ]


def test_in_one_signal_each_change_of_speaker_ends_a_paragraph() -> None:
    talk = in_time(say("We meet", 0.0, "Ann", -1), say("No", 0.8, "Ben", -1), say("on", 1.3, "Ann", -1))
    assert [said.text for said in paragraphs(talk, "en")] == ["We meet", "No", "on"]
    assert [said.text for said in sentences(talk, "en")] == ["We meet", "No", "on"]
    assert paragraphs([], "en") == sentences([], "en") == []


def test_who_speaks_at_the_same_time_does_not_interrupt() -> None:
    talk = in_time(say("We meet on Monday", 0.0, "Ann", -1), say("No wait", 0.3, "Ben", -1))
    assert [said.text for said in sentences(talk, "en")] == ["We meet on Monday", "No wait"]
    assert [said.text for said in paragraphs(talk, "en")] == ["We meet on Monday", "No wait"]


@pytest.mark.parametrize(
    ("texts", "language", "text"),
    [
        (["今日", "は", "晴れ。"], "ja", "今日は晴れ。"),
        (["新しい", "iPhone", "15", "Pro", "です。"], "ja", "新しいiPhone 15 Proです。"),
        (["So,", "we", "ไป"], "th", "So, weไป"),
        (["2", "0", "2", "4", "年"], "ja", "2024年"),
        (["i", "P", "h"], "zh", "iPh"),  # letter by letter, as WhisperX times them
        (["A", "b"], "en", "A b"),
        ([], "ja", ""),
    ],
)
def test_words_are_joined_as_their_language_writes(texts: list[str], language: str, text: str) -> None:
    assert join(texts, language) == text
