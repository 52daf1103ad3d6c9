"""`detect --task files`, by the real command: silent files, several voices, options of the other task."""

import csv
import json
from pathlib import Path
from subprocess import CompletedProcess

import jsonschema
import numpy as np
import pytest

from diar.formats.result_json import from_json
from tests.commands import ROOT, detect_here
from tests.detect.observations_sample import Conversation, converse, make_voices, write_store

VOICES = make_voices(5, 11)
RESULT = "speaker_boundary_detection_result.json"
SCHEMA = json.loads((ROOT / "docs" / "result-schema.json").read_text(encoding="utf-8"))


def blocks(silent: str = "") -> dict[str, Conversation]:
    """Two people, eight files each; in `silent` nobody speaks."""
    return {
        name: Conversation(8.0, VOICES[[who]], [] if name == silent else [(0.2, 7.8, 0)])
        for who in (0, 1)
        for name in (f"{who}/{i:02}.wav" for i in range(8))
    }


def write_audio(root: Path, names: list[str]) -> None:
    for name in names:
        (root / "audio" / name).parent.mkdir(parents=True, exist_ok=True)
        (root / "audio" / name).write_bytes(b"audio")


def files(root: Path, *options: object, status: int = 0) -> CompletedProcess:
    done = detect_here(root / "E", root / "R", "--no_plot", *options)
    assert done.returncode == status, done.stderr
    return done


def test_a_file_without_speech_is_in_nobodys_folder(tmp_path: Path) -> None:
    silent = "1/03.wav"
    write_store(tmp_path, blocks(silent), known={silent: {"sound": "noise"}})
    write_audio(tmp_path, list(blocks()))
    done = files(tmp_path)
    assert "16 recordings, 0 without embedding, 1 without speech" in done.stdout
    assert (tmp_path / "R" / "no_speech" / silent).read_bytes() == b"audio"
    placed = {path.relative_to(tmp_path / "R").parts[0] for path in (tmp_path / "R").rglob("03.wav")}
    assert placed == {"speaker_001", "no_speech"}, "0/03.wav, and this one"
    document = json.loads((tmp_path / "R" / RESULT).read_text())
    jsonschema.validate(document, SCHEMA)
    reason = "no speech found: it sounds like noise"
    assert document["no_speech"] == [{"index": 11, "path": silent, "reason": reason}]
    assert document["summary"]["no_speech"] == 1
    assert [(s["start"], s["end"], s["count"]) for s in document["segments"]] == [(0, 8, 8), (8, 16, 7)]
    assert document["not_used"] == [] and document["odd_files"] == []
    with (tmp_path / "R" / "files.csv").open(newline="") as file:
        row = list(csv.DictReader(file))[11]
    assert (row["path"], row["segment"], row["speaker"], row["odd"]) == (silent, "", "", "no_speech")
    before = {key: value for key, value in document.items() if key != "no_speech"}
    assert from_json(json.dumps({**before, "schema_version": "1.0"}), "x").no_speech == []


def test_nothing_but_silence_is_refused(tmp_path: Path) -> None:
    write_store(tmp_path, {"a.wav": Conversation(20.0, VOICES[:1], [])})
    assert "none of 1 recording" in files(tmp_path, status=2).stderr
    assert not (tmp_path / "R").exists()


