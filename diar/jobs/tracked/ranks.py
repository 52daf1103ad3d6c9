"""A run of ranks as a tracking server sees it: what the ranks tell in their progress files, added up.

The ranks know nothing of the server: whoever has started them reads their files.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from diar import storage
from diar.errors import EXIT_FAILURES, EXIT_OK, DiarError
from diar.options.tracking import TrackedConfig
from diar.store.layout import Layout

if TYPE_CHECKING:
    from diar.connectors.mlflow.tracking import Tracking

Figures = dict[str, float]


def run_tracked_ranks(config: TrackedConfig, command: str, layout: Layout, work: Callable[[], int]) -> int:
    """Do the work of a run, tell the tracking server of it if there is one, and return its exit code.

    Of ranks that torchrun has started, the first tells.

    Args:
        config: the command's options.
        command: its name.
        layout: of the run's output.
        work: returns the exit code.
    """
    if config.mlflow is None or os.environ.get("RANK", "0") != "0":
        return work()
    from diar.connectors.mlflow.tracking import run_tracked

    def tracked(tracking: Tracking) -> int:
        begun = time.time()
        tracking.watch(ReadFigures(layout, begun))
        code = work()
        if code in (EXIT_OK, EXIT_FAILURES):
            _tell_end(tracking, layout)
        return code

    return run_tracked(config, command, tracked, tell_on_stderr)


class ReadFigures:
    """Reads what the ranks have done: so far, and × real time and busy share since it was last asked.

    Args:
        layout: of the run's output.
        begun: when the run began, seconds since the epoch; files of an earlier run are not meant.
    """

    def __init__(self, layout: Layout, begun: float) -> None:
        self._layout, self._begun = layout, begun
        self._before: tuple[float, Figures] = (begun, {})

    def __call__(self) -> Figures:
        """Return the figures; empty as long as no rank has told any."""
        from diar.jobs.progress.counters import Counters
        from diar.jobs.progress.display import count_finished
        from diar.jobs.progress.reporter import read_ranks

        try:
            ranks = [rank for rank in read_ranks(self._layout) if rank.updated >= self._begun]
        except (OSError, DiarError):  # of a network drive, say; the next time will do
            return {}
        if not ranks:
            return {}
        total = Counters.total(rank.counters for rank in ranks)
        totals, now = ranks[0].totals, max(rank.updated for rank in ranks)
        sums = {
            "audio": total.audio_seconds,
            "busy": total.device_seconds(),
            "working": total.working_seconds,
        }
        return {
            "recordings": float(count_finished(totals, total)),
            "recordings_planned": float(totals.files),
            "failures": float(total.failed),
            "audio_hours": total.audio_seconds / 3600,
            "ranks": float(len(ranks)),
            **self._rates(now, sums),
        }

    def _rates(self, now: float, sums: Figures) -> Figures:
        """Return the rates since the last time, if time has passed."""
        then, before = self._before
        passed = now - then
        if passed <= 0:
            return {}
        self._before = now, sums
        new = {name: value - before.get(name, 0.0) for name, value in sums.items()}
        rates = {"times_real_time": new["audio"] / passed}
        return {**rates, "busy_share": new["busy"] / new["working"]} if new["working"] > 0 else rates


def _tell_end(tracking: Tracking, layout: Layout) -> None:
    """Tell the figures of the whole run, and what made the embeddings, as its statistics have them."""
    data = storage.read_bytes(layout.statistics)
    statistics = json.loads(data)
    run, recordings = statistics["this_run"], statistics["recordings"]
    busy = [rank["busy_share"] for rank in run["ranks"]]
    figures = {
        "run.times_real_time": run["times_real_time"],
        "run.busy_share": sum(busy) / len(busy),
        "run.startup_seconds": run["startup_seconds"],
        "recordings_ok": recordings["ok"],
        "failures_of_all_runs": recordings["failed"],
        **{name: statistics[name] for name in ("audio_hours", "tracks", "words") if name in statistics},
        **{f"failures.{kind}": count for kind, count in recordings["failed_by_kind"].items()},
    }
    tracking.figures({name: float(value) for name, value in figures.items()})
    tracking.parameters({f"of.{name}": value for name, value in statistics.get("model", {}).items()})
    tracking.artifacts([(layout.statistics.rpartition("/")[2], data)])


def tell_on_stderr(text: str) -> None:
    """Show a line of the tracker, which comes from its thread."""
    print(text, file=sys.stderr, flush=True)
