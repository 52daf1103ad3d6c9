"""The whole way with real weights: spoken audio, two workers, both stages, score."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.commands import detect, extract, run_diar

RESULT = "speaker_boundary_detection_result.json"


@pytest.fixture(scope="module")
def demo(campplus_dir: Path, segmentation_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A synthesised archive with its embeddings: `audio`, `truth.csv`, `embeddings`."""
    folder = tmp_path_factory.mktemp("end-to-end") / "demo"
    made = run_diar("demo", folder, "--speakers", 4, "--files", 10)
    assert made.returncode == 0, made.stderr
    models = ("--model_dir", campplus_dir, "--segmentation", segmentation_dir)
    done = extract(folder / "audio", folder / "embeddings", *models, "--workers", 2)
    assert done.returncode == 0, done.stderr
    return folder


def score_of(truth: Path, result: Path) -> dict:
    scored = run_diar("score", "boundaries", "--truth", truth, "--result", result / RESULT, "--json")
    assert scored.returncode == 0, scored.stderr
    return json.loads(scored.stdout)


@pytest.mark.parametrize(
    "method",
    [
        (),
        ("--segment_size", 10, "--boundary_window", 5),
        ("--segment_size", 10, "--boundary_window", 5, "--use_gmm"),
    ],
    ids=["automatic", "cosine", "gmm"],
)
def test_every_method_finds_the_speakers_of_the_demo(demo: Path, tmp_path: Path, method: tuple) -> None:
    done = detect(demo / "embeddings", tmp_path / "result", *method)
    assert done.returncode == 0, done.stderr
    score = score_of(demo / "truth.csv", tmp_path / "result")
    assert score["boundaries"]["0"]["f1"] == 1.0
    assert score["purity"] == score["coverage"] == 1.0
    assert score["odd_files"]["f1"] == 1.0


def test_folders_json_table_and_plot_tell_the_same(demo: Path, tmp_path: Path) -> None:
    result = tmp_path / "result"
    assert detect(demo / "embeddings", result).returncode == 0
    written = json.loads((result / RESULT).read_text())
    assert written["summary"]["speakers"] == 4
    assert written["summary"]["segments"] == 5  # the first speaker returns
    audio = sorted((demo / "audio").rglob("*.wav"))
    placed = [path for path in result.rglob("*.wav") if path.is_symlink()]
    assert sorted(path.resolve() for path in placed) == [path.resolve() for path in audio]
    assert len((result / "files.csv").read_text().splitlines()) == 1 + len(audio)
    assert (result / "boundary_detection_visualization.png").read_bytes().startswith(b"\x89PNG")


def test_both_tasks_at_once(demo: Path, tmp_path: Path) -> None:
    result = tmp_path / "result"
    done = detect(demo / "embeddings", result, "--task", "all", "--reference", demo / "truth.rttm")
    assert done.returncode == 0, done.stderr
    assert score_of(demo / "truth.csv", result)["boundaries"]["0"]["f1"] == 1.0
    truth, found = demo / "truth.rttm", result / "all.rttm"
    scored = run_diar("score", "der", "--reference", truth, "--hypothesis", found, "--json")
    assert scored.returncode == 0, scored.stderr
    score = json.loads(scored.stdout)
    assert score["pooled"]["der"] < 0.12
    assert max(r["der"] for r in score["recordings"] if "conversation" in r["recording"]) < 0.25


@pytest.mark.slow
def test_real_speech_in_noise(
    shared_dir: Path, campplus_dir: Path, segmentation_dir: Path, tmp_path: Path
) -> None:
    maker = shared_dir / "tools" / "make_archive.py"
    options = [
        "--blocks",
        "12",
        "--size",
        "10",
        "--jitter",
        "3",
        "--piece",
        "1.5",
        "2.5",
        "--snr",
        "15",
        "--returning",
        "0.3",
        "--seed",
        "21",
    ]
    subprocess.run([sys.executable, str(maker), str(tmp_path / "archive"), *options], check=True)
    models = ("--model_dir", campplus_dir, "--segmentation", segmentation_dir)
    done = extract(tmp_path / "archive/audio", tmp_path / "embeddings", *models)
    assert done.returncode == 0, done.stderr
    assert detect(tmp_path / "embeddings", tmp_path / "result", "--place", "none").returncode == 0
    score = score_of(tmp_path / "archive/truth.csv", tmp_path / "result")
    assert score["boundaries"]["0"]["f1"] == 1.0
    assert score["purity"] >= 0.99
