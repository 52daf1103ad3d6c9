"""How long stage 1 takes and what it costs, from its real-time factor."""

from __future__ import annotations

import math
from dataclasses import dataclass

from diar.errors import DiarError

_MOST_WORKERS = 1_000_000


class CostError(DiarError):
    """A figure that makes no sense, or a deadline that cannot be met."""


@dataclass(frozen=True)
class Job:
    """An amount of audio, and the speed at which one worker (one GPU, or one process on the CPU) does it.

    Attributes:
        rtf: real-time factor of one worker: seconds of work a second of audio, start-up excluded.
        audio_hours: L, all the audio.
        utilisation: U, the share of the paid time in which workers work; in (0, 1].
        longest_hours: of the longest recording, which one worker does alone; 0 = not known.
        startup_seconds: before any work begins; 0 = not known.

    Raises:
        CostError: a figure is not in its range.
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
        """Hours of wall clock after start-up: `RTF × L / (workers × U)`, and at least `least_hours`."""
        return max(self.rtf * self.audio_hours / (workers * self.utilisation), self.least_hours)

    @property
    def least_hours(self) -> float:
        """Hours that the longest recording takes, however many workers there are."""
        return self.rtf * self.longest_hours / self.utilisation

    def workers_for(self, deadline_hours: float) -> int:
        """The fewest workers that are done in `deadline_hours` of wall clock, start-up included.

        Raises:
            CostError: no number of workers is, or `deadline_hours` is not above 0.
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
            raise CostError(f"{deadline}: it would take {needed:.3g} workers")
        workers = max(1, math.ceil(needed))
        return workers if self.hours(workers) <= left else workers + 1  # of rounding

    def cost_per_minute(self, price: float) -> float:
        """Cost of a minute of audio at `price` a worker and hour: `price × RTF / U / 60`."""
        _check("--price", price, price >= 0, "0 or more")
        return price * self.rtf / self.utilisation / 60

    def cost(self, workers: int, price: float) -> float:
        """Of everything: all workers are paid until the last is done."""
        return workers * self.hours(workers) * price


def _check(name: str, value: float, valid: bool, expected: str) -> None:
    if not (valid and math.isfinite(value)):
        raise CostError(f"{name} {value:g} must be {expected}")
