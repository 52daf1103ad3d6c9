"""`diar status --report`: one page for whoever comes back after the weekend."""

from __future__ import annotations

import json
import shlex
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.compute as pc

import diar
from diar import storage
from diar.formats.html.document import Page
from diar.formats.html.elements import (
    Section,
    facts,
    notes,
    pairs_table,
    paragraph,
    subheading,
    table_place,
)
from diar.formats.html.tables import Column, DataTable
from diar.jobs.progress.bottleneck import describe_loop
from diar.jobs.progress.events import read_events
from diar.jobs.progress.report.happened import Happened
from diar.jobs.progress.report.shard_times import Pace, read_pace
from diar.jobs.progress.report.speed_chart import draw_speed
from diar.jobs.progress.running import is_running
from diar.jobs.progress.status import Found
from diar.records import OK
from diar.store.layout import Layout
from diar.store.reader import finished_rows
from diar.store.remarks import read_remarks
from diar.wording import counted, duration, times

_MOST_ROWS = 50_000  # failures on the page; `diar status --failures` prints all
_KINDS = {
    "missing": "is the archive there, and complete? Then run again with --retry_failed",
    "unreadable": "change the permissions, then run again with --retry_failed",
    "empty": "a file of 0 bytes: copy it again",
    "undecodable": "damaged, or no audio: copy it again, or leave it out",
    "no_audio": "a file without an audio track: leave it out",
    "bad_channel": "it has no such channel: --channel auto",
    "bad_track": "it has no such audio track: --track auto",
    "too_short": "shorter than --min_duration",
    "stalled": "its disk is stuck or its decoder hangs; then run again with --retry_failed",
    "too_long": "longer than --max_hours",
    "silent": "all samples are zero: was the right channel recorded?",
}


@dataclass(frozen=True)
class _Known:
    """What the page is made of."""

    found: Found
    statistics: dict[str, Any]  # of the last run that ended; empty before
    pace: Pace
    seconds: float  # of audio in finished shards
    running: bool
    happened: Happened


def write_report(output_dir: str, page: str) -> None:
    """Write the page of an extraction.

    Raises:
        StoreError: `output_dir` holds no extraction, or a damaged one.
        OSError: the page cannot be written.
    """
    found = Found.of(Layout(output_dir))
    layout = found.layout
    statistics = (
        json.loads(storage.read_bytes(layout.statistics)) if storage.exists(layout.statistics) else {}
    )
    rows = finished_rows(layout, ["recording_id", "status", "duration"])
    good = rows.filter(pc.equal(rows["status"], OK))
    pace = read_pace(layout, good["shard"].to_numpy(), good["duration"].to_numpy())
    running = not found.finished and bool(found.ranks) and is_running(layout, found.ranks)
    seconds, happened = float(pc.sum(good["duration"]).as_py() or 0.0), Happened.of(read_events(layout))
    known = _Known(found, statistics, pace, seconds, running, happened)
    storage.write_bytes_atomic(page, _page(known).render())


def _page(known: _Known) -> Page:
    found = known.found
    return Page(
        title=f"Extraction: {Path(found.layout.root).name}",
        program=f"diar {diar.__version__}",
        head=facts(_figures(known)) + notes(_next_steps(known)),
        sections=[
            Section("speed", "Speed over time", _speed(known)),
            Section("failures", "Failures", _failures_told(found)),
            Section("events", "What happened", known.happened.section(known.running)),
            Section("remarks", "What is unusual", paragraph(_remarks(found.layout))),
            Section("run", "The run", _run(known)),
        ],
        tables=[*([_failures(found)] if found.failed else []), known.happened.table()],
    )


def _figures(known: _Known) -> list[tuple[str, str]]:
    found = known.found
    state = "finished" if found.finished else "running" if known.running else "stopped before the end"
    return [
        ("state", state),
        ("recordings done", f"{found.done:,} of {found.planned:,}"),
        ("failed", f"{len(found.failed):,}"),
        ("audio", duration(known.seconds)),
        ("real time", times(known.pace.speed) if known.pace.speed else "–"),
        ("lost in pauses", duration(known.pace.lost)),
    ]


def _next_steps(known: _Known) -> list[str]:
    """Return what to do now."""
    found = known.found
    archive, output = map(shlex.quote, (found.config["input_dir"], found.layout.root))
    command = f"diar extract --input_dir {archive} --output_dir {output} …"
    steps = []
    if not found.finished and not known.running:
        steps.append(f"It stopped before the end. The command that began it goes on from here: {command}")
    if found.failed:
        them = counted(len(found.failed), "recording")
        steps.append(f"{them} failed; the table says why. When mended: {command} --retry_failed")
    if found.finished:
        steps.append(f"Next: diar verify {output}, then diar detect --embeddings_dir {output} --output_dir …")
    return steps


def _speed(known: _Known) -> str:
    pace = known.pace
    if not pace.speeds.any():
        return paragraph("Too few shards are finished to say how fast it was when.")
    fastest = times(float(pace.speeds.max()))
    told = f"From {_clock(pace.start)} to {_clock(pace.end)}, in × real time; the fastest part had {fastest}."
    pauses = [(_clock(start), duration(seconds)) for start, seconds in pace.pauses]
    table = pairs_table("Pauses, in which no shard was finished", pauses) if pauses else ""
    return draw_speed(pace, told) + paragraph(told) + table


def _failures_told(found: Found) -> str:
    if not found.failed:
        return paragraph("None.")
    kinds = Counter(row["status"] for row in found.failed).most_common()
    rows = [
        (f"{kind}: {count:,}", _KINDS.get(kind, "the reason says more; see the table"))
        for kind, count in kinds
    ]
    table = pairs_table("Kinds, and what helps", rows)
    if len(found.failed) > _MOST_ROWS:
        table += paragraph(f"The first {_MOST_ROWS:,} are listed; diar status --failures prints all.")
    return table + table_place("failures")


def _failures(found: Found) -> DataTable:
    rows = found.failed[:_MOST_ROWS]
    columns = [
        Column("recording", "path", [row["recording_id"] for row in rows]),
        Column("kind", "choice", [row["status"] for row in rows]),
        Column("reason", "text", [row["error"] for row in rows]),
    ]
    return DataTable("failures", "recording", "recordings", columns)


def _remarks(layout: Layout) -> str:
    remarks = read_remarks(layout)
    if not len(remarks.table):
        return "Nothing."
    return f"{remarks.counts('recording')}; diar status --warnings lists them."


def _run(known: _Known) -> str:
    """Describe the last run that ended, and what made the output."""
    metadata = known.found.config["metadata"]
    about = [("archive", known.found.config["input_dir"]), ("model", metadata["model"])]
    version = known.found.config.get("diar_version", "")
    about += [("fingerprint", metadata["fingerprint"]), ("written by", f"diar {version}")]
    run = known.statistics.get("this_run")
    if not run or not run.get("recordings"):
        return pairs_table("What made it", about)
    devices = Counter(rank["device"] for rank in run["ranks"])
    figures = [
        ("ended", known.statistics["finished"]),
        ("took", duration(run["seconds"])),
        ("speed", f"{times(run['times_real_time'])} real time"),
        ("devices", ", ".join(f"{count} × {device}" for device, count in devices.items())),
        ("time of the loop", describe_loop(run["loop"]) if "loop" in run else "–"),
        ("bound by", run.get("bound_by", "–")),
        ("ranks idle", f"{100 * run.get('idle_share', 0.0):.0f} %"),
    ]
    return pairs_table("What made it", about) + subheading("The last run") + pairs_table("Figures", figures)


def _clock(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))
