"""What nvidia-smi says is read as it is, also what it does not know."""

import math
import os
import time
from pathlib import Path

import pytest

from diar.models.gpus import GpuWatch, parse_states

TABLE = "0, 87, 61440, 81559\n1, [N/A], 0, 81559\n"  # of two H100, the second as in MIG mode


def test_the_table_is_read() -> None:
    first, second = parse_states(TABLE)
    assert (first.number, first.utilization, first.used) == ("0", 0.87, 61440 * 2**20)
    assert math.isnan(second.utilization) and second.total == 81559 * 2**20
    assert parse_states("") == []


def test_a_driver_that_fails_leaves_no_samples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\ncat {tmp_path}/table\n")
    program.chmod(0o755)
    (tmp_path / "table").write_text(TABLE)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    watch = GpuWatch()
    assert watch.states() == [], "it is asked in a thread"
    until = time.monotonic() + 20
    while not watch.states() and time.monotonic() < until:
        time.sleep(0.05)
    assert [state.number for state in watch.states()] == ["0", "1"]
    (tmp_path / "table").unlink()
    watch.refresh()
    assert watch.states() == []
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    assert GpuWatch().states() == []
