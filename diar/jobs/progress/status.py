"""`diar status`: how far an extraction is, as its output tells."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Sequence

from diar import storage
from diar.errors import EXIT_FAILURES, EXIT_OK, EXIT_UNFINISHED
from diar.jobs.progress.bottleneck import describe_loop, loop_shares
from diar.jobs.progress.counters import Counters
from diar.jobs.progress.display import describe
from diar.jobs.progress.reporter import RankProgress, read_ranks
from diar.jobs.ranks.lock import is_locked
from diar.store.layout import Layout
from diar.store.reader import count_planned, failures, finished_rows, read_config
from diar.store.remarks import read_remarks

_ALIVE_SECONDS = 60.0  # a rank that has not reported for longer is taken for dead


def print_status(output_dir: str, *, list_failures: bool = False, list_warnings: bool = False) -> int:
    """Print the state of an extraction; return 0 finished, 3 finished with failures, 1 not finished.

    Raises:
        StoreError: `output_dir` holds no extraction.
    """
    layout = Layout(output_dir)
    config = read_config(layout)
    planned, done = count_planned(layout), len(finished_rows(layout, ["recording_id"]))
    failed = failures(layout)
    print(f"{config['input_dir']} -> {output_dir}  model {config['metadata']['model']}")
    print(f"{done:,} of {planned:,} recordings in finished shards, {len(failed):,} failed")
    remarks = read_remarks(layout)
    if len(remarks.table):
        counted = f"{remarks.with_warnings:,} with warnings, {remarks.without_speech:,} without any speech"
        print(counted + ("" if list_warnings else " (--warnings lists them)"))
    ranks = read_ranks(layout)
    if done == planned:
        _print_speed(layout)
    elif ranks and _running(layout, ranks):
        _print_running(ranks)
    else:
        print("stopped before the end: the same extract command goes on from here")
    if list_failures:
        for row in failed:
            print(f"{row['status']}\t{row['recording_id']}\t{row['error']}")
    if list_warnings:
        for recording_id, remark in remarks:
            print(f"{recording_id}\t{remark}")
    if done < planned:
        return EXIT_UNFINISHED
    return EXIT_FAILURES if failed else EXIT_OK


def _running(layout: Layout, ranks: Sequence[RankProgress]) -> bool:
    if time.time() - max(rank.updated for rank in ranks) > _ALIVE_SECONDS:
        return False
    here = ranks[0].host == socket.gethostname() and storage.local_path(layout.lock) is not None
    return is_locked(layout.lock) if here else True


def _print_running(ranks: Sequence[RankProgress]) -> None:
    done = Counters.total(rank.counters for rank in ranks)
    print("running: " + describe(ranks[0].totals, done, time.time() - ranks[0].started))
    for rank in ranks:
        age = time.time() - rank.updated
        told = f"{rank.counters.files:,} files, {describe_loop(loop_shares(rank.counters))}"
        state = "" if age < _ALIVE_SECONDS else f", silent for {age:.0f} s"
        print(f"  rank {rank.rank} on {rank.host} (pid {rank.pid}): {told}{state}")


def _print_speed(layout: Layout) -> None:
    if not storage.exists(layout.statistics):
        return
    statistics = json.loads(storage.read_bytes(layout.statistics))
    run = statistics["this_run"]
    print(
        f"finished {statistics['finished']}: {statistics['audio_hours']:.2f} h of audio; last run "
        f"{run['times_real_time']:.0f} × real time on {len(run['ranks'])} × {run['ranks'][0]['device']}"
    )
    if "loop" in run:  # diar 0.1.0 did not write it
        print(f"{describe_loop(run['loop'])}; bound by {run['bound_by']}")
