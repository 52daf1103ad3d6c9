"""The metrics of a run: stage 1, stage 2, words."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator

from diar.connectors.prometheus import families as names
from diar.connectors.prometheus.exposition import Told
from diar.connectors.prometheus.families import Family, Sample
from diar.errors import DiarError
from diar.jobs.progress.counters import STEPS
from diar.jobs.progress.snapshot import RankSnapshot, RunSnapshot
from diar.models.gpus import GpuState

_LOOP = {
    "compute": "compute_seconds",
    "wait_decode": "decode_wait_seconds",
    "wait_write": "write_wait_seconds",
}
_BY_RANK = {
    names.RUN_FINISHED: "files",
    names.RUN_FAILED: "failed",
    names.RUN_AUDIO: "audio_seconds",
    names.RUN_BYTES: "bytes",
    names.RUN_WORKING: "working_seconds",
}


class RunMetrics:
    """What a run tells of itself.

    Args:
        stage: `extract`, `detect` or `words`.
        started: when it began, seconds since the epoch.
        progress: returns how far it is.
        gpus: returns what GPUs do.
    """

    def __init__(
        self,
        stage: str,
        started: float,
        progress: Callable[[], RunSnapshot | None],
        gpus: Callable[[], list[GpuState]],
    ) -> None:
        self._stage, self._started = stage, started
        self._progress, self._gpus = progress, gpus
        self._last: RunSnapshot | None = None
        self._ended: Told = []
        self._result: Told = []

    def end(self, code: int, progress: Callable[[], RunSnapshot | None]) -> None:
        """Note the end; `progress` has not been asked before, so it answers with the last state."""
        self._progress = progress
        labels = (self._stage,)
        self._ended = [(names.RUN_END, [(labels, time.time())]), (names.RUN_EXIT, [(labels, float(code))])]

    def result(self, values: dict[str, list[Sample]]) -> None:
        """Note figures of the result, by name."""
        self._result += names.named(names.RESULT, values)

    def __call__(self) -> Told:
        """Return all samples of this moment."""
        told: Told = [(names.RUN_START, [((self._stage,), self._started)])]
        snapshot = self._newest()
        if snapshot is not None:
            told += self._of_run(snapshot)
        return [*told, *gpu_samples(self._gpus()), *self._result, *self._ended]

    def _newest(self) -> RunSnapshot | None:
        """Return how far the run is, or was when that could last be read."""
        with contextlib.suppress(OSError, DiarError):  # a store that is away; RUN_UPDATED shows the age
            self._last = self._progress() or self._last
        return self._last

    def _of_run(self, run: RunSnapshot) -> Iterator[tuple[Family, list[Sample]]]:
        whole = {
            names.RUN_RECORDINGS: run.recordings,
            names.RUN_DONE: run.done,
            names.RUN_PROGRESS: run.share,
        }
        for family, value in whole.items():
            yield family, [((self._stage,), float(value))]
        for family, counter in _BY_RANK.items():
            yield family, [(self._rank(one), float(getattr(one.counters, counter))) for one in run.ranks]
        yield names.RUN_DEVICE, [(self._rank(one), one.counters.device_seconds()) for one in run.ranks]
        yield names.RUN_UPDATED, [(self._rank(one), one.updated) for one in run.ranks]
        if self._stage != "detect":  # which has no such loop
            yield names.RUN_LOOP, list(self._split(run, _LOOP))
            yield names.RUN_STEPS, list(self._split(run, {step: f"{step}_step" for step in STEPS}))

    def _rank(self, one: RankSnapshot) -> tuple[str, str]:
        return self._stage, str(one.rank)

    def _split(self, run: RunSnapshot, counters: dict[str, str]) -> Iterator[Sample]:
        for one in run.ranks:
            for part, counter in counters.items():
                yield (*self._rank(one), part), float(getattr(one.counters, counter))


def gpu_samples(gpus: list[GpuState]) -> Told:
    """Return what GPUs do; nothing where there is none."""
    if not gpus:
        return []
    values: dict[Family, Callable[[GpuState], float]] = {
        names.GPU_USE: lambda gpu: gpu.utilization,
        names.GPU_USED: lambda gpu: gpu.used,
        names.GPU_TOTAL: lambda gpu: gpu.total,
    }
    return [(family, [((gpu.number,), value(gpu)) for gpu in gpus]) for family, value in values.items()]
