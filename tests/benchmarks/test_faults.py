"""The fault table: faults reach the real command, and what is lost would be counted."""

from pathlib import Path

import pytest

from diar.store.layout import Layout
from tests.commands import extract, run, write_archive

faults = pytest.importorskip("faults")


def test_a_row_a_fault_with_codes_and_what_was_told(tiny_model_dir: Path, tmp_path: Path) -> None:
    archive = write_archive(tmp_path / "archive", [1.0 + number % 3 for number in range(60)])
    options = ("--", "--model_dir", tiny_model_dir, "--segmentation", "none")
    done = run(
        "benchmarks/faults.py", "--archive", archive, "--trials", 1, "--only", "fifo,sigterm", *options
    )
    assert done.returncode == 0, done.stdout + done.stderr
    rows = {line.split(" | ")[0].lstrip("| "): line for line in done.stdout.splitlines() if "|" in line}
    assert rows["fifo"].startswith("| fifo | a pipe among the recordings | 1 | 0 | 0 | 0 | 3 |")
    assert rows["sigterm"].startswith("| sigterm | SIGTERM to the launcher, 20 s of grace | 1 | 0 | 0 | 0 | ")


def test_what_is_lost_is_counted(tiny_model_dir: Path, tmp_path: Path) -> None:
    archive = write_archive(tmp_path / "archive", [1.0] * 4)
    options = ("--model_dir", tiny_model_dir, "--workers", 1)
    for name in ("whole", "out"):
        assert extract(archive, tmp_path / name, *options).returncode == 0
    assert faults.compare(tmp_path / "whole", tmp_path / "out") == 0
    lost, swapped = (Path(Layout(str(tmp_path / "out")).tracks(f"part_{n}/{n}.wav")) for n in (0, 1))
    (archive / "part_0/0.wav").write_text("no audio")
    assert extract(archive, tmp_path / "out", *options).returncode == 3
    assert not lost.exists()
    assert faults.compare(tmp_path / "whole", tmp_path / "out") == 1
    assert swapped.exists()
