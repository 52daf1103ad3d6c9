"""How far each rank is: a small file that the rank rewrites about once a second, and that others read."""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from types import TracebackType
from typing import Any

from diar import storage
from diar.errors import StoreUnavailable, explain
from diar.jobs.progress.counters import Counters, Totals
from diar.jobs.progress.display import Display
from diar.store.layout import Layout
from diar.store.parquet import StoreError, parsing

_LOCAL_INTERVAL, _REMOTE_INTERVAL = 1.0, 15.0  # seconds between writes; a remote store bills each


@dataclass(frozen=True)
class RankProgress:
    """What a rank tells of itself; times are seconds since the epoch."""

    run_id: str  # tells this run's files from an earlier one's
    rank: int
    world_size: int
    host: str
    pid: int
    started: float  # to work, be it before the rank died and was started again
    totals: Totals
    updated: float
    counters: Counters

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> RankProgress:
        """Return what the JSON object of a progress file says."""
        known = {field.name: record[field.name] for field in fields(cls)}
        parts = {"totals": Totals(**record["totals"]), "counters": Counters(**record["counters"])}
        return cls(**{**known, **parts})

    def record(self) -> dict[str, Any]:
        """Return the JSON object of a progress file."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {**values, "totals": asdict(self.totals), "counters": self.counters.figures()}


def read_ranks(layout: Layout) -> list[RankProgress]:
    """Return the progress of the newest run's ranks, by rank; empty before the first run.

    Raises:
        StoreError: a file is damaged.
    """
    folder = storage.join(layout.private, "progress")
    names = sorted(name for name in storage.list_names(folder) if name.endswith(".json"))
    with parsing(folder, "ask again"):
        records = [json.loads(storage.read_bytes(storage.join(folder, name))) for name in names]
        newest = max((record["started"], record["run_id"]) for record in records) if records else None
        return [
            RankProgress.of(record)
            for record in records
            if newest is not None and record["run_id"] == newest[1]
        ]


class ProgressReporter:
    """Writes the counters of this rank about once a second; the first of a machine also shows the sum of all.

    Args:
        layout: of the output.
        run_id: tells this run's files from an earlier one's.
        rank: of this process.
        world_size: number of ranks.
        totals: of the job.
        counters: of this rank, changed elsewhere.
        started: when this rank began to work, be it before it died and was started again; seconds since the
            epoch.
        shown: whether the sum is shown on the terminal.
    """

    def __init__(
        self,
        layout: Layout,
        run_id: str,
        rank: int,
        world_size: int,
        totals: Totals,
        counters: Counters,
        started: float,
        *,
        shown: bool | None = None,
    ) -> None:
        self._layout, self._counters = layout, counters
        host, pid = socket.gethostname(), os.getpid()
        self._progress = RankProgress(
            run_id, rank, world_size, host, pid, started, totals, started, counters.snapshot()
        )
        self._warned = False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="progress", daemon=True)
        self._display = (
            Display(totals, time.time() - started) if (rank == 0 if shown is None else shown) else None
        )

    def __enter__(self) -> ProgressReporter:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        self._report()
        if self._display:
            self._display.close()

    def _run(self) -> None:
        local = storage.local_path(self._layout.root) is not None
        while not self._stop.wait(_LOCAL_INTERVAL if local else _REMOTE_INTERVAL):
            self._report()

    def _report(self) -> None:
        now = replace(self._progress, updated=time.time(), counters=self._counters.snapshot())
        try:
            content = json.dumps(now.record()).encode()
            storage.write_bytes_atomic(self._layout.progress(now.rank), content)
            if self._display:
                ranks = read_ranks(self._layout)
                self._display.show(Counters.total(rank.counters for rank in ranks))
        except (OSError, StoreError, StoreUnavailable) as error:  # a full disk, say; the work reports it
            if not self._warned:
                told = f"warning: progress cannot be written: {explain(error)}"
                print(told, file=sys.stderr, flush=True)
            self._warned = True
