"""Whatever is said, other people's readers find all of it, and subtitles keep their limits."""

from __future__ import annotations

import io
import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import av
import meeteval
import pysubs2
import webvtt
from hypothesis import example, given
from praatio.utilities import textgrid_io

from diar.formats.rttm import rttm_id
from diar.formats.words.reading import parse_ctm
from diar.formats.words.reading_json import parse_json
from diar.formats.words.table import FORMATS
from diar.records import Word
from tests.formats.words.samples import any_words, result_of


def by_speaker(words: list[Word]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for word in words:
        found.setdefault(word.speaker or "unknown", []).append(word.text)
    return found


@given(any_words())
def test_every_subtitle_as_players_read_it_keeps_all_limits(words: list[Word]) -> None:
    for name in ("srt", "vtt"):
        cues = pysubs2.SSAFile.from_string(FORMATS[name].write(result_of(words)), format_=name)
        for cue in cues:
            lines = without_joiners(cue.plaintext).split("\n") if name == "srt" else []
            assert len(lines) <= 2
            assert all(0 < len(line) <= 42 for line in lines)
            assert 833 <= cue.end - cue.start <= 7000
            assert sum(map(len, lines)) * 1000 <= 20 * (cue.end - cue.start)
        assert all(earlier.end <= later.start for earlier, later in pairwise(cues))
        assert bool(cues) == bool(words)


@given(any_words())
@example(
    [
        Word(0.0, 1.0, text)
        for text in ("<A>", "</b>", "<3", ">", "{\\an8}", "a\\Nb", "{y:i}", "&lt;b>", "-->")
    ]
)
def test_srt_has_every_word_as_mpv_shows_it(words: list[Word]) -> None:
    content = FORMATS["srt"].write(result_of([replace(word, speaker=None) for word in words]))
    shown = "".join(as_mpv_shows(content)) if words else ""
    # "- " stands before the first words; a word joiner is not seen, and braces are full-width
    shown = without_joiners(shown).removeprefix("- ").translate(str.maketrans("｛｝", "{}"))
    assert Counter("".join(shown.split())) == Counter("".join(word.text for word in words))


def as_mpv_shows(srt: str) -> Iterator[str]:
    """Yield each cue as FFmpeg reads it and libass shows it: without tags and what stands in braces."""
    with av.open(io.BytesIO(srt.encode()), format="srt") as file:
        for packet in file.demux(subtitles=0):
            for cue in packet.decode() if packet.size else []:
                text = cue.ass.decode().split(",", 8)[8]
                yield re.sub(r"\\[Nnh]", "\n", re.sub(r"{[^}]*}", "", text))


def without_joiners(text: str) -> str:
    return text.replace("\u2060", "")


@given(any_words())
def test_ctm_is_read_word_by_word_by_meeteval_and_by_us(words: list[Word]) -> None:
    text = FORMATS["ctm"].write(result_of(words))
    expected = [(round(word.start, 3), word.text) for word in words]
    theirs = meeteval.io.CTM.parse(text)
    assert [(float(line.begin_time), line.word) for line in theirs] == [
        (t, re.sub("%(?=[0-9A-Fa-f]{2})", "%25", w)) for t, w in expected
    ]
    ours = [word for own in parse_ctm(text).recordings.values() for word in own]
    assert [(word.start, word.text) for word in ours] == expected


@given(any_words())
def test_sentences_are_read_by_meeteval_with_their_speakers(words: list[Word]) -> None:
    result, said = result_of(words), by_speaker(words)
    lines = meeteval.io.STM.parse(FORMATS["stm"].write(result))
    stm = [(line.speaker_id, line.transcript.removeprefix("<O> ")) for line in lines]
    text = FORMATS["seglst"].write(result)
    seglst = [(one["speaker"], one["words"]) for one in meeteval.io.SegLST(json.loads(text))]
    for found, name in ((stm, rttm_id), (seglst, str)):
        for speaker, texts in said.items():
            assert " ".join(own for who, own in found if who == name(speaker)).split() == texts
        assert {who for who, _ in found} == {name(speaker) for speaker in said}
    ours = [word for own in parse_json(text).recordings.values() for word in own]
    assert by_speaker(ours) == said


@given(any_words())
def test_textgrids_are_read_by_praatio_with_every_word(words: list[Word]) -> None:
    grid = textgrid_io.parseTextgridStr(FORMATS["textgrid"].write(result_of(words)))
    found = {tier["name"]: " ".join(entry[2] for entry in tier["entries"]) for tier in grid["tiers"]}
    for speaker, texts in by_speaker(words).items():
        assert Counter(found[speaker].split()) == Counter(texts)


@given(any_words())
def test_webvtt_has_every_word(words: list[Word]) -> None:
    captions = webvtt.from_string(FORMATS["vtt"].write(result_of(words))).captions
    shown = "".join(caption.text for caption in captions)
    for entity, character in (("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&")):
        shown = shown.replace(entity, character)
    assert Counter("".join(shown.split())) == Counter("".join(word.text for word in words))


def test_a_cue_of_a_file_is_what_its_words_say(tmp_path: Path) -> None:
    words = [Word(0.0, 0.4, "One"), Word(0.4, 0.8, "two.", speaker="Ann")]
    (tmp_path / "words.srt").write_text(FORMATS["srt"].write(result_of(words)), encoding="utf-8")
    cues = pysubs2.load(str(tmp_path / "words.srt"))
    assert [cue.plaintext for cue in cues] == ["- One", "Ann: two."]
