"""The published segmentation network is early, and `lead_seconds` is by how much: on real speech."""

from pathlib import Path

import numpy as np

from tests.commands import run


def measured(shared_dir: Path, segmentation_dir: Path, *options: object) -> tuple[np.ndarray, np.ndarray]:
    """Errors of beginnings, and mean errors of beginnings and ends, in ms for each fifth of a window."""
    done = run(
        "benchmarks/segmentation_timing.py",
        *("--shared", shared_dir, "--segmentation", segmentation_dir, "--window_seconds", 10),
        *("--simulate", "--seed 3 --set 3:500 4:500", *options),
    )
    assert done.returncode == 0, done.stderr
    *_, beginnings, _, both, _ = done.stdout.splitlines()[-1].split("|")
    return np.array(beginnings.split(), float), np.array(both.split(), float)


def test_the_published_network_is_aligned(shared_dir: Path, segmentation_dir: Path) -> None:
    raw, raw_both = measured(shared_dir, segmentation_dir, "--lead_seconds", 0, 0)
    assert raw[-1] <= -40, "early at the end of a window …"
    assert raw[0] - raw[-1] >= 20, "… and more so than at its start"
    aligned, aligned_both = measured(shared_dir, segmentation_dir)
    assert np.abs(aligned).max() <= 20
    assert abs(aligned_both.mean()) <= 15 < -raw_both.mean()
