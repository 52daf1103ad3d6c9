"""`--profile`: a few forward passes as a Chrome trace."""

from __future__ import annotations

import sys
import tempfile
from contextlib import nullcontext
from pathlib import Path
from types import TracebackType

import torch
from torch.profiler import ProfilerActivity, profile, record_function, schedule

from diar import storage
from diar.jobs.progress.counters import Counters
from diar.store.layout import Layout

# The first passes allocate memory and choose kernels; a few more bound the file to some megabytes
SKIPPED_PASSES, TRACED_PASSES = 4, 6


class Profiler:
    """Traces `TRACED_PASSES` forward passes of one rank after the first `SKIPPED_PASSES`, then stops.

    The trace shows the thread that entered the profiler, with the timed steps of the counters by name, and
    everything on the GPU. Use the profiler as a context around the rank's work, and call `step` after every
    forward pass. If not enabled, it does nothing.

    Args:
        enabled: whether `--profile` was given.
        layout: of the output; the trace goes to `layout.profile(rank)`.
        rank: of this process.
        device: it computes on.
        counters: of this rank; they name the steps in the trace.
    """

    def __init__(
        self, enabled: bool, layout: Layout, rank: int, device: torch.device, counters: Counters
    ) -> None:
        self._url = layout.profile(rank)
        self._counters = counters
        self._passes = 0
        self._profile: profile | None = None
        self._written = False
        if enabled:
            self._profile = profile(
                activities=_activities(device),
                schedule=schedule(wait=SKIPPED_PASSES - 1, warmup=1, active=TRACED_PASSES, repeat=1),
                on_trace_ready=self._write,
            )

    def __enter__(self) -> Profiler:
        if self._profile is not None:
            self._counters.annotate = record_function
            self._profile.__enter__()
        return self

    def step(self) -> None:
        """Note that a forward pass is over."""
        self._passes += 1
        if self._profile is not None:
            self._profile.step()
            if self._written:
                self._stop()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._profile is None:
            return
        self._stop()
        if not self._written:
            print(
                f"warning: --profile: {self._passes} forward passes in {self._url} are too few, as "
                f"{SKIPPED_PASSES} are skipped; profile a larger archive or set a smaller --batch_seconds",
                file=sys.stderr,
            )

    def _stop(self) -> None:
        if self._profile is not None:
            ended, self._profile = self._profile, None
            self._counters.annotate = nullcontext
            ended.__exit__(None, None, None)

    def _write(self, traced: profile) -> None:
        with tempfile.TemporaryDirectory(prefix="diar-") as folder:
            file = Path(folder, "trace.json.gz")
            traced.export_chrome_trace(str(file))
            storage.write_bytes_atomic(self._url, file.read_bytes())
        self._written = True


def _activities(device: torch.device) -> list[ProfilerActivity]:
    return [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if device.type == "cuda" else [])]
