"""How long the steps on a device take."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import torch

from diar.jobs.progress.counters import Counters


class StepTimer:
    """Adds the time of steps to the counters: by the clock, on a GPU by events in its own queue.

    A GPU computes after the call has returned, so its times are added later, by `settle`.

    Args:
        counters: of this rank.
        device: where the steps run.
    """

    def __init__(self, counters: Counters, device: torch.device) -> None:
        self._counters = counters
        self._on_gpu = device.type == "cuda"
        self._open: deque[tuple[str, torch.cuda.Event, torch.cuda.Event]] = deque()

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time what is launched inside as the step `name`."""
        if not self._on_gpu:
            with self.host_step(name):
                yield
            return
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        with self._counters.annotate(f"{name}_step"):
            yield
        end.record()
        self._open.append((name, start, end))

    def host_step(self, name: str) -> AbstractContextManager[None]:
        """Time what the host does inside as the step `name`."""
        return self._counters.timing(f"{name}_step")

    def settle(self) -> None:
        """Add the times of what the GPU has finished."""
        while self._open and self._open[0][2].query():
            name, start, end = self._open.popleft()
            self._counters.add(f"{name}_step", start.elapsed_time(end) / 1000)
