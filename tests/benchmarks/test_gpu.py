"""The GPU benchmark runs whole, on the CPU at a small size: it must not fail first where time is dear."""

import json
from pathlib import Path

from tests.commands import run


def test_the_gpu_benchmark_runs_on_the_cpu(
    tiny_model_dir: Path, segmentation_dir: Path, shared_dir: Path, tmp_path: Path
) -> None:
    models = ("--model_dir", tiny_model_dir, "--models", "campplus", "ResNet18")
    segmentation = ("--segmentation", segmentation_dir, "--second_segmentation", segmentation_dir)
    audio = ("--audio", shared_dir / "data/ami", "--labelled", shared_dir / "data/ami")
    done = run(
        "benchmarks/gpu.py",
        *("--device", "cpu", "--small", "--json", tmp_path / "gpu.json"),
        *(*models, *segmentation, *audio),
        *("--kinds", "wav", "--precisions", "mixed", "--workers", 1),
    )
    assert done.returncode == 0, done.stderr
    figures = json.loads((tmp_path / "gpu.json").read_text())
    parts = [row["part"] for row in figures["networks"]]
    assert parts == ["segmentation", "detector", "fbank", "trunk campplus", "trunk ResNet18"]
    assert all(row["× real time"] > 0 for row in (*figures["networks"], *figures["stage 1"]))
    assert figures["stage 1"][0]["peak GB"] == 0.0, "there is no GPU"
    assert 0 < figures["labelled"][0]["DER %"] < 100


def test_a_budget_that_is_used_up_ends_the_benchmark_cleanly(
    tiny_model_dir: Path, segmentation_dir: Path, tmp_path: Path
) -> None:
    done = run(
        "benchmarks/gpu.py",
        *("--device", "cpu", "--budget", 1, "--json", tmp_path / "gpu.json"),
        *("--model_dir", tiny_model_dir, "--models", "campplus", "--segmentation", segmentation_dir),
        *("--kinds", "wav", "--precisions", "fp32", "--workers", 1),
    )
    assert done.returncode == 0, done.stderr
    figures = json.loads((tmp_path / "gpu.json").read_text())
    assert "networks" not in figures
    assert "stage 1 with campplus from wav in auto, 1 workers" in figures["left out"]
