"""What GPUs do and hold, by nvidia-smi: of the whole GPU, whoever uses it; no PyTorch is needed."""

from __future__ import annotations

import csv
import shutil
import subprocess
import threading
import time
from dataclasses import dataclass

_QUERY = "index,utilization.gpu,memory.used,memory.total"
_MEBIBYTE = 2**20
_PATIENCE = 10.0  # seconds; a driver that hangs must not hold up a scrape for ever
_FRESH = 2.0  # seconds


@dataclass(frozen=True)
class GpuState:
    """One GPU: its number, the share of the last moment that it worked (NaN: not known), bytes of memory."""

    number: str
    utilization: float
    used: float
    total: float


class GpuWatch:
    """Asks nvidia-smi now and then, in a thread, as that takes up to seconds."""

    def __init__(self) -> None:
        self._program = shutil.which("nvidia-smi")
        self._states: list[GpuState] = []
        self._asked = -1e9
        self._lock = threading.Lock()

    def states(self) -> list[GpuState]:
        """Return what is known, at most some seconds old where somebody asks often; empty without a GPU."""
        if self._program is None:
            return []
        with self._lock:
            if time.monotonic() - self._asked > _FRESH:
                self._asked = time.monotonic()
                threading.Thread(target=self._ask, args=(self._program,), name="gpus", daemon=True).start()
            return self._states

    def refresh(self) -> None:
        """Ask now, and wait for the answer."""
        if self._program is not None:
            self._ask(self._program)

    def _ask(self, program: str) -> None:
        call = [program, f"--query-gpu={_QUERY}", "--format=csv,noheader,nounits"]
        try:
            done = subprocess.run(call, capture_output=True, text=True, timeout=_PATIENCE, check=True)
        except (OSError, subprocess.SubprocessError):
            self._states = []  # no driver: no samples, which a rule on absent metrics can see
            return
        self._states = parse_states(done.stdout)


def parse_states(text: str) -> list[GpuState]:
    """Return the GPUs in a table of nvidia-smi; what it calls `[N/A]` is NaN."""
    rows = [[cell.strip() for cell in row] for row in csv.reader(text.splitlines()) if row]
    return [
        GpuState(number, _number(share) / 100, _number(used) * _MEBIBYTE, _number(total) * _MEBIBYTE)
        for number, share, used, total in rows
    ]


def _number(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return float("nan")
