"""Seconds that the steps on a device take."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Protocol

import torch


class Meter(Protocol):
    """What counts the seconds of the steps.

    Attributes:
        annotate: makes the context in which a step runs; a profiler names the step by it.
    """

    annotate: Callable[[str], AbstractContextManager[object]]

    def timing(self, name: str) -> AbstractContextManager[None]:
        """Add the time spent inside to the counter `name`."""

    def add(self, name: str, amount: float) -> None:
        """Add to a counter, from any thread."""


class NoMeter:
    """Counts nothing."""

    def __init__(self) -> None:
        self.annotate: Callable[[str], AbstractContextManager[object]] = nullcontext

    def timing(self, name: str) -> AbstractContextManager[None]:
        """Do nothing."""
        return nullcontext()

    def add(self, name: str, amount: float) -> None:
        """Do nothing."""


class StepTimer:
    """Adds the time of steps to the counters of a meter: by the clock on the CPU, by events on a GPU.

    A GPU computes after the call has returned, so `settle` adds its times later.

    Args:
        meter: counts the seconds.
        device: where the steps run.
    """

    def __init__(self, meter: Meter, device: torch.device) -> None:
        self._meter = meter
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
        with self._meter.annotate(f"{name}_step"):
            yield
        end.record()
        self._open.append((name, start, end))

    def host_step(self, name: str) -> AbstractContextManager[None]:
        """Time what the host does inside as the step `name`."""
        return self._meter.timing(f"{name}_step")

    def settle(self) -> None:
        """Add the times of the steps that the GPU has finished."""
        while self._open and self._open[0][2].query():
            name, start, end = self._open.popleft()
            self._meter.add(f"{name}_step", start.elapsed_time(end) / 1000)
