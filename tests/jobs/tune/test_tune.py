"""A tuning by the real command over made-up conversations."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from diar.cli import main
from diar.detect.clustering.iterative import IterativeSettings
from diar.formats.rttm import format_rttm
from diar.jobs.detect.config import DetectConfig
from diar.jobs.detect.settings import diarize_settings
from tests.commands import detect_here
from tests.detect.observations_sample import Conversation, converse, make_voices, write_store

VOICES = make_voices(4, 11)
TRIED = ("--tried", "min_duration_on=default,4", "clustering_threshold=default,0.05")


def talks() -> dict[str, Conversation]:
    return {
        f"day/{n}.wav": converse(VOICES[[n % 4, (n + 1) % 4]], 40.0, overlap=0.2, seed=n) for n in range(6)
    }


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tune")
    write_store(folder, talks())
    truth = "".join(format_rttm(talk.rttm(Path(name).stem)) for name, talk in talks().items())
    (folder / "truth.rttm").write_text(truth)
    return folder


def tune(root: Path, output: Path, *options: object) -> int:
    places = ("--embeddings_dir", root / "E", "--reference", root / "truth.rttm", "--output_dir", output)
    return main(["tune", *map(str, (*places, "--processes", 1, *options))])


def test_bad_settings_are_not_chosen_and_little_data_is_said(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tune(root, tmp_path / "T", *TRIED, "min_speakers=default,3", "max_speakers=default,2") == 0
    told = capsys.readouterr()
    assert "4 combinations left out: the values contradict each other" in told.err
    figures = json.loads((tmp_path / "T/tuning.json").read_text())
    assert figures["trials"] == 12 and figures["recordings"] == 6
    assert figures["chosen"] == {} and not figures["shown"]
    assert figures["held_out"] == pytest.approx(figures["default"])
    assert "little to learn from" in told.err and "keep them" in told.err
    assert f"detect --config {tmp_path / 'T/tuned.yaml'}" in told.out
    assert yaml.safe_load((tmp_path / "T/tuned.yaml").read_text()) == {"task": "turns"}


def test_a_bad_start_is_mended_and_the_file_gives_what_was_told(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Options that always hold are bad; a value that is tried undoes them."""
    fixed = tmp_path / "fixed.yaml"
    fixed.write_text("min_duration_on: 4\n")
    output = tmp_path / "T"
    tried = ("--tried", "min_duration_on=default,0.1", "--detect_config", fixed)
    assert tune(root, output, *tried) == 0
    figures = json.loads((output / "tuning.json").read_text())
    assert figures["chosen"]["min_duration_on"] == 0.1 and figures["shown"]
    assert figures["interval"][0] > 0 and figures["agreement"] == {"min_duration_on": 1.0}
    done = detect_here(root / "E", tmp_path / "R", "--config", output / "tuned.yaml", "--no_plot")
    assert done.returncode == 0, done.stderr
    capsys.readouterr()
    assert main(["score", "der", str(root / "truth.rttm"), str(tmp_path / "R"), "--json"]) == 0
    scored = json.loads(capsys.readouterr().out)["pooled"]["der"]
    assert scored == pytest.approx(figures["on_itself"], abs=1e-6)


def test_the_threshold_of_clustering_is_an_option_of_detect(root: Path, tmp_path: Path) -> None:
    options = ("--task", "turns", "--clustering_threshold", 0.7, "--no_plot")
    done = detect_here(root / "E", tmp_path / "R", *options)
    assert done.returncode == 0, done.stderr
    found = [json.loads(file.read_text()) for file in (tmp_path / "R").glob("**/turns.json")]
    assert [one["thresholds"]["clustering_threshold"] for one in found] == [0.7] * 6
    config = DetectConfig(embeddings_dir="E", output_dir="R", clustering_threshold=0.7)
    assert diarize_settings(config).clustering.iterative == IterativeSettings(threshold=0.7)
    with pytest.raises(ValueError, match="--clustering_threshold has no effect with --clustering ahc"):
        DetectConfig(embeddings_dir="E", output_dir="R", clustering="ahc", clustering_threshold=0.7)
    told = DetectConfig.model_fields["clustering_threshold"].description
    assert told is not None and told.endswith(f"default {IterativeSettings.threshold:g}")


def test_nonsense_is_refused(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for options, told in (
        (("--tried", "onsett=0.3"), "did you mean onset"),
        (("--folds", 1), "--folds"),
        (("--reference", tmp_path / "none.rttm"), "none.rttm"),
    ):
        assert tune(root, tmp_path / "T", *options) == 2
        assert told in capsys.readouterr().err
