import json
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diar.formats.words.found import spread
from diar.formats.words.reading import WordsError, read_words
from diar.formats.words.table import FORMATS
from diar.records import Word
from tests.formats.words.samples import SAID, conversation, result_of

SPOKEN = " ".join(text for _, _, text in SAID)


def read(tmp_path: Path, name: str, content: str) -> dict[str | None, list[Word]]:
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    return read_words(path).recordings


def texts(words: list[Word]) -> str:
    return " ".join(word.text for word in words)


@pytest.mark.parametrize("name", ["json", "ctm", "seglst", "whisperx", "vtt"])
def test_what_we_write_is_read_again_word_by_word(tmp_path: Path, name: str) -> None:
    result = result_of(conversation())
    found = read(tmp_path, FORMATS[name].file_name, FORMATS[name].write(result))
    (recording, words), *others = found.items()
    assert not others
    assert recording == (None if name in ("whisperx", "vtt") else result.recording_id)
    assert texts(words) == SPOKEN
    for word, true in zip(words, result.words, strict=True):
        apart = abs(word.start - true.start)
        assert apart < (0.002 if name in ("json", "ctm", "whisperx") else 2.0)


def test_words_without_times_lie_between_their_neighbours(tmp_path: Path) -> None:
    words = [
        {"word": "in", "start": 1.0, "end": 1.2, "score": 0.8},
        {"word": "1984"},
        {"word": "he", "start": 2.0, "end": 2.2},
    ]
    document = {"segments": [{"start": 1.0, "end": 2.5, "text": "in 1984 he", "words": words}]}
    (found,) = read(tmp_path, "x.json", json.dumps(document)).values()
    assert [(w.start, w.end, w.text, w.probability) for w in found] == [
        (1.0, 1.2, "in", 0.8), (1.2, 2.0, "1984", None), (2.0, 2.2, "he", None)
    ]  # fmt: skip


def test_words_without_times_in_a_row_share_the_time_by_their_letters(tmp_path: Path) -> None:
    words = [
        {"word": "from", "start": 1.0, "end": 1.2},
        *({"word": text} for text in ("10", "2000")),
        {"word": "people", "start": 2.4, "end": 2.8},
        *({"word": text} for text in ("1", "2")),
    ]
    document = {"segments": [{"start": 0.8, "end": 3.0, "text": "", "words": words}]}
    (found,) = read(tmp_path, "x.json", json.dumps(document)).values()
    assert [(round(w.start, 3), round(w.end, 3), w.text) for w in found] == [
        (1.0, 1.2, "from"), (1.2, 1.6, "10"), (1.6, 2.4, "2000"), (2.4, 2.8, "people"), (2.8, 2.9, "1"),
        (2.9, 3.0, "2"),
    ]  # fmt: skip


def test_the_language_of_a_file_is_told_and_tokens_of_a_word_are_one(tmp_path: Path) -> None:
    tokens = ["新しい", "i", "Phone", " 15", "です"]
    words = [{"word": text, "start": n, "end": n + 1, "probability": 0.5} for n, text in enumerate(tokens)]
    document = {"language": "ja", "segments": [{"start": 0, "end": 5, "text": "", "words": words}]}
    (tmp_path / "x.json").write_text(json.dumps(document))
    found = read_words(tmp_path / "x.json")
    assert found.language == "ja"
    assert [(w.start, w.end, w.text) for w in found.recordings[None]] == [
        (0, 1, "新しい"), (1, 3, "iPhone"), (3, 4, "15"), (4, 5, "です")
    ]  # fmt: skip
    result = result_of(conversation(), "de")
    (tmp_path / "words.json").write_text(FORMATS["json"].write(result))
    assert read_words(tmp_path / "words.json").language == "de"
    (tmp_path / "x.ctm").write_text(FORMATS["ctm"].write(result))
    assert read_words(tmp_path / "x.ctm").language is None


def test_ctm_has_words_as_others_read_them_and_comes_back(tmp_path: Path) -> None:
    said = ["50%", "50%25", "می\u200cخواهم", "a;;b", ";;", "a\u2028b", "two words", "100%ff"]
    words = [Word(n, n + 0.5, text, 0.5, channel=-(n % 2)) for n, text in enumerate(said)]
    text = FORMATS["ctm"].write(result_of(words))
    fields = [line.split() for line in text.split("\n")[:-1]]
    assert [field[4] for field in fields] == [
        *("50%", "50%2525", "می\u200cخواهم", "a;;b", ";;", "a%E2%80%A8b", "two%20words", "100%25ff"),
    ]
    assert [float(field[2]) for field in fields] == list(range(8)), "one channel, by time"
    (found,) = read(tmp_path, "x.ctm", text).values()
    assert [word.text for word in found] == said
    others = ";; by others\na A 1.0 0.5 100%ff 0.5 ;; a comment\n"
    (found,) = read(tmp_path, "x.ctm", others).values()
    assert [word.text for word in found] == ["100%ff"]


