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
    """Seconds, largest resident memory of one process and of all together (bytes), exit code, CPU seconds.

    CPU seconds are those that were seen: of a process that ends, those of its last 0.2 s are not.
    """

    seconds: float
    peak_process: int
    peak_total: int
    returncode: int
    cpu: float = 0.0


def measure(script: str, *arguments: object) -> Measured:
    """Run a script of the repository to its end; a shared page counts in each process that maps it."""
    start = time.perf_counter()
    process = subprocess.Popen([sys.executable, str(ROOT / script), *map(str, arguments)])
    peak_process = peak_total = 0
    used: dict[int, float] = {}  # CPU seconds by process
    while process.poll() is None:
        sizes = _resident(psutil.Process(process.pid), used)
        peak_process, peak_total = max(peak_process, *sizes, 0), max(peak_total, sum(sizes))
        time.sleep(0.2)
    return Measured(
        time.perf_counter() - start, peak_process, peak_total, process.returncode, sum(used.values())
    )


def _resident(root: psutil.Process, used: dict[int, float]) -> list[int]:
    sizes = [0]
    try:
        for process in [root, *root.children(recursive=True)]:
            sizes.append(process.memory_info().rss)
            times = process.cpu_times()
            used[process.pid] = times.user + times.system
    except psutil.NoSuchProcess:
        return sizes  # a process has just ended; the next look sees the others
    return sizes