def test_several_voices_in_a_file_are_told(tmp_path: Path) -> None:
    alone = Conversation(60.0, VOICES[[4]], [(0.5, 30.0, 0), (31.0, 59.0, 0)])
    talks = {f"talk {i}.wav": converse(VOICES[[0, 1 + i % 3]], 60.0, seed=i) for i in range(4)}
    write_store(tmp_path / "talks", {"alone.wav": alone, **talks})
    done = files(tmp_path / "talks", "--place", "none")
    told = (
        "4 recordings seem to hold several voices (talk 0.wav, talk 1.wav, talk 2.wav, …), and --task files "
        "takes each file for one speaker's; --task turns tells who speaks when"
    )
    assert f"warning: {told}" in done.stdout
    assert told in json.loads((tmp_path / "talks" / "R" / RESULT).read_text())["warnings"]
    quiet = files(tmp_path / "talks", "--place", "none", "--task", "all", "--no_labels")
    assert "several voices" not in quiet.stdout

    write_store(tmp_path / "alone", {f"{i}.wav": alone for i in range(3)})
    assert "several voices" not in files(tmp_path / "alone", "--place", "none").stdout
    many = {f"{i:03}.wav": Conversation(12.0, VOICES[[4]], [(0.5, 11.0, 0)]) for i in range(40)}
    write_store(tmp_path / "many", {**many, "talk.wav": talks["talk 0.wav"]})
    told_of_many = files(tmp_path / "many", "--place", "none").stdout
    assert "several voices" not in told_of_many, "one in 41 may be chance"


@pytest.mark.parametrize(
    ("options", "yaml", "environment", "told"),
    [
        (["--num_speakers", "3"], "", {}, "--num_speakers (from flag): read by --task turns and all only"),
        (["--no_labels", "--task", "files"], "", {}, "--no_labels (from flag): read by --task turns"),
        (
            ["--task", "turns", "--segment_size", "9"],
            "",
            {},
            "--segment_size (from flag): read by --task files",
        ),
        ([], "", {"DIAR_DETECT_ONSET": "0.4"}, "DIAR_DETECT_ONSET (from environment): read by --task turns"),
        (
            [],
            "exclusive: true\npreset: general\n",
            {},
            "--exclusive, --preset (from YAML): read by --task turns",
        ),
    ],
)
def test_options_of_the_task_that_is_not_run_are_refused(
    options: list[str],
    yaml: str,
    environment: dict[str, str],
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from diar.cli import main

    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    if yaml:
        (tmp_path / "run.yaml").write_text(yaml)
        options = [*options, "--config", str(tmp_path / "run.yaml")]
    needed = ["--embeddings_dir", "E", "--output_dir", str(tmp_path / "R")]
    assert main(["detect", *needed, *options]) == 2
    error = capsys.readouterr().err
    assert told in error
    assert ("say which of the two is meant" in error) == ("--task" not in options)


@pytest.mark.parametrize("named_in", ["flag", "file"])
def test_a_yaml_file_may_hold_options_of_both_tasks_if_the_task_is_named(
    named_in: str, tmp_path: Path
) -> None:
    write_store(tmp_path, {"a.wav": converse(VOICES[[0, 1]], 60.0, seed=1)})
    task = "task: turns\n" if named_in == "file" else ""
    (tmp_path / "run.yaml").write_text(
        f"segment_size: 9\nnum_speakers: 1\nplace: none\nlabels: false\n{task}"
    )
    flags = () if named_in == "file" else ("--task", "turns")
    files(tmp_path, "--config", tmp_path / "run.yaml", *flags)
    document = json.loads((tmp_path / "R" / "recordings" / "a.wav" / "turns.json").read_text())
    assert len(document["speakers"]) == 1
    assert np.isclose(document["parameters"]["segment_size"], 9), "kept in the record, though nothing read it"


def test_all_of_an_archive_without_speech_are_turns_of_nobody(tmp_path: Path) -> None:
    write_store(tmp_path, {f"{i}.wav": Conversation(8.0, VOICES[:1], []) for i in range(3)})
    assert "none of 3 recordings" in files(tmp_path, status=2).stderr
    done = files(tmp_path, "--task", "all")
    assert "warning: no boundaries between files: none of 3 recordings" in done.stderr
    assert (tmp_path / "R/all.rttm").read_text() == ""
    assert "3 without speech, 0 failed" in done.stdout


def test_two_recordings_of_one_stem_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    write_store(tmp_path, blocks())
    done = files(tmp_path, "--task", "all", "--rttm_id", "stem", "--place", "none", status=2)
    assert "--rttm_id stem would call both 0/00.wav and 1/00.wav 00" in done.stderr
    assert not (tmp_path / "R" / RESULT).exists()
