"""The GPU benchmark runs whole, on the CPU at a small size: it must not fail first where time is dear."""

import json
from pathlib import Path

from tests.commands import run


def test_the_gpu_benchmark_runs_on_the_cpu(
    tiny_model_dir: Path, segmentation_dir: Path, shared_dir: Path, tmp_path: Path
) -> None:
    done = run(
        "benchmarks/gpu.py",
        *("--device", "cpu", "--small", "--json", tmp_path / "gpu.json", "--shared", shared_dir),
        *(
            "--model_dir",
            tiny_model_dir,
            "--segmentation",
            segmentation_dir,
            "--models",
            "campplus",
            "ResNet18",
        ),
        *("--kinds", "wav", "--precisions", "mixed", "--workers", 1, "--compiled", "ResNet18"),
    )
    assert done.returncode == 0, done.stderr
    figures = json.loads((tmp_path / "gpu.json").read_text())
    assert [(row["network"], row["compiled"]) for row in figures["networks"]] == [
        ("campplus", False),
        ("ResNet18", False),
        ("ResNet18", True),
        ("segmentation, windows", False),
    ]
    assert all(row["× real time"] > 0 for row in (*figures["networks"], *figures["stage 1"]))
    assert figures["stage 1"][0]["peak GB"] == 0.0, "there is no GPU"
    assert 0 < figures["DER"][0]["DER %"] < 100