def test_stm_leaves_out_what_nist_does_not_score_and_keeps_angles(tmp_path: Path) -> None:
    content = (
        ";; a comment\n"
        "a 1 inter_segment_gap 0.0 1.0 <o,f0,> \n"
        "a 1 A 1.0 2.0 <o,f0,> IGNORE_TIME_SEGMENT_IN_SCORING\n"
        "a 1 A 2.0 3.0 <o,f0,male> hello a;;b ;; said twice\n"
        "a 1 A 3.0 4.0 <3 you\n"
    )
    (found,) = read(tmp_path, "x.stm", content).values()
    assert texts(found) == "hello a;;b <3 you"
    words = [Word(0.0, 0.5, "<unk>", speaker="A"), Word(0.5, 1.0, "good", speaker="A")]
    (found,) = read(tmp_path, "x.stm", FORMATS["stm"].write(result_of(words))).values()
    assert texts(found) == "<unk> good"


def own(**fields: object) -> str:
    word = {"start": 1.0, "end": 2.0, "text": "hello", **fields}
    return json.dumps({"schema": "diar.words", "recording_id": "a", "words": [word]})


def whisperx(**fields: object) -> str:
    word = {"word": "hello", "start": 1.0, "end": 2.0, **fields}
    return json.dumps({"segments": [{"start": 1.0, "end": 2.0, "text": "hello", "words": [word]}]})


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("x.json", whisperx(score=float("nan")), "probability nan"),
        ("x.json", whisperx(start=float("nan")), "from nan to"),
        ("x.json", whisperx(end=float("inf")), "to inf s"),
        ("x.json", whisperx(start=-2), "from -2 to"),
        ("x.json", '{"segments": [{"start": 1, "end": 2, "text": "\\ud83d hello"}]}', "half a character"),
        ("x.json", own(text=None), "has no text, but None"),
        ("x.json", own(text=" "), "has no text"),
        ("x.json", own(probability="x"), "'x'"),
        ("x.json", own(probability=1.5), "probability 1.5"),
        ("x.json", own(end=0.5), "from 1 to 0.5 s"),
        ("x.json", own(speaker=["Ann"]), "which is no name"),
        ("x.json", own(speaker="\ud83d"), "half a character"),
        ("x.ctm", "a 1 1.0 0.5 hello nan\n", "probability nan"),
        ("x.vtt", "WEBVTT\n\n00:02.000 --> 00:01.000\nhello\n", "from 2 to 1 s"),
    ],
)
def test_values_that_are_none_are_refused(tmp_path: Path, name: str, content: str, told: str) -> None:
    with pytest.raises(WordsError, match=told) as raised:
        read(tmp_path, name, content)
    assert str(tmp_path / name) in str(raised.value)


def test_whisper_without_word_times_is_spread_over_its_segments(tmp_path: Path) -> None:
    document = {
        "text": " a bbb",
        "segments": [{"id": 0, "start": 1.0, "end": 3.0, "text": " a bbb"}],
        "language": "en",
    }
    (found,) = read(tmp_path, "x.json", json.dumps(document)).values()
    assert [(w.start, w.end, w.text) for w in found] == [(1.0, 1.5, "a"), (1.5, 3.0, "bbb")]


def test_times_within_a_cue_are_kept(tmp_path: Path) -> None:
    cue = "<v Ann>one<00:02.000><c> two</c> &amp;</v>"
    content = f"WEBVTT\r\n\r\nNOTE hello\r\n\r\n1\r\n00:01.000 --> 00:04.000 align:start\r\n{cue}\r\n"
    (found,) = read(tmp_path, "x.vtt", content).values()
    assert [(w.start, w.text) for w in found] == [(1.0, "one"), (2.0, "two"), (3.5, "&")]


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("x.ctm", "a 1 0.0 0.5\n", "line 1 has 4 fields"),
        ("x.ctm", "a 1 zero 0.5 word\n", "'zero' are no seconds"),
        ("x.ctm", "a 1 nan 0.5 word\n", "'nan' are no seconds"),
        ("x.ctm", f"a 1 {'9' * 5000}x 0.5 word\n", "999…$"),
        ("x.vtt", "1\n00:01.000 --> 00:02.000\nhi\n", "does not begin with WEBVTT"),
        ("x.json", "{", "Expecting"),
        ("x.json", "{}", "`segments`"),
        ("x.json", '[{"words": "a"}]', "lacks 'start_time'"),
        ("x.json", "3", "int"),
        ("x.txt", "hello", "none of the suffixes"),
    ],
)
def test_broken_files_are_named_with_the_place(tmp_path: Path, name: str, content: str, told: str) -> None:
    with pytest.raises(WordsError, match=told) as raised:
        read(tmp_path, name, content)
    assert name in str(raised.value) and len(str(raised.value)) < 1000


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(WordsError, match=r"gone\.ctm"):
        read_words(tmp_path / "gone.ctm")


@given(st.text(max_size=40), st.floats(0, 100), st.floats(0, 10))
def test_spread_words_tile_the_time(text: str, start: float, length: float) -> None:
    words = list(spread(text, start, start + length))
    assert texts(words).split() == text.split()
    if words:
        assert words[0].start == start
        assert words[-1].end == pytest.approx(start + length)
        assert all(a.end == b.start for a, b in pairwise(words))
