"""Who does what when in `diar diarize`, from the command to its end: one Markdown table, a row a step.

    python benchmarks/startup_timeline.py                    ten files of 30 s (AMI)
    python benchmarks/startup_timeline.py FILE … -- --workers 4

After `--` come options of `diar diarize`. Columns: the process; the step; when it begins and ends, in seconds
from the command; and the CPU seconds of its process meanwhile. Run it on an idle machine.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import startup_marks
from running import ROOT

SERVER, WORKER, STORE = "import torch", "work", "store"


class Step(NamedTuple):
    """One step of a process, in seconds since 1970, and in CPU seconds of the process."""

    process: int
    name: str
    begin: float
    end: float
    cpu: float


def main() -> None:
    """Run the command and print the table."""
    split = sys.argv.index("--") if "--" in sys.argv else len(sys.argv)
    audio, options = sys.argv[1:split], sys.argv[split + 1 :]
    if audio[:1] in (["-h"], ["--help"]):
        print(__doc__)
        return
    audio = audio or [str(file) for file in sorted((ROOT.parent / "shared/data/ami").glob("*.wav"))[:10]]
    start, steps, end = run(audio, options)
    print("| process | step | begins, s | ends, s | CPU, s |\n|---|---|---|---|---|")
    names = name_processes(steps)
    for step in sorted(steps, key=lambda step: step.begin):
        times = f"{step.begin - start:.2f} | {step.end - start:.2f} | {step.cpu:.2f}"
        print(f"| {names[step.process]} | {step.name} | {times} |")
    print(f"| | the command ends | | {end - start:.2f} | |")


def run(audio: list[str], options: list[str]) -> tuple[float, list[Step], float]:
    """Run `diar diarize`; return when it began, its steps, and when it ended."""
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        (work / "sitecustomize.py").write_text("import startup_marks\nstartup_marks.note_steps()\n")
        path = os.pathsep.join(map(str, (work, ROOT, Path(__file__).parent)))
        environment = {**os.environ, "PYTHONPATH": path, startup_marks.OUT: str(work / "steps")}
        command = [sys.executable, "-m", "diar", "diarize", *audio, "-o", str(work / "out"), *options]
        start = time.time()
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        end = time.time()
        if done.returncode:
            raise SystemExit(f"exit code {done.returncode}\n{done.stderr[-2000:]}")
        return start, read_steps(work / "steps"), end


def read_steps(file: Path) -> list[Step]:
    """Return the steps that startup_marks noted."""
    steps = []
    for line in file.read_text().splitlines():
        process, name, *numbers = line.split("\t")
        begin, end, cpu, cpu_end = map(float, numbers)
        steps.append(Step(int(process), name, begin, end, cpu_end - cpu))
    return steps


def name_processes(steps: list[Step]) -> dict[int, str]:
    """Tell the processes by what they do."""
    names = {step.process: "launcher" for step in steps}
    names.update({step.process: "server" for step in steps if step.name == SERVER})
    names.update({step.process: "store" for step in steps if step.name == STORE})
    workers = sorted({step.process for step in steps if step.name == WORKER})
    names.update({process: f"worker {number}" for number, process in enumerate(workers)})
    return names


if __name__ == "__main__":
    main()
