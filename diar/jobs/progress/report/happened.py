"""What the event logs tell on the page of an extraction: starts, stops, deaths, failures, retries."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from diar.formats.html.elements import pairs_table, paragraph, table_place
from diar.formats.html.tables import Column, DataTable
from diar.jobs.progress.events import DONE, RETRY, START, STOP

_MOST_ROWS = 2_000  # the latest; the files have all


@dataclass
class Happened:
    """The events of all ranks, added up.

    Attributes:
        counts: events of each kind.
        again: starts of a worker that had died, within one run.
        silent: starts without a stop before the rank's next start, those at work included.
        twice: recordings that were published more than once.
        rows: all events but the recordings that were done, by time.
    """

    counts: Counter[str] = field(default_factory=Counter)
    again: int = 0
    silent: int = 0
    twice: int = 0
    rows: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def of(cls, events: Iterable[dict[str, Any]]) -> Happened:
        """Add up events, which come rank by rank."""
        made, times = cls(), Counter[str]()
        for event in events:
            made.counts[event.get("event", "")] += 1
            if event.get("event") == DONE:
                times[str(event.get("recording"))] += 1
            else:
                made.rows.append(event)
        made.twice = sum(count > 1 for count in times.values())
        made.rows.sort(key=lambda event: event["time"])
        made._follow_ranks()
        return made

    def _follow_ranks(self) -> None:
        at_work: dict[int, Any] = {}  # run, by rank
        runs: defaultdict[int, set[Any]] = defaultdict(set)
        for event in self.rows:
            rank, run = event["rank"], event.get("run")
            if event.get("event") == START:
                self.silent += rank in at_work
                self.again += run in runs[rank]
                at_work[rank] = run
                runs[rank].add(run)
            elif event.get("event") == STOP:
                at_work.pop(rank, None)
        self.silent += len(at_work)

    def section(self, running: bool) -> str:
        """Return the section of the page."""
        if not self.counts:
            return paragraph("There is no event log: it is kept on local disks, not on object stores.")
        silent = f"{self.silent:,}" + (" (those at work included)" if running else "")
        figures = [
            ("starts of ranks", f"{self.counts[START]:,}"),
            ("ended by themselves", f"{self.counts[STOP]:,}"),
            ("ended without a word: killed, or their machine was lost", silent),
            ("started again within a run", f"{self.again:,}"),
            ("retries with less memory", f"{self.counts[RETRY]:,}"),
            ("recordings published more than once", f"{self.twice:,}"),
        ]
        return pairs_table("Ranks", figures) + table_place("events")

    def table(self) -> DataTable:
        """Return the latest events."""
        rows = self.rows[-_MOST_ROWS:]
        columns = [
            Column("time", "text", [_clock(row["time"]) for row in rows]),
            Column("rank", "choice", [str(row["rank"]) for row in rows]),
            Column("event", "choice", [str(row.get("event", "")) for row in rows]),
            Column("what", "text", [_what(row) for row in rows]),
        ]
        return DataTable("events", "event", "events", columns)


def _what(row: dict[str, Any]) -> str:
    """Return what an event says besides its time, rank and kind."""
    names = ("recording", "status", "error", "reason", "host", "pid", "version")
    return " · ".join(str(row[name]) for name in names if row.get(name) not in (None, ""))


def _clock(seconds: float) -> str:
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))
    except (OverflowError, OSError, ValueError):
        return str(seconds)
