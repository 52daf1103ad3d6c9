"""Words of a conversation, as tests of all formats use them."""

from __future__ import annotations

from hypothesis import strategies as st

from diar.formats.words.document import Dropped, Recogniser, RecordingWords
from diar.records import Word

SAID = [
    ("Ann", 0.5, "Good morning, everybody. Shall we begin with the figures of last week?"),
    ("Ben <x>", 4.9, "Yes & no: half are missing."),
    (None, 7.0, "Hm."),
    ("Ann", 7.5, "Then we wait."),
]


def conversation() -> list[Word]:
    words = []
    for speaker, start, text in SAID:
        for number, one in enumerate(text.split()):
            begin = round(start + 0.3 * number, 3)
            words.append(Word(begin, round(begin + 0.25, 3), one, 0.9, speaker))
    return words


def result_of(words: list[Word], language: str | None = "en") -> RecordingWords:
    return RecordingWords(
        program="diar 0",
        recording_id="calls/my talk.wav",
        path="/archive/calls/my talk.wav",
        duration=max([10.0, *(word.end for word in words)]),
        language=language,
        language_probability=0.98,
        recogniser=Recogniser("faster-whisper", "whisper-tiny.en", "5a1b", {"beam_size": 1}),
        words=words,
        dropped=Dropped(outside_speech=2, repeated=1),
    )


_letters = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S"]), min_size=1, max_size=12)
_texts = st.one_of(
    _letters, st.sampled_from(["so,", "done.", "x" * 130, "it's", "<b>", "&amp;", "--", "-->"])
)
_speakers = st.sampled_from(["Ann", "Ben", "A person of a very long name indeed", None])


@st.composite
def any_words(draw: st.DrawFn) -> list[Word]:
    """Up to sixty words, spoken however fast, by several people, with and without pauses."""
    now, words, speaker = 0.0, [], draw(_speakers)
    for text in draw(st.lists(_texts, max_size=60)):
        if draw(st.integers(0, 5)) == 0:
            speaker = draw(_speakers)
        now += draw(st.sampled_from([0.0, 0.02, 0.3, 1.5, 9.0]))
        end = now + draw(st.sampled_from([0.0, 0.1, 0.4, 2.0, 12.0]))
        words.append(Word(now, end, text, speaker=speaker))
        now = draw(st.sampled_from([now, end]))
    return words
