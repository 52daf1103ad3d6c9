"""The soak of live.py: delays and memory of a server over an hour.

Memory is the median of thirty looks at each process in a part of the time. A pass of a network takes tens of
MiB for a moment, so a median has a few MiB of chance; the least that each process had, added up, is what it
keeps.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import numpy as np
from live_server import Served

LOOKS = 30  # at the memory in each part of the time
COLUMNS = (
    *("minutes", "memory, MiB", "of the service", "of its processes", "least"),
    *("mean turn latency, s", "mean wait, s", "RTF", "streams"),
)
FULL = 22.0  # minutes after which all is full that is kept of the latest 20 at most (decision 085)


def soak(served: Served, given: Any, play: Callable[[], Awaitable[Sequence[Any]]]) -> None:
    """Play for long; print delays and memory of each part of the time, then the slope.

    Args:
        served: the server that is measured.
        given: options of live.py.
        play: all streams, to their end; returns what each was told.
    """
    started, points = time.monotonic(), list[tuple[float, ...]]()
    part = max(60.0, given.soak * 60 / 12)

    async def watch() -> None:
        while True:
            before, looks = served.metrics(), []
            while len(looks) < LOOKS:
                await asyncio.sleep(part / LOOKS)
                looks.append([resident / 2**20 for resident in served.memory()])
            after, minutes = served.metrics(), (time.monotonic() - started) / 60
            memory, least = (of(looks, axis=0).tolist() for of in (np.median, np.min))
            points.append(((minutes - part / 120) / 60, sum(memory), sum(least)))
            print(soak_row(minutes, memory, least, before, after), flush=True)

    async def all_of_it() -> Sequence[Any]:
        watching = asyncio.create_task(watch())
        told = await play()
        watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watching
        return told

    print(f"| {' | '.join(COLUMNS)} |\n{'|---' * len(COLUMNS)}|")
    told = asyncio.run(all_of_it())
    settled_at = min(FULL, given.soak / 2)
    settled = [point for point in points if 60 * point[0] >= settled_at]
    lost = sum(one.reconnections + len(one.problems) for one in told)
    print(
        f"\nmemory, MiB/h a stream after minute {settled_at:.0f}, with standard error: "
        f"{slope(settled, 1, given)}; by the least of each part {slope(settled, 2, given)}; "
        f"connections lost or refused: {lost}"
    )


def slope(points: list[tuple[float, ...]], column: int, given: Any) -> str:
    """Return by how much a column of (hours, MiB, …) grows, with standard error; "–" with too few points."""
    if len(points) <= 3:
        return "–"
    hours, memory = ([point[one] for point in points] for one in (0, column))
    line, covariance = np.polyfit(hours, memory, 1, cov=True)
    return f"{line[0] / given.streams:.2f} ± {covariance[0, 0] ** 0.5 / given.streams:.2f}"


def soak_row(
    minutes: float,
    memory: list[float],
    least: list[float],
    before: dict[str, float],
    after: dict[str, float],
) -> str:
    """Return a line of the soak's table."""

    def mean(name: str) -> float:
        count = after[f"{name}_count"] - before[f"{name}_count"]
        return (after[f"{name}_sum"] - before[f"{name}_sum"]) / count if count else np.nan

    values = (mean("diar_turn_latency_seconds"), mean("diar_queue_seconds"), mean("diar_rtf"))
    shown = " | ".join(f"{value:.2f}" for value in values)
    processes = ", ".join(f"{one:.0f}" for one in memory[1:])
    own = f"{sum(memory):.0f} | {memory[0]:.0f} | {processes} | {sum(least):.0f}"
    return f"| {minutes:.0f} | {own} | {shown} | {after['diar_streams_active']:.0f} |"
