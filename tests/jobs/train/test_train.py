"""A PLDA model by the real command, and stage 2 with it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from diar.cli import main
from diar.detect.clustering.plda import read_plda
from diar.formats.rttm import format_rttm
from tests.commands import detect_here
from tests.detect.observations_sample import Conversation, converse, make_voices, write_store

VOICES = make_voices(12, 3)


def monologues() -> dict[str, Conversation]:
    return {
        f"person{who}/{number}.wav": Conversation(12.0, VOICES[[who]], [(0.2, 11.8, 0)])
        for who in range(12)
        for number in range(2)
    }


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("train")
    write_store(folder, {**monologues(), "talk.wav": converse(VOICES[:2], 40.0, seed=1)})
    (folder / "talk.rttm").write_text(format_rttm(converse(VOICES[:2], 40.0, seed=1).rttm("talk")))
    return folder


def train(root: Path, output: Path, *options: object) -> int:
    places = ("--embeddings_dir", root / "E", "--output_file", output)
    return main(["train", "plda", *map(str, (*places, *options))])


def test_a_model_of_folders_clusters(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "models/plda.npz"
    assert train(root, file, "--speakers", "folder", "--dimensions", 8) == 0
    told, card = capsys.readouterr(), json.loads(file.with_suffix(".json").read_text())
    assert "on speakers not trained on: cosine 0.00 %" in told.out and "24 recordings" not in told.err
    assert (card["speakers"], card["recordings"], card["dimensions"]) == (12, 24, 8)
    assert card["calibration"] is None and "not calibrated" in told.out  # twelve pairs of recordings
    assert card["encoder"]["model"] and read_plda(file).psi.shape == (8,)
    done = detect_here(
        root / "E", tmp_path / "R", "--task", "turns", "--clustering", "vbx", "--plda", file, "--no_plot"
    )
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "R/recordings/talk.wav/turns.json").read_text())
    assert len(found["speakers"]) == 2 and found["clustering"]["method"] == "vbx"


def test_labels_may_be_turns_or_a_table(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(root, tmp_path / "t.npz", "--turns", root / "talk.rttm") == 0
    assert "ten are needed" in capsys.readouterr().out
    card = json.loads((tmp_path / "t.json").read_text())
    assert card["speakers"] == 2 and card["recordings"] == 1 and card["speakers_not_trained_on"] is None
    table = tmp_path / "labels.csv"
    table.write_text("person0/0.wav,ann\nperson0/1.wav,ann\nperson1/0.wav,bob\n")
    assert train(root, tmp_path / "c.npz", "--speakers", table) == 0
    assert json.loads((tmp_path / "c.json").read_text())["speakers"] == 2


def test_a_label_of_a_recording_that_is_not_there_is_told(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "labels.csv"
    table.write_text("person0/0.wav,ann\nperson1/0.wav,bob\nperson99/0.wav,eve\n")
    assert train(root, tmp_path / "c.npz", "--speakers", table) == 3
    assert "person99/0.wav is left out: the archive has no such recording" in capsys.readouterr().err
    assert json.loads((tmp_path / "c.json").read_text())["recordings_left_out"] == 1


def test_nonsense_is_refused(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = tmp_path / "bad.csv"
    bad.write_text("only one cell\n")
    other = tmp_path / "other.csv"
    other.write_text("nobody.wav,ann\n")
    one = tmp_path / "one.csv"
    one.write_text("person0/0.wav,ann\n")
    for options, told in (
        ((), "--speakers or --turns"),
        (("--speakers", bad), "line 1"),
        (("--speakers", other), "about other recordings"),
        (("--speakers", tmp_path / "none.csv"), "cannot be read"),
        (("--speakers", "manifest"), "labels none"),
        (("--speakers", one), "too few"),
    ):
        assert train(root, tmp_path / "x.npz", *options) == 2
        assert told in capsys.readouterr().err
    assert not (tmp_path / "x.npz").exists()
    assert main(["train", "lda"]) == 2 and "plda" in capsys.readouterr().err
