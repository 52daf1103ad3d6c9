"""`diar words --words`: words that exist already; no recogniser is needed."""

import json
from pathlib import Path

import numpy as np
import pytest

from diar.formats.words.document import RecordingWords, read_recording_words
from diar.formats.words.table import FORMATS
from tests.archive.channels.calls import RATE, talk
from tests.archive.sounds import write_wav
from tests.commands import detect, extract, run_diar


@pytest.fixture(scope="module")
def archive(tiny_model_dir: Path, segmentation_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`E` and `R` of a call whose second side is silent, and two other recordings."""
    folder = tmp_path_factory.mktemp("imported")
    (folder / "audio").mkdir()
    said = talk()[: 12 * RATE]
    write_wav(folder / "audio/call.wav", np.stack([said, np.zeros_like(said)], axis=1))
    for name in ("a", "b"):
        write_wav(folder / f"audio/{name}.wav", said)
    models = ("--model_dir", tiny_model_dir, "--segmentation", segmentation_dir, "--speech", "segmentation")
    options = ("--channel", "each", "--workers", 1)
    assert extract(folder / "audio", folder / "E", *models, *options).returncode == 0
    assert detect(folder / "E", folder / "R", "--task", "turns").returncode == 0
    return folder


def whisper(language: str, *texts: str, **fields: object) -> str:
    """Whisper's JSON: words of half a second from second 2 on."""
    words = [{"word": t, "start": 2 + n / 2, "end": 2.5 + n / 2, **fields} for n, t in enumerate(texts)]
    return json.dumps(
        {"language": language, "segments": [{"start": 2, "end": 9, "text": "", "words": words}]}
    )


def words(archive: Path, place: Path, *arguments: object) -> tuple[int, str]:
    call = ("words", "--embeddings_dir", archive / "E", "--result", archive / "R", "--words", place)
    done = run_diar(*call, "--device", "cpu", "--workers", 1, "--overwrite", *arguments)
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stderr


def result(archive: Path, name: str) -> RecordingWords:
    return read_recording_words(archive / "R/recordings" / name / "words.json")


def files(archive: Path, name: str) -> set[str]:
    written = {one.file_name for one in FORMATS.values()} | {"words.js"}
    return {path.name for path in (archive / "R/recordings" / name).iterdir()} & written


def test_an_odd_file_costs_its_recording_and_files_of_earlier_runs_go(archive: Path, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(whisper("ja", "新しい", "iPhone", "です。"))
    (tmp_path / "b.json").write_text(whisper("English", "good", "morning"))
    (tmp_path / "call.ctm").write_text("call.wav A 2.0 0.5 hello 0.9\ncall.wav B 2.5 0.5 other\n")
    code, told = words(archive, tmp_path, "--format", "json,txt,vtt")
    assert code == 0 and "of an earlier run" not in told, told
    assert result(archive, "a.wav").language == "ja" and result(archive, "b.wav").language == "en"
    assert "新しいiPhoneです。" in (archive / "R/recordings/a.wav/transcript.txt").read_text("utf-8")
    call = result(archive, "call.wav")  # nobody speaks on its second side
    assert [(word.text, word.channel) for word in call.words] == [("hello", 0)]
    assert call.dropped.outside_speech == 1
    assert files(archive, "b.wav") == {"words.js", "words.json", "transcript.txt", "words.vtt"}

    (tmp_path / "b.json").write_text(whisper("en", "good", score=float("nan")))
    code, told = words(archive, tmp_path, "--format", "json", "--language", "th")
    assert code == 3
    assert "not written: b.wav:" in told and "probability nan" in told
    assert "7 files of an earlier run removed" in told
    assert files(archive, "b.wav") == set()
    assert files(archive, "a.wav") == {"words.js", "words.json"}
    assert result(archive, "a.wav").language == result(archive, "call.wav").language == "th"


def test_a_file_that_names_no_recording_and_no_language_are_refused(archive: Path, tmp_path: Path) -> None:
    (tmp_path / "one.json").write_text(whisper("en", "good"))
    code, told = words(archive, tmp_path / "one.json")
    assert code == 2 and "does not say which recording" in told
    code, told = words(archive, tmp_path, "--language", "nonsense")
    assert code == 2 and "no code of a language" in told
