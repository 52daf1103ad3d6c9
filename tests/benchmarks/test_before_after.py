"""Paired runs of two checkouts: in turns, each on its own code, with the CPU time of orphaned workers."""

import re
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from tests.commands import run

STAGE_1 = """
import json, os, pathlib, subprocess, sys, time
out = pathlib.Path(sys.argv[sys.argv.index("--output_dir") + 1])
out.mkdir(parents=True)
time.sleep({seconds})
burn = "import time\\nwhile time.process_time() < 0.4: pass"
subprocess.Popen([sys.executable, "-S", "-c", burn])  # ends after us: nobody of ours waits for it
(out / "extraction_stats.json").write_text(json.dumps({{"this_run": {{"working_seconds": {seconds}}}}}))
with open({log!r}, "a") as log:
    print({name!r}, *sys.argv[5:], file=log)
"""
STAGE_2 = """
import pathlib, sys
out = pathlib.Path(sys.argv[sys.argv.index("--output_dir") + 1])
out.mkdir(parents=True)
(out / "talk.rttm").write_text("SPEAKER talk 1 0 {found} <NA> <NA> x <NA> <NA>\\n")
"""


def checkout(folder: Path, seconds: float, found: float, log: Path) -> Path:
    folder.mkdir()
    stage_1 = STAGE_1.format(seconds=seconds, name=folder.name, log=str(log))
    (folder / "extract_embeddings_multigpu.py").write_text(stage_1)
    (folder / "detect_boundaries.py").write_text(STAGE_2.format(found=found))
    return folder


def test_two_checkouts_in_turns(tmp_path: Path) -> None:
    log, ami = tmp_path / "log", tmp_path / "shared" / "data" / "ami"
    ami.mkdir(parents=True)
    for name in ("talk", "unused"):
        sf.write(ami / f"{name}.wav", np.zeros(32_000), 16_000)
        (ami / f"{name}.rttm").write_text(f"SPEAKER {name} 1 0 2 <NA> <NA> a <NA> <NA>\n")
    slow = checkout(tmp_path / "slow", 0.8, 1.5, log)
    fast = checkout(tmp_path / "fast", 0.4, 2.0, log)
    done = run(
        "benchmarks/before_after.py",
        *(slow, "--after", fast, "--shared", tmp_path / "shared", "--sets", "AMI", "--files", 1),
        *("--rounds", 2, "--extract_options", "--gpus", 0),
    )
    assert done.returncode == 0, done.stderr
    assert log.read_text().split("\n")[:-1] == ["slow", "fast --gpus 0", "fast --gpus 0", "slow"]
    rows = re.findall(r"^\| ([a-zC][^|]+) \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \(", done.stdout, re.MULTILINE)
    figures = {step: tuple(map(float, cells)) for step, *cells in rows}
    assert figures["stage 1, working"] == (0.8, 0.4, 2.0)
    assert figures["stage 1"][0] >= 0.8 and figures["stage 1"][1] >= 0.4
    assert min(figures["stage 1, CPU"][:2]) >= 0.4, "the worker that outlived its parent is counted"
    assert max(figures["stage 2, CPU"][:2]) < 0.4, "and not a second time"
    der = re.search(r"DER %: before ([\d.]+), after ([\d.]+)", done.stdout)
    assert der is not None
    assert [float(value) for value in der.groups()] == [pytest.approx(25), pytest.approx(0)]


def test_what_is_no_checkout_is_named(tmp_path: Path) -> None:
    done = run("benchmarks/before_after.py", tmp_path)
    assert done.returncode == 1
    assert f"{tmp_path} is no checkout" in done.stderr
