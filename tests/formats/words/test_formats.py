"""Every format is read by somebody else's reader and says what the words say."""

import io
import json
from pathlib import Path

import jsonschema
import meeteval
import pysubs2
import pytest
import webvtt
from hypothesis import given
from praatio import textgrid

from diar.formats.document import ResultError
from diar.formats.words.document import from_json, to_json
from diar.formats.words.table import FORMATS
from diar.records import Word
from tests.formats.words.samples import SAID, any_words, conversation, result_of

RESULT = result_of(conversation())
SPOKEN = [text for _, _, text in SAID]


def test_json_comes_back_as_it_was() -> None:
    assert from_json(to_json(RESULT), "words.json") == RESULT
    schema = json.loads((Path(__file__).parents[3] / "docs/words-schema.json").read_text())
    document = json.loads(to_json(RESULT))
    jsonschema.validate(document, schema)
    assert document["without_speaker"] == 1
    assert document["speakers"] == ["Ann", "Ben <x>"]


@given(any_words())
def test_any_words_come_back_in_milliseconds(words: list[Word]) -> None:
    back = from_json(to_json(result_of(words)), "words.json").words
    assert [(w.text, w.speaker) for w in back] == [(w.text, w.speaker) for w in words]
    assert all(abs(a.start - b.start) <= 0.0005 for a, b in zip(back, words, strict=True))


@pytest.mark.parametrize(
    "text",
    ["[]", "{}", '{"schema": "diar.turns"}', "no", '{"schema": "diar.words", "schema_version": "1.0"}'],
)
def test_other_documents_are_refused_by_name(text: str) -> None:
    with pytest.raises(ResultError, match=r"words\.json"):
        from_json(text, "words.json")


def test_srt_is_read_by_pysubs2() -> None:
    events = pysubs2.SSAFile.from_string(FORMATS["srt"].write(RESULT), format_="srt")
    assert (
        events[0].plaintext == "Ann: Good morning, everybody. Shall we\nbegin with the figures of last week?"
    )
    assert (events[0].start, len(events)) == (500, 4)


def test_vtt_is_read_by_webvtt_with_its_voices() -> None:
    captions = webvtt.from_string(FORMATS["vtt"].write(RESULT))
    assert [caption.voice for caption in captions] == ["Ann", "Ben &lt;x&gt;", None, "Ann"]
    assert captions[1].text == "Yes &amp; no: half are missing."
    assert captions[0].start == "00:00:00.500"


@given(any_words())
def test_subtitles_of_anything_are_read_whole(words: list[Word]) -> None:
    result = result_of(words)
    srt, vtt = FORMATS["srt"].write(result), FORMATS["vtt"].write(result)
    assert len(webvtt.from_string(vtt).captions) == len(pysubs2.SSAFile.from_string(srt, format_="srt"))
    assert "-->" not in "".join(line for line in vtt.splitlines() if not line.startswith("0"))


def test_ctm_stm_and_seglst_are_read_by_meeteval() -> None:
    ctm = meeteval.io.CTM.parse(FORMATS["ctm"].write(RESULT))
    assert [line.word for line in ctm] == " ".join(SPOKEN).split()
    assert (str(ctm[0].filename), float(ctm[0].begin_time), float(ctm[0].confidence)) == (
        "calls/my%20talk.wav",
        0.5,
        0.9,
    )
    stm = meeteval.io.STM.parse(FORMATS["stm"].write(RESULT))
    assert {line.speaker_id for line in stm} == {"Ann", "Ben%20<x>", "unknown"}
    assert stm[0].transcript == "Good morning, everybody."
    seglst = meeteval.io.SegLST(json.loads(FORMATS["seglst"].write(RESULT)))
    assert [item["speaker"] for item in seglst] == ["Ann", "Ann", "Ben <x>", "unknown", "Ann"]
    assert " ".join(item["words"] for item in seglst) == " ".join(SPOKEN)


def test_textgrid_is_read_by_praatio(tmp_path: Path) -> None:
    path = tmp_path / "words.TextGrid"
    path.write_text(FORMATS["textgrid"].write(RESULT))
    grid = textgrid.openTextgrid(str(path), includeEmptyIntervals=False)
    assert list(grid.tierNames) == ["Ann", "Ben <x>", "unknown"]
    assert [entry.label for entry in grid.getTier("Ann").entries][-3:] == ["Then", "we", "wait."]


@given(any_words())
def test_textgrids_of_anything_have_words_that_do_not_overlap(words: list[Word]) -> None:
    lines = FORMATS["textgrid"].write(result_of(words)).splitlines()
    assert lines[0] == 'File type = "ooTextFile"'
    for tier in "\n".join(lines).split("item [")[2:]:
        ends = [float(line.split("=")[1]) for line in tier.splitlines() if "xmax" in line][1:]
        assert ends == sorted(set(ends))


def test_textgrids_of_words_without_length_have_no_empty_intervals() -> None:
    words = [Word(n / 1000, n / 1000, "a", speaker="Ann") for n in range(3000)]
    ends = [line for line in FORMATS["textgrid"].write(result_of(words)).splitlines() if "xmax" in line][2:]
    assert len(ends) == len(set(ends)) == 3001


def test_whisperx_has_a_speaker_on_every_word() -> None:
    document = json.loads(FORMATS["whisperx"].write(RESULT))
    assert document["segments"][0]["text"] == "Good morning, everybody."
    assert document["word_segments"][0] == {
        "word": "Good",
        "start": 0.5,
        "end": 0.75,
        "score": 0.9,
        "speaker": "Ann",
    }
    assert {word["speaker"] for word in document["word_segments"]} == {"Ann", "Ben <x>", "unknown"}


def test_openai_and_the_text_to_read() -> None:
    document = json.loads(FORMATS["openai"].write(RESULT))
    assert document["text"] == " ".join(SPOKEN)
    assert document["segments"][0] | {"end": 0} == {
        "type": "transcript.text.segment", "id": "seg_001", "start": 0.5, "end": 0,
        "text": "Good morning, everybody.", "speaker": "Ann",
    }  # fmt: skip
    assert FORMATS["txt"].write(RESULT).splitlines()[2] == "Ben <x> [00:00:04] Yes & no: half are missing."


def test_what_shapes_letters_stays() -> None:
    said = ["می\u200cخواهم", "ශ්\u200dරී", "👩\u200d💻"]
    words = [Word(i, i + 1.0, text, speaker="Ann\u2028\u200dB") for i, text in enumerate(said)]
    for name in ("srt", "vtt", "textgrid", "txt"):
        text = FORMATS[name].write(result_of(words))
        assert all(one in text for one in said)
        assert name == "txt" or "\u2028" not in text


def test_languages_without_blanks_have_none() -> None:
    words = [Word(i, i + 1.0, text, speaker="Ann") for i, text in enumerate(["今日", "は", "晴れ。"])]
    assert "今日は晴れ。" in FORMATS["txt"].write(result_of(words, "ja"))
    assert io.StringIO(FORMATS["srt"].write(result_of(words, "ja"))).read().count("今日は晴れ。") == 1


@pytest.mark.parametrize("name", list(FORMATS))
def test_a_recording_without_words_has_a_valid_file(name: str) -> None:
    text = FORMATS[name].write(result_of([]))
    if name.endswith(("json", "whisperx", "openai", "seglst")):
        json.loads(text)
    if name == "vtt":
        assert not webvtt.from_string(text).captions
