"""The start of commands: both checkouts, warm and without compiled modules, imports named."""

import re
from pathlib import Path

import numpy as np
import soundfile as sf

from tests.commands import run


def test_two_checkouts_are_measured_cold_and_warm(tmp_path: Path) -> None:
    heavy = tmp_path / "before"
    (heavy / "diar").mkdir(parents=True)
    (heavy / "diar" / "__init__.py").write_text("import time, decimal\ntime.sleep(0.5)\n")
    sf.write(tmp_path / "a.wav", np.zeros(16_000), 16_000)
    options = ("--commands", "import", "--cold", "pyc", "--rounds", 1, "--audio", tmp_path / "a.wav")
    done = run("benchmarks/startup.py", *options, "--against", heavy)
    assert done.returncode == 0, done.stderr
    number = r"([\d.]+)"
    warm, cold = re.findall(
        rf"^\| import diar \| ([a-z. ]+) \| {number} \| {number} \| {number} \| {number} \|",
        done.stdout,
        re.M,
    )
    assert (warm[0], cold[0]) == ("warm", "no .pyc")
    assert float(warm[1]) > 0.5 and float(warm[1]) > float(warm[2])
    assert float(cold[3]) > float(warm[3]), "compiling takes time"
    assert float(warm[1]) > float(warm[3]) > 0, "CPU seconds: sleeping takes none"
    before, after = re.search(r"before: (.*); after: (.*) \|", done.stdout).groups()
    assert before.startswith("diar 0.5") and "diar 0.5" not in after
