"""The real-time factor of a run of stage 1, in all and by step."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from diar import storage
from diar.jobs.cost.prediction import CostError
from diar.jobs.progress.bottleneck import find_bound, loop_shares
from diar.jobs.progress.counters import Counters
from diar.store.layout import Layout


@dataclass(frozen=True)
class Speed:
    """The speed of one GPU, on the CPU of one worker, measured on several.

    Attributes:
        counters: of all workers together.
        workers: how many there were.
        device: of one of them.
        sharing: workers on each GPU; 1 on the CPU.
        startup_seconds: until work began.
    """

    counters: Counters
    workers: int
    device: str
    startup_seconds: float
    sharing: int = 1

    @property
    def rtf(self) -> float:
        """Return the seconds that a GPU, or a worker, needs for a second of audio, start-up excluded."""
        return self.counters.working_seconds / self.sharing / self.counters.audio_seconds

    @property
    def where(self) -> str:
        """Return the devices in words."""
        shared = f", {self.sharing} workers on each" if self.sharing > 1 else ""
        return f"{self.workers // self.sharing} × {self.device}{shared}"

    @property
    def steps(self) -> dict[str, float]:
        """Return seconds a second of audio by step; steps overlap, so their sum is not `rtf`."""
        return {
            name: seconds / self.counters.audio_seconds for name, seconds in self.counters.steps().items()
        }

    @property
    def loop(self) -> dict[str, float]:
        """Return the shares of the working time: `compute`, `wait_decode`, `wait_write`, `other`."""
        return loop_shares(self.counters)

    @property
    def bound_by(self) -> str:
        """Say what the work waits for most, start-up excluded."""
        return find_bound(self.counters, startup_seconds=0.0)


@dataclass(frozen=True)
class FinishedRun:
    """The last run of an `extraction_stats.json`."""

    speed: Speed
    recordings: int
    audio_hours: float


def read_finished_run(path: str) -> FinishedRun:
    """Read an `extraction_stats.json`, or the one in a stage 1 output.

    Raises:
        CostError: there is none, or it says nothing of the speed.
    """
    file = path if path.endswith(".json") else Layout(path).statistics
    if not storage.exists(file):
        raise CostError(f"--stats {path}: {file} does not exist; give an extraction_stats.json of stage 1")
    try:
        statistics = json.loads(storage.read_bytes(file))
        run: dict[str, Any] = statistics["this_run"]
        counters = Counters.total(Counters.of(rank) for rank in run["ranks"])
        first = run["ranks"][0]
        sharing = first.get("ranks_on_device", 1)
        speed = Speed(counters, len(run["ranks"]), first["device"], run["startup_seconds"], sharing)
        found = FinishedRun(speed, statistics["recordings"]["planned"], statistics["audio_hours"])
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise CostError(
            f"{file} does not tell where the time went ({type(error).__name__}: {error}); it is no "
            "extraction_stats.json, or of an earlier version: extract again, or measure with --input_dir"
        ) from None
    if not (counters.audio_seconds and counters.working_seconds):
        raise CostError(
            f"{file}: its last run computed nothing, because all was done; measure with --input_dir instead"
        )
    return found
