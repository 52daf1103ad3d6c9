"""Figures at the end of a run: `extraction_stats.json` and a few lines on the terminal."""

from __future__ import annotations

import json
import platform
import sys
import time
from itertools import islice
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch

import diar
from diar import storage
from diar.jobs.progress.bottleneck import describe_loop, find_bound, loop_shares, remedy
from diar.jobs.progress.counters import Counters
from diar.models.device import describe
from diar.records import OK
from diar.store.layout import Layout
from diar.store.reader import count_planned, failures, finished_rows
from diar.store.remarks import Remarks, read_remarks
from diar.wording import counted, duration, times

_LISTED_FAILURES = 10
_LISTED_REMARKS = 5
_NOTED_IDLE = 0.1  # share of the working time; less is usual at the end of a run


def report_rank(
    rank: int, device: torch.device, ranks_on_device: int, seconds: float, counters: Counters
) -> dict[str, Any]:
    """Return what a rank reports of itself at its end, for JSON.

    Args:
        rank: its number.
        device: it computed on.
        ranks_on_device: that shared it.
        seconds: since it was started.
        counters: of its work.
    """
    report = {
        "rank": rank,
        "device": describe(device),
        "ranks_on_device": ranks_on_device,
        "seconds": seconds,
        "busy_share": counters.device_seconds() / max(counters.working_seconds, 1e-9),
        **counters.figures(),
    }
    if device.type == "cuda":
        report["peak_gpu_bytes"] = torch.cuda.max_memory_allocated(device)
    return report


def write_statistics(layout: Layout, metadata: dict[str, str], ranks: list[dict[str, Any]]) -> dict[str, Any]:
    """Add up the finished shards and this run's ranks; publish and return the result."""
    rows = finished_rows(layout, ["status", "duration", "tracks", "gaps"])
    statistics = {
        "finished": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "recordings": _count_recordings(layout, rows),
        "audio_hours": float(np.sum(rows["duration"].to_numpy())) / 3600,
        "tracks": int(np.sum(rows["tracks"].to_numpy())),
        "this_run": summarise_ranks(ranks),
        "model": {key: metadata[key] for key in ("model", "model_sha256", "architecture", "fingerprint")},
        "versions": {
            "diar": diar.__version__,
            "python": platform.python_version(),
            "torch": torch.__version__,
            "pyarrow": pa.__version__,
        },
    }
    storage.write_bytes_atomic(layout.statistics, json.dumps(statistics, indent=2).encode())
    return statistics


def _count_recordings(layout: Layout, rows: pa.Table) -> dict[str, Any]:
    """Return `recordings` of the statistics: how many there are of each kind."""
    by_status, remarks = _count_by_status(rows["status"]), read_remarks(layout)
    failed = {kind: count for kind, count in by_status.items() if kind != OK}
    return {
        "planned": count_planned(layout),
        "ok": by_status.get(OK, 0),
        "failed": sum(failed.values()),
        "failed_by_kind": failed,
        "with_gaps": _count_filled(rows["gaps"]),
        "with_warnings": remarks.with_warnings,
        "without_speech": remarks.without_speech,
    }


def _count_filled(lists: pa.ChunkedArray) -> int:
    """Count the lists with any item; without a row, the column has no type."""
    return int((pc.list_value_length(lists).to_numpy() > 0).sum()) if len(lists) else 0


def _count_by_status(status: pa.ChunkedArray) -> dict[str, int]:
    """Return the number of recordings of each status, the most frequent first."""
    counts = pc.value_counts(status).to_pylist()
    ordered = sorted(counts, key=lambda entry: entry["counts"], reverse=True)
    return {entry["values"]: entry["counts"] for entry in ordered}


def summarise_ranks(ranks: list[dict[str, Any]]) -> dict[str, Any]:
    """Return `this_run` of the statistics (docs/on-disk.md) from the report of each rank."""
    counters = [Counters.of(rank) for rank in ranks]
    total = Counters.total(counters)
    seconds = max(rank["seconds"] for rank in ranks)
    working = max(counted.working_seconds for counted in counters)
    startup = max(0.0, seconds - working)
    return {
        "seconds": seconds,
        "startup_seconds": startup,
        "working_seconds": working,
        "recordings": total.files,
        "already_published": total.skipped_files,
        "audio_seconds": total.audio_seconds,
        "times_real_time": total.audio_seconds / max(seconds, 1e-9),
        "idle_share": 1 - total.working_seconds / (working * len(ranks)) if working else 0.0,
        **_split(total, startup * len(ranks)),
        "ranks": [
            {**rank, **_split(counted, startup)} for rank, counted in zip(ranks, counters, strict=True)
        ],
    }


def _split(counters: Counters, startup: float) -> dict[str, Any]:
    """Return where the time of one rank, or of all together, went."""
    return {
        "steps": counters.steps(),
        "loop": loop_shares(counters),
        "bound_by": find_bound(counters, startup),
    }


def print_summary(layout: Layout, statistics: dict[str, Any]) -> None:
    """Print what was done, the first failures and the first remarks."""
    recordings, run = statistics["recordings"], statistics["this_run"]
    print(
        f"{counted(recordings['ok'], 'recording')} embedded, {recordings['failed']:,} failed; "
        f"{duration(statistics['audio_hours'] * 3600)} of audio, {counted(statistics['tracks'], 'track')} "
        f"-> {layout.root}",
        file=sys.stderr,
    )
    if run["recordings"]:
        _print_run(run)
    else:
        print("this run: all was done already, nothing was left to do", file=sys.stderr)
    failed = failures(layout)
    for row in failed[:_LISTED_FAILURES]:
        print(f"  {row['status']}: {row['recording_id']}: {row['error']}", file=sys.stderr)
    if len(failed) > _LISTED_FAILURES:
        print(
            f"  … and {len(failed) - _LISTED_FAILURES:,} more: diar status {layout.root} --failures",
            file=sys.stderr,
        )
    _print_remarks(layout, read_remarks(layout))


def _print_run(run: dict[str, Any]) -> None:
    """Print how fast this run was, and what took the time."""
    print(
        f"this run: {counted(run['recordings'], 'recording')} in {duration(run['seconds'])} "
        f"({times(run['times_real_time'])} real time) on {_describe_ranks(run['ranks'])}",
        file=sys.stderr,
    )
    print(f"time: {_describe_time(run)}", file=sys.stderr)


def _describe_ranks(ranks: list[dict[str, Any]]) -> str:
    """Return the workers' devices in words; they are named as that of the first."""
    device, sharing = ranks[0]["device"], ranks[0]["ranks_on_device"]
    shared = f", {sharing} workers on each" if sharing > 1 else ""
    return f"{len(ranks) // sharing} × {device}{shared}"


def _print_remarks(layout: Layout, remarks: Remarks) -> None:
    """Print the number of recordings with remarks, and the first of them."""
    if not len(remarks.table):
        return
    print(f"{remarks.counts('recording')}: diar status {layout.root} --warnings", file=sys.stderr)
    for recording_id, remark in islice(remarks, _LISTED_REMARKS):
        print(f"  {recording_id}: {remark}", file=sys.stderr)


def _describe_time(run: dict[str, Any]) -> str:
    """Return what took the time, and what to do about it."""
    text = f"start-up {duration(run['startup_seconds'])}; then {describe_loop(run['loop'])}"
    if run["idle_share"] >= _NOTED_IDLE:
        text += f"; workers that were done early waited {run['idle_share']:.0%} of it".replace("%", " %")
    return f"{text}; bound by {run['bound_by']}: {remedy(run['bound_by'])}"
