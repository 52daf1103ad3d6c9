"""Run commands, and measure time and memory of their whole process tree."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Measured:
    """Wall-clock seconds, largest resident memory of one process and of all together (bytes), exit code."""

    seconds: float
    peak_process: int
    peak_total: int
    returncode: int


def measure(script: str, *arguments: object) -> Measured:
    """Run a script of the repository to its end; a shared page counts in each process that maps it."""
    start = time.perf_counter()
    process = subprocess.Popen([sys.executable, str(ROOT / script), *map(str, arguments)])
    peak_process = peak_total = 0
    while process.poll() is None:
        sizes = _resident(psutil.Process(process.pid))
        peak_process, peak_total = max(peak_process, *sizes, 0), max(peak_total, sum(sizes))
        time.sleep(0.2)
    return Measured(time.perf_counter() - start, peak_process, peak_total, process.returncode)


def _resident(root: psutil.Process) -> list[int]:
    sizes = [0]
    try:
        for process in [root, *root.children(recursive=True)]:
            sizes.append(process.memory_info().rss)
    except psutil.NoSuchProcess:
        return sizes  # a process has just ended; the next look sees the others
    return sizes
