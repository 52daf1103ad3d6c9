"""Predict how long stage 1 takes and what it costs from its real-time factor."""

from __future__ import annotations

import math
from dataclasses import dataclass

from diar.errors import DiarError

_MOST_WORKERS = 1_000_000


class CostError(DiarError):
    """A figure out of its range, a speed that cannot be measured, or a deadline that cannot be met."""


@dataclass(frozen=True)
class Job:
    """An amount of audio, and the speed of one worker: one GPU, or one process on the CPU.

    Attributes:
        rtf: real-time factor of one worker: seconds of work a second of audio, start-up excluded.
        audio_hours: L, of the whole archive.
        utilisation: U, the share of the paid time in which workers work; in (0, 1].
        longest_hours: of the longest recording, which only one worker can do; 0 = not known.
        startup_seconds: until work begins; 0 = not known.

    Raises:
        CostError: a figure is out of its range.
    """

    rtf: float
    audio_hours: float
    utilisation: float = 1.0
    longest_hours: float = 0.0
    startup_seconds: float = 0.0

    def __post_init__(self) -> None:
        _check("--utilisation", self.utilisation, 0 < self.utilisation <= 1, "above 0 and at most 1")
        _check("--rtf", self.rtf, self.rtf > 0, "above 0: seconds of work a second of audio")
        _check("--hours", self.audio_hours, self.audio_hours > 0, "above 0")

    def hours(self, workers: int) -> float:
        """Return wall-clock hours after start-up: `RTF × L / (workers × U)`, at least `least_hours`."""
        return max(self.rtf * self.audio_hours / (workers * self.utilisation), self.least_hours)

    @property
    def least_hours(self) -> float:
        """Return the hours that the longest recording takes, which more workers do not shorten."""
        return self.rtf * self.longest_hours / self.utilisation

    def workers_for(self, deadline_hours: float) -> int:
        """Return the fewest workers that need at most `deadline_hours` of wall clock, start-up included.

        Raises:
            CostError: no number of workers suffices, or `deadline_hours` is not above 0.
        """
        _check("--deadline", deadline_hours, deadline_hours > 0, "above 0, in hours")
        left = deadline_hours - self.startup_seconds / 3600
        deadline = f"--deadline {deadline_hours:g} h cannot be met"
        if left <= 0:
            raise CostError(f"{deadline}: start-up alone takes {self.startup_seconds:.0f} s")
        if self.least_hours > left:
            raise CostError(
                f"{deadline}: one worker needs {self.least_hours:.3g} h for the longest recording "
                f"({self.longest_hours:.3g} h); cut it (a NeMo manifest takes offset and duration), or wait"
            )
        needed = self.rtf * self.audio_hours / (left * self.utilisation)
        if needed > _MOST_WORKERS:
            raise CostError(f"{deadline}: it would take {needed:,.0f} workers")
        workers = max(1, math.ceil(needed))
        return workers if self.hours(workers) <= left else workers + 1  # because of rounding

    def cost_per_minute(self, price: float) -> float:
        """Return the cost of a minute of audio at `price` a worker and hour: `price × RTF / U / 60`."""
        _check("--price", price, price >= 0, "0 or more")
        return price * self.rtf / self.utilisation / 60

    def cost(self, workers: int, price: float) -> float:
        """Return the cost of the whole archive; all workers are paid until the last one is done."""
        return workers * self.hours(workers) * price


def _check(name: str, value: float, valid: bool, expected: str) -> None:
    if not (valid and math.isfinite(value)):
        raise CostError(f"{name} {value:g} must be {expected}")
