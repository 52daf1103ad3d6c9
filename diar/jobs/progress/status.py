"""`diar status`: how far an extraction is, as its output tells."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from diar import storage
from diar.errors import EXIT_FAILURES, EXIT_OK, EXIT_UNFINISHED, DiarError
from diar.jobs.progress.bottleneck import describe_loop
from diar.jobs.progress.counters import Counters
from diar.jobs.progress.display import count_finished
from diar.jobs.progress.reporter import RankProgress, read_ranks
from diar.jobs.progress.running import is_running, print_running
from diar.jobs.progress.words_status import FoundWords, print_words_status
from diar.options.terminal import in_one_line
from diar.store.layout import MIRROR, Layout
from diar.store.parquet import parsing
from diar.store.reader import arrangement, count_planned, failures, finished_rows, read_config
from diar.store.remarks import read_remarks
from diar.wording import counted, duration, plural, times


@dataclass(frozen=True)
class Found:
    """What the output tells of its recordings, and of the newest run."""

    layout: Layout
    config: dict[str, Any]
    planned: int
    done: int  # those that the next run will not do again
    in_shards: int  # of them, those whose status is known: their shard is finished
    failed: list[dict[str, str]]
    ranks: Sequence[RankProgress]

    @classmethod
    def of(cls, layout: Layout) -> Found:
        """Read all that is known.

        Raises:
            StoreError: there is no extraction.
        """
        config = read_config(layout)
        planned, in_shards = count_planned(layout), len(finished_rows(layout, ["recording_id"]))
        ranks = read_ranks(layout)
        done = in_shards
        # A packed shard that is interrupted starts again; else what is published stays
        if ranks and in_shards < planned and (arrangement(layout) == MIRROR or is_running(layout, ranks)):
            told = count_finished(ranks[0].totals, Counters.total(rank.counters for rank in ranks))
            done = max(in_shards, min(told, planned))
        return cls(layout, config, planned, done, in_shards, failures(layout), ranks)

    @property
    def finished(self) -> bool:
        """Whether every recording has a result."""
        return self.in_shards == self.planned


def print_status(output_dir: str, *, list_failures: bool = False, list_warnings: bool = False) -> int:
    """Print the state of an extraction; return 0 finished, 3 finished with failures, 1 not finished.

    Raises:
        StoreError: `output_dir` holds no extraction.
    """
    found = Found.of(Layout(output_dir))
    print(f"{found.config['input_dir']} -> {output_dir}  model {found.config['metadata']['model']}")
    _print_state(found)
    remarks = read_remarks(found.layout)
    if len(remarks.table):
        print(remarks.counts("recording") + ("" if list_warnings else " (--warnings lists them)"))
    if list_failures:
        for row in found.failed:
            print("\t".join(in_one_line(row[name]) for name in ("status", "recording_id", "error")))
    if list_warnings:
        for recording_id, remark in remarks:
            print(f"{in_one_line(recording_id)}\t{in_one_line(remark)}")
    words = FoundWords.of(output_dir)
    if words is not None:
        print_words_status(words)
    if not found.finished:
        return EXIT_UNFINISHED
    return EXIT_FAILURES if found.failed else EXIT_OK


def print_status_of_words(output_dir: str, *, list_failures: bool = False) -> int:
    """Print the state of the words of an extraction alone; return the same codes.

    Raises:
        DiarError: nothing was recognised yet.
    """
    found = FoundWords.of(output_dir)
    if found is None:
        raise DiarError(f"{output_dir} has no words; `diar words` makes them")
    return print_words_status(found, list_failures=list_failures)


def _print_state(found: Found) -> None:
    """Say whether the extraction is finished, running or stopped, and how many recordings are done."""
    failed = f", {len(found.failed):,} failed (--failures lists them)" if found.failed else ", none failed"
    of_all = f"{found.done:,} of {counted(found.planned, 'recording')} {plural(found.planned, 'is')} done"
    if found.finished:
        print(f"finished: {of_all}{failed}")
        _print_speed(found.layout)
    elif found.ranks and is_running(found.layout, found.ranks):
        print(f"running: {of_all}")
        print_running(found.ranks)
    else:
        archive, output = map(shlex.quote, (found.config["input_dir"], found.layout.root))
        print(f"stopped before the end: {of_all}{failed if found.failed else ''}")
        print("the command that began it goes on from here, with the same options:")
        print(f"  diar extract --input_dir {archive} --output_dir {output} …")


def _print_speed(layout: Layout) -> None:
    if not storage.exists(layout.statistics):
        return
    with parsing(layout.statistics, "extract again: it computes only what is missing"):
        statistics = json.loads(storage.read_bytes(layout.statistics))
        run = statistics["this_run"]
        told = (
            f"{duration(statistics['audio_hours'] * 3600)} of audio; the last run ended "
            f"{statistics['finished']}"
        )
        if not run["recordings"]:
            print(f"{told}: all was done already")
            return
        speed = (
            f"{times(run['times_real_time'])} real time on {len(run['ranks'])} × {run['ranks'][0]['device']}"
        )
    print(f"{told}, at {speed}")
    if "loop" in run:  # diar 0.1.0 did not write it
        print(f"{describe_loop(run['loop'])}; bound by {run['bound_by']}")
