"""The report of `diar plan`, as a table and as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import diar
from diar.jobs.cost.prediction import CostError, Job
from diar.jobs.cost.speed import Speed
from diar.jobs.progress.bottleneck import describe_loop, remedy
from diar.wording import counted, duration, size, times


@dataclass(frozen=True)
class Archive:
    """The audio to be embedded.

    Attributes:
        hours: of audio.
        recordings: how many there are; 0 = not known.
        disk_bytes: estimated size of the embeddings.
        longest: id of the longest recording; "" = not known.
        longest_hours: duration of that recording.
    """

    hours: float
    recordings: int
    disk_bytes: float
    longest: str = ""
    longest_hours: float = 0.0


@dataclass(frozen=True)
class CostReport:
    """All figures of a plan.

    Attributes:
        archive: the audio to be embedded.
        job: its hours, and the speed of one worker.
        source: where the real-time factor comes from, in words.
        speed: as measured; None where the user gave the real-time factor.
        workers: numbers of workers whose time and cost are reported.
        price: of one worker and hour; None = not given.
        deadline: in hours; None = not given.
    """

    archive: Archive
    job: Job
    source: str
    speed: Speed | None
    workers: tuple[int, ...]
    price: float | None
    deadline: float | None

    @property
    def unit(self) -> str:
        """Return what a worker is called."""
        return "worker" if self.speed is not None and self.speed.device.startswith("cpu") else "GPU"

    def deadline_workers(self) -> tuple[int | None, str]:
        """Return (workers that meet the deadline, ""), or (None, why no number of workers does)."""
        assert self.deadline is not None
        try:
            return self.job.workers_for(self.deadline), ""
        except CostError as error:
            return None, str(error)

    def as_text(self) -> str:
        """Return the tables for the terminal."""
        blocks = [self._speed_lines(), self._step_lines(), self._archive_lines(), self._time_lines()]
        return "\n\n".join("\n".join(block) for block in blocks if block)

    def _speed_lines(self) -> list[str]:
        rtf = self.job.rtf
        found = f"RTF {rtf:.3g}: one {self.unit} works at {times(1 / rtf)} real time"
        lines = [f"speed      {found} ({self.source})"]
        if self.speed is None:
            return lines
        done, workers, bound = self.speed.counters, self.speed.workers, self.speed.bound_by
        return [
            *lines,
            f"measured   {duration(done.audio_seconds)} of audio in "
            f"{duration(done.working_seconds / workers)} on {self.speed.where}; "
            f"start-up {duration(self.speed.startup_seconds)} apart",
            f"time       {describe_loop(self.speed.loop)}",
            f"bound by   {bound}: {remedy(bound)}",
        ]

    def _step_lines(self) -> list[str]:
        if self.speed is None:
            return []
        rows = [(name, rtf) for name, rtf in self.speed.steps.items() if rtf]
        return [
            f"{'step':<10} {'RTF':>9} {'× real time':>12}",
            *(f"{name:<10} {rtf:9.2g} {_number(1 / rtf):>12}" for name, rtf in rows),
            "(steps run side by side, decoding and writing in several threads)",
        ]

    def _archive_lines(self) -> list[str]:
        archive = self.archive
        count = f"{counted(archive.recordings, 'recording')}, " if archive.recordings else ""
        disk = f"embeddings take about {size(archive.disk_bytes)}"
        lines = [f"archive    {count}about {_hours(archive.hours)} of audio; {disk}"]
        if archive.longest:
            lines.append(
                f"longest    {archive.longest}: {_hours(archive.longest_hours)}, "
                f"which take one {self.unit} {_hours(self.job.least_hours)}"
            )
        return lines

    def _time_lines(self) -> list[str]:
        units = f"{self.unit}s"
        lines = [f"{units:<10} {'wall clock':>10}"]
        for count in self.workers:
            lines.append(f"{count:<10,} {_hours(self.job.hours(count)):>10}")
        if self.price is not None:
            costs = ["cost", *(_number(self.job.cost(count, self.price)) for count in self.workers)]
            lines = [f"{line} {cost:>12}" for line, cost in zip(lines, costs, strict=True)]
            minute = f"{self.job.cost_per_minute(self.price):.3g} a minute of audio"
            lines.append(f"cost       {minute}, at {self.price:g} a {self.unit} and hour")
        lines.append(f"at work    {100 * self.job.utilisation:.3g} % of the time (--utilisation)")
        if self.deadline is not None:
            workers, why = self.deadline_workers()
            met = f"deadline   for {_hours(self.deadline)} it takes {counted(workers or 0, self.unit)}"
            lines.append(why if workers is None else met)
        return lines

    def as_json(self) -> dict[str, Any]:
        """Return all figures; those that are not known are None."""
        return {
            "diar": diar.__version__,
            "speed": self._speed_json(),
            "archive": {
                "audio_hours": self.archive.hours,
                "recordings": self.archive.recordings or None,
                "longest_recording": self.archive.longest or None,
                "longest_hours": self.archive.longest_hours or None,
                "disk_bytes": round(self.archive.disk_bytes),
            },
            "utilisation": self.job.utilisation,
            "price_per_hour": self.price,
            "cost_per_minute": None if self.price is None else self.job.cost_per_minute(self.price),
            "runs": [
                {
                    "workers": count,
                    "hours": self.job.hours(count),
                    "cost": None if self.price is None else self.job.cost(count, self.price),
                }
                for count in self.workers
            ],
            "deadline": None
            if self.deadline is None
            else {
                "hours": self.deadline,
                "workers": self.deadline_workers()[0],
                "error": self.deadline_workers()[1] or None,
            },
        }

    def _speed_json(self) -> dict[str, Any]:
        known: dict[str, Any] = {
            "rtf": self.job.rtf,
            "times_real_time": 1 / self.job.rtf,
            "source": self.source,
        }
        if self.speed is None:
            return known
        return {
            **known,
            "device": self.speed.device,
            "workers": self.speed.workers,
            "startup_seconds": self.speed.startup_seconds,
            "audio_seconds": self.speed.counters.audio_seconds,
            "steps": self.speed.steps,
            "loop": self.speed.loop,
            "bound_by": self.speed.bound_by,
        }


def _hours(hours: float) -> str:
    return duration(hours * 3600)


def _number(value: float) -> str:
    """Format a number as `12,345`, `27.78` or `0.00123`."""
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.2f}" if value >= 1 else f"{value:.3g}"
