"""Run the real commands and the peers, and measure their time."""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import json
import math
import os
import re
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# What torch, oneDNN and MKL read when they are imported
ISAS = {
    "avx2": {
        "ATEN_CPU_CAPABILITY": "avx2",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "MKL_ENABLE_INSTRUCTIONS": "AVX2",
    }
}
ROOT = Path(__file__).resolve().parent.parent
_PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
DONE = (0, 3)  # exit codes of a stage that came to its end; 3: some recordings failed
_STAGES = ("--extract_options", "--options")


@dataclass(frozen=True)
class Run:
    """What a command printed, and its wall-clock and CPU seconds, those of its workers included."""

    output: str
    seconds: float
    cpu_seconds: float


def timed(*arguments: object, root: Path = ROOT, allowed: Sequence[int] = DONE) -> Run:
    """Run Python with `arguments` on the checkout `root`. SystemExit for another exit code."""
    command = [sys.executable, *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    adopt_orphans()
    start, cpu = time.perf_counter(), children_seconds()
    done = subprocess.run(command, cwd=root, env=environment, stdout=subprocess.PIPE, text=True, check=False)
    seconds = time.perf_counter() - start
    run = Run(done.stdout, seconds, children_seconds() - cpu)
    if done.returncode not in allowed:
        raise SystemExit(f"exit code {done.returncode}: {' '.join(command)}")
    return run


def adopt_orphans() -> None:
    """Become the parent of orphans: nobody else would wait for workers whose parent has ended."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def children_seconds() -> float:
    """Return the CPU seconds of all ended children; NaN where orphans cannot be adopted."""
    if sys.platform != "linux":
        return math.nan
    with contextlib.suppress(ChildProcessError):  # no child is left
        while True:
            os.waitpid(-1, 0)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def call(*arguments: object, root: Path = ROOT, allowed: Sequence[int] = DONE) -> str:
    """Run Python as `timed` does; return its standard output."""
    return timed(*arguments, root=root, allowed=allowed).output


def extract(
    audio: Path,
    embeddings: Path,
    options: Sequence[object] = (),
    root: Path = ROOT,
    allowed: Sequence[int] = DONE,
) -> Run:
    """Run stage 1."""
    files = ("--input_dir", audio, "--output_dir", embeddings)
    script = root / "extract_embeddings_multigpu.py"
    return timed(script, *files, *options, root=root, allowed=allowed)


def detect(
    embeddings: Path,
    result: Path,
    options: Sequence[object] = (),
    root: Path = ROOT,
    allowed: Sequence[int] = DONE,
) -> Run:
    """Run stage 2."""
    files = ("--embeddings_dir", embeddings, "--output_dir", result)
    return timed(root / "detect_boundaries.py", *files, *options, root=root, allowed=allowed)


def run_peer(python: Path, script: Path, audio: Path, out: Path) -> dict[str, float]:
    """Run a script of the shared folder's `bench/`; return the seconds that it reports, and its own."""
    start = time.perf_counter()
    done = subprocess.run([python, script, audio, out], capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - start
    said = re.search(r"s of audio in ([0-9.]+) s", done.stdout)
    if done.returncode or said is None:
        raise SystemExit(f"{script} failed:\n{done.stdout}{done.stderr}")
    return {"pipeline": float(said[1]), "commands": seconds}


def score_der(
    reference: Path, hypothesis: Path, uem: Path | None = None, collar: float = 0.0
) -> dict[str, Any]:
    """Return what `diar score der` says, overlap scored, of whole recordings or what the UEM names."""
    within = () if uem is None else ("--uem", uem)
    files = ("--reference", reference, "--hypothesis", hypothesis, "--collar", collar, *within)
    score: dict[str, Any] = json.loads(call("-m", "diar", "score", "der", "--json", *files))
    return score


def error_rate(reference: Path, hypothesis: Path, uem: Path | None = None) -> float:
    """Return DER in percent, pooled over all recordings, with collar 0."""
    return 100 * float(score_der(reference, hypothesis, uem)["pooled"]["der"])


def add_stage_options(parser: argparse.ArgumentParser, whose: str = "") -> None:
    """Declare `--extract_options …` and `--options …`; each takes everything up to the other."""
    for flag, stage in zip(_STAGES, ("extract_embeddings_multigpu.py", "detect_boundaries.py"), strict=True):
        parser.add_argument(
            flag,
            nargs=argparse.REMAINDER,
            default=[],
            metavar="OPTION",
            help=f"for {stage}{whose}; at the end",
        )


def parse_arguments(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> argparse.Namespace:
    """Parse the options of both stages; argparse alone would give those of the second to the first."""
    starts = sorted(arguments.index(flag) for flag in _STAGES if flag in arguments)
    edges = [*starts, len(arguments)]
    parsed = parser.parse_args(arguments[: edges[0]])
    for start, end in zip(starts, edges[1:], strict=True):
        setattr(parsed, arguments[start].removeprefix("--"), list(arguments[start + 1 : end]))
    return parsed
