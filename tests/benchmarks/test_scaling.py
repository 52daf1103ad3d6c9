"""Benchmarks at a small size, through their whole code path."""

import re

from tests.commands import run


def test_scaling_runs_the_real_pipeline_with_a_stand_in_encoder() -> None:
    small = ("--files", 60, "--median", 10, "--longest_hours", 0.05, "--times_real_time", 400)
    done = run("benchmarks/scaling.py", *small, "--workers", 2)
    assert done.returncode == 0, done.stderr
    assert "60 recordings embedded, 0 failed" in done.stderr
    row = re.search(r"\| 2 \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) % \| ([\d.]+) % \|", done.stdout)
    assert row is not None, done.stdout
    startup, ideal, measured, efficiency, by_plan = map(float, row.groups())
    assert startup > 0
    assert measured > 0.9 * ideal, "the stand-in takes its time"
    assert 10 < efficiency < 105
    assert 70 < by_plan <= 100
