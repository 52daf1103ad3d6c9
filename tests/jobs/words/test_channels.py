"""A call with a side a channel that talk at once for much of the time: extracted, diarized, recognised."""

import importlib.util
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from diar.demo.espeak import speak_all
from diar.demo.sentences import SENTENCES
from diar.demo.voices import VOICES
from diar.formats.words.document import read_recording_words
from diar.formats.words.reading import read_words
from diar.records import MIXED, Word
from diar.store.reader import done_shards
from diar.store.words import WordsLayout
from diar.store.words import read_words as read_words_of_shard
from tests.commands import RATE, detect, extract, run_diar
from tests.conftest import named_weights

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("faster_whisper") is None, reason="words need faster-whisper"
)
TURNS = 6
OVERLAP = 1.0  # seconds that each turn begins before the other side's ends


@pytest.fixture(scope="module")
def call(campplus_dir: Path, segmentation_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("espeakng_loader", reason="speech synthesis needs espeakng-loader")
    voices = [next(voice for voice in VOICES if voice.name == name) for name in ("gustave", "iven")]
    turns = speak_all([(voices[number % 2], text) for number, text in enumerate(SENTENCES[:TURNS])])
    sides, at = np.zeros((2, 60 * RATE), np.float32), RATE // 2
    for number, turn in enumerate(turns):
        sides[number % 2, at : at + len(turn)] += turn
        at += len(turn) - round(OVERLAP * RATE)
    sides = 0.5 * sides[:, : at + 2 * RATE] / np.abs(sides).max()
    heard = sides + 0.05 * sides[::-1]  # crosstalk
    heard += 1e-4 * np.random.default_rng(0).standard_normal(heard.shape).astype(np.float32)
    folder = tmp_path_factory.mktemp("call")
    (folder / "audio").mkdir()
    sf.write(folder / "audio/call.wav", heard.T, RATE)
    models = ("--model_dir", campplus_dir, "--segmentation", segmentation_dir, "--speech", "segmentation")
    assert extract(folder / "audio", folder / "E", *models, "--channel", "each").returncode == 0
    assert detect(folder / "E", folder / "R", "--task", "turns").returncode == 0
    arguments = ("--asr", named_weights("whisper-tiny.en"), "--device", "cpu", "--beam_size", 1)
    done = run_diar(
        "words", "--embeddings_dir", folder / "E", "--result", folder / "R", *arguments, "--workers", 1,
        "--format", "json,ctm,stm,txt",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder


def letters(texts: list[str]) -> set[str]:
    return {"".join(c for c in text.lower() if c.isalpha()) for text in texts}


def test_each_side_has_its_own_words_and_speaker_also_where_both_talk(call: Path) -> None:
    found = read_recording_words(call / "R/recordings/call.wav/words.json")
    sides = [[word for word in found.words if word.channel == channel] for channel in (0, 1)]
    assert len(sides[0]) + len(sides[1]) == len(found.words)
    speakers = [{word.speaker for word in side} for side in sides]
    assert [len(names) for names in speakers] == [1, 1] and speakers[0] != speakers[1]
    said = [letters(" ".join(SENTENCES[channel:TURNS:2]).split()) for channel in (0, 1)]
    for channel, side in enumerate(sides):
        heard = letters([word.text for word in side])
        own, others = said[channel] - said[1 - channel], said[1 - channel] - said[channel]
        assert len(heard & own) > 0.5 * len(own)
        assert not {word for word in heard & others if len(word) > 4}, "a word of the other side"
    at_once = [(a, b) for a in sides[0] for b in sides[1] if min(a.end, b.end) - max(a.start, b.start) > 0.05]
    assert len(at_once) > 10  # both sides talk, and both are written
    assert found.language == "en"


def test_sentences_stay_whole_and_files_name_the_channel(call: Path) -> None:
    folder = call / "R/recordings/call.wav"
    paragraphs = [line for line in (folder / "transcript.txt").read_text().splitlines() if line]
    assert len(paragraphs) < 2 * TURNS
    for name in ("words.ctm", "words.stm"):
        (words,) = read_words(folder / name).recordings.values()
        assert {word.channel for word in words} == {0, 1}


def test_channels_of_imported_words_count_where_channels_are_apart(call: Path, tmp_path: Path) -> None:
    def imported(words: list[Word]) -> list[Word]:
        lines = [f"call.wav {w.channel + 1} {w.start} {w.end - w.start} {w.text}\n" for w in words]
        (tmp_path / "words.ctm").write_text("".join(lines))
        done = run_diar(
            "words", "--embeddings_dir", call / "E", "--words", tmp_path / "words.ctm", "--device", "cpu",
            "--overwrite", "--result", call / "R", "--format", "json", "--workers", 1,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return read_recording_words(call / "R/recordings/call.wav/words.json").words

    before = read_recording_words(call / "R/recordings/call.wav/words.json").words
    again = imported(list(before))
    for channel in (0, 1):  # words of both sides that begin within a millisecond may change places
        told, expected = ([w for w in words if w.channel == channel] for words in (again, before))
        assert [(w.text, w.speaker) for w in told] == [(w.text, w.speaker) for w in expected]
    unknown = imported([Word(w.start, w.end, w.text, channel=6) for w in before])
    assert {word.channel for word in unknown} == {MIXED}
    assert len({word.speaker for word in unknown}) == 2
    turns = json.loads((call / "R/recordings/call.wav/turns.json").read_text())
    assert {turn["channel"] for turn in turns["turns"]} == {0, 1}


def test_noise_and_echo_are_taken_away_before_the_recogniser(call: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="diar[enhance] is not installed")
    ignored = shutil.ignore_patterns("_words")
    shutil.copytree(call / "E", tmp_path / "E", ignore=ignored)
    asr = ("--asr", named_weights("whisper-tiny.en"), "--device", "cpu", "--beam_size", 1, "--workers", 1)
    words = ("words", "--embeddings_dir", tmp_path / "E", *asr)
    done = run_diar(*words, "--enhance", "gtcrn", "--aec")
    assert done.returncode == 0, done.stderr
    layout = WordsLayout(str(tmp_path / "E"))
    settings = json.loads(Path(layout.config).read_text())["settings"]
    assert settings["enhance"] == "gtcrn" and settings["aec"] is True
    heard = stored_words(tmp_path / "E")
    before = read_recording_words(call / "R/recordings/call.wav/words.json").words
    assert {word.channel for word in heard} == {0, 1} and len(heard) > 0.5 * len(before)
    assert [(w.text, w.start) for w in heard] != [(w.text, w.start) for w in before], "it heard the same"
    other = run_diar(*words, "--aec")
    assert other.returncode == 2 and "enhance: 'gtcrn' there, None now" in other.stderr
    assert "enhance" not in json.loads((call / "E/_words/config.json").read_text())["settings"]


def stored_words(embeddings: Path) -> list[Word]:
    layout = WordsLayout(str(embeddings))
    (shard,) = done_shards(layout)
    ((_, words),) = read_words_of_shard(layout, shard).values()
    return words
