"""`diar words` on the demo: what was said, by whom; interrupted, resumed, refused."""

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import pytest

from diar.formats.words.document import read_recording_words
from diar.formats.words.table import FORMATS
from diar.store.reader import done_shards
from diar.store.words import WordsLayout, read_words
from tests.commands import clean_environment, detect, extract, run_diar
from tests.conftest import named_weights
from tests.connectors.prometheus.test_runs import samples

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("faster_whisper") is None, reason="words need faster-whisper"
)
ASR = ("--device", "cpu", "--beam_size", 1, "--batch", 1)


@pytest.fixture(scope="module")
def asr() -> Path:
    return named_weights("whisper-tiny.en")


@pytest.fixture(scope="module")
def demo(campplus_dir: Path, segmentation_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A conversation and eight short files: `audio`, `E`, `R`, and the true words."""
    pytest.importorskip("espeakng_loader", reason="speech synthesis needs espeakng-loader")
    folder = tmp_path_factory.mktemp("words") / "demo"
    made = run_diar("demo", folder, "--speakers", 2, "--files", 8)
    assert made.returncode == 0, made.stderr
    for path in sorted((folder / "audio").rglob("*.wav")):
        if "conversation" not in path.name and int(path.stem) >= 6:
            path.unlink()
    (folder / "audio/broken.wav").write_bytes(b"RIFF not a wave file")
    models = ("--model_dir", campplus_dir, "--segmentation", segmentation_dir, "--speech", "segmentation")
    assert extract(folder / "audio", folder / "E", *models).returncode == 3
    assert detect(folder / "E", folder / "R", "--task", "turns").returncode == 3
    return folder


@pytest.fixture(scope="module")
def recognised(demo: Path, asr: Path) -> subprocess.CompletedProcess:
    formats = ",".join(FORMATS)
    return run_diar(
        "words",
        "--embeddings_dir",
        demo / "E",
        "--result",
        demo / "R",
        "--asr",
        asr,
        *ASR,
        "--format",
        formats,
        "--metrics_file",
        demo / "words.prom",
    )


def conversation(demo: Path) -> Path:
    (folder,) = (demo / "R/recordings").rglob("*_conversation.wav")
    return folder


def words_of(embeddings: Path) -> dict:
    layout = WordsLayout(str(embeddings))
    return {
        recording: own
        for shard in done_shards(layout)
        for recording, own in read_words(layout, shard).items()
    }


def test_the_words_are_recognised_and_belong_to_their_speakers(
    demo: Path, recognised: subprocess.CompletedProcess
) -> None:
    assert recognised.returncode == 3, recognised.stderr  # broken.wav
    assert "1 failed" in recognised.stderr
    assert "broken.wav" in recognised.stderr
    found = read_recording_words(conversation(demo) / "words.json")
    name = found.recording_id
    said = [
        item for item in json.loads((demo / "truth.seglst.json").read_text()) if item["session_id"] == name
    ]
    true = " ".join(item["words"] for item in said).lower().split()
    assert 0.7 * len(true) < len(found.words) < 1.3 * len(true)
    assert set(true) & {word.text.lower() for word in found.words}
    assert all(word.speaker for word in found.words)
    assert len(found.speakers) == 2
    assert found.language == "en"
    assert found.recogniser.sha256 is not None


def test_the_run_is_told_as_metrics(demo: Path, recognised: subprocess.CompletedProcess) -> None:
    told = samples((demo / "words.prom").read_text())
    assert told['diar_run_exit_code{stage="words"}'] == recognised.returncode
    recordings = told['diar_run_recordings{stage="words"}']
    assert recordings == told['diar_run_recordings_done{stage="words"}'] == len(words_of(demo / "E"))
    failed = [value for name, value in told.items() if name.startswith("diar_run_recordings_failed_total")]
    assert sum(failed) == 1
    assert sum(value for name, value in told.items() if name.startswith("diar_run_audio_seconds_total")) > 0


def test_every_format_is_written_for_every_recording_with_turns(
    demo: Path, recognised: subprocess.CompletedProcess
) -> None:
    assert recognised.returncode == 3
    for folder in (path.parent for path in (demo / "R/recordings").rglob("turns.json")):
        for one in FORMATS.values():
            assert (folder / one.file_name).is_file()


@pytest.mark.slow
def test_killed_and_resumed_it_gives_the_same_words_and_recognises_none_twice(
    demo: Path, asr: Path, recognised: subprocess.CompletedProcess, tmp_path: Path
) -> None:
    embeddings = tmp_path / "E"
    shutil.copytree(demo / "E", embeddings, ignore=shutil.ignore_patterns("_words"))
    call = ["words", "--embeddings_dir", embeddings, "--asr", asr, *ASR, "--workers", 1]
    command = [sys.executable, "-m", "diar", *map(str, call)]
    environment = clean_environment()
    partial = embeddings / "_words/partial"
    kept: dict[Path, int] = {}  # what is recognised, by inode: a second time would be another file
    for _ in range(2):
        process = subprocess.Popen(
            command,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        deadline = time.monotonic() + 120
        while len(list(partial.rglob("*.json"))) <= len(kept) and time.monotonic() < deadline:
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        now = {path: path.stat().st_ino for path in partial.rglob("*.json")}
        assert len(now) > len(kept)
        assert {path: now[path] for path in kept} == kept
        kept = now
    told = run_diar("status", embeddings, "--words")
    assert told.returncode == 1
    assert f"stopped before the end: 0 of {len(words_of(demo / 'E'))} recordings are done" in told.stdout
    assert f"diar words --embeddings_dir {embeddings} …" in told.stdout
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 3, done.stderr
    assert not list(partial.rglob("*.json"))
    figures, before = (
        json.loads((one / "_words/words_stats.json").read_text())["this_run"]["batches"]
        for one in (embeddings, demo / "E")
    )
    assert figures["resumed"] == len(kept)
    assert figures["resumed"] + figures["recognised"] == before["recognised"]
    shards = [sorted((one / "_words/shards").iterdir()) for one in (embeddings, demo / "E")]
    assert [file.read_bytes() for file in shards[0]] == [file.read_bytes() for file in shards[1]]


@pytest.mark.slow
def test_asked_to_stop_it_keeps_its_batches_and_joined_ones_do_the_rest(
    demo: Path, asr: Path, recognised: subprocess.CompletedProcess, tmp_path: Path
) -> None:
    embeddings = tmp_path / "E"
    shutil.copytree(demo / "E", embeddings, ignore=shutil.ignore_patterns("_words"))
    call = ["words", "--embeddings_dir", embeddings, "--asr", asr, *ASR, "--workers", 1, "--join"]
    command = [sys.executable, "-m", "diar", *map(str, call)]
    quiet = {"env": clean_environment(), "stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    stopped = subprocess.Popen([*command, "--grace", "2"], text=True, **quiet)
    deadline = time.monotonic() + 120
    while not list(embeddings.rglob("_words/partial/*/*.json")) and time.monotonic() < deadline:
        time.sleep(0.02)
    stopped.terminate()
    _, errors = stopped.communicate(timeout=600)
    assert stopped.returncode == 75, errors
    tasks = [subprocess.Popen(command, text=True, **quiet) for _ in range(2)]
    told = [task.communicate(timeout=600)[1] for task in tasks]
    assert [task.returncode for task in tasks] == [3, 3], told
    assert words_of(embeddings) == words_of(demo / "E")


@pytest.mark.slow
def test_true_words_in_place_of_a_recogniser_have_no_errors_but_those_of_speakers(
    demo: Path, tmp_path: Path
) -> None:
    embeddings, result = tmp_path / "E", tmp_path / "R"
    shutil.copytree(demo / "E", embeddings, ignore=shutil.ignore_patterns("_words"))
    shutil.copytree(demo / "R", result, symlinks=True)
    words = ("--words", demo / "truth.seglst.json", "--device", "cpu", "--workers", 1, "--format", "json,vtt")
    done = run_diar("words", "--embeddings_dir", embeddings, "--result", result, *words)
    assert done.returncode == 3, done.stderr  # broken.wav
    scored = run_diar("score", "words", demo / "truth.seglst.json", result, "--json")
    figures = {one["recording"]: one for one in json.loads(scored.stdout)["recordings"]}
    name = read_recording_words(conversation(demo) / "words.json").recording_id
    assert figures[name]["errors"] <= 3  # words that lie in a pause
    assert figures[name]["wder"] < 0.1
    by_clauses = changes(result)
    more = ("--speaker_change", 0)
    done = run_diar("words", "--embeddings_dir", embeddings, "--result", result, *words, *more)
    assert done.returncode == 3, done.stderr
    assert changes(result) > by_clauses
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "part_0").mkdir()
    for vtt in (result / "recordings").rglob("words.vtt"):
        shutil.copy(vtt, (folder / "part_0" / vtt.parent.name).with_suffix(".vtt"))
    again = run_diar(
        "words", "--embeddings_dir", embeddings, "--words", folder, "--device", "cpu", "--overwrite"
    )
    assert again.returncode == 3, again.stderr
    found = len(words_of(embeddings)[name][1])
    assert (
        0.96 * figures[name]["hypothesis"] < found <= figures[name]["hypothesis"]
    )  # cues of overlap come late


def changes(result: Path) -> int:
    """Count the words whose speaker is not that of the word before."""
    found = [read_recording_words(file).words for file in (result / "recordings").rglob("words.json")]
    return sum(a.speaker != b.speaker for words in found for a, b in pairwise(words))


def test_another_recogniser_is_refused_and_nothing_left_is_said(
    demo: Path, asr: Path, recognised: subprocess.CompletedProcess
) -> None:
    call = ("words", "--embeddings_dir", demo / "E", "--asr", asr, *ASR)
    other = run_diar(*call, "--beam_size", 2)
    assert other.returncode == 2
    assert "holds other words" in other.stderr
    assert "Traceback" not in other.stderr
    dry = run_diar(*call, "--dry_run")
    assert dry.returncode == 0
    assert "0 shards left" in dry.stdout
    told = run_diar("status", demo / "E", "--words", "--failures")
    assert told.returncode == 3
    recordings = len(words_of(demo / "E"))
    assert f": finished: {recordings} of {recordings} recordings are done, 1 failed; " in told.stdout
    assert "broken.wav" in told.stdout
    assert "words by " in run_diar("status", demo / "E").stdout
    figures = json.loads((demo / "E/_words/words_stats.json").read_text())
    assert figures["languages"] == {"en": recordings - 1}
    assert sum(figures["this_run"]["loop"].values()) == pytest.approx(1)


def test_what_cannot_be_done_is_said(demo: Path, asr: Path, tmp_path: Path) -> None:
    cases = [
        (("--embeddings_dir", tmp_path), "stage 1"),
        (("--embeddings_dir", demo / "E", "--asr", tmp_path), "model.bin"),
        (("--embeddings_dir", demo / "E", "--asr", asr, "--language", "de"), "knows en; leave it out"),
        (("--embeddings_dir", demo / "E", "--format", "docx"), "formats are"),
        (("--embeddings_dir", demo / "E", "--format", "srt"), "no effect without --result"),
        (("--embeddings_dir", demo / "E", "--speaker_change", 0), "no effect without --result"),
        (("--embeddings_dir", demo / "E", "--words", tmp_path, "--aec"), "no effect with --words"),
        (("--embeddings_dir", demo / "E", "--words", tmp_path, "--beam_size", 2), "no effect with --words"),
    ]
    for arguments, told in cases:
        done = run_diar("words", *arguments)
        assert done.returncode == 2, done.stderr
        assert told in done.stderr
        assert "Traceback" not in done.stderr
