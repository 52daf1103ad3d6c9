"""`diar status` of recognition: how far the words of an extraction are, as its output tells."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from diar import storage
from diar.errors import EXIT_FAILURES, EXIT_OK, EXIT_UNFINISHED
from diar.jobs.progress.counters import Counters
from diar.jobs.progress.display import count_finished
from diar.jobs.progress.reporter import RankProgress, read_ranks
from diar.jobs.progress.running import is_running, print_running
from diar.options.terminal import in_one_line
from diar.records import OK
from diar.store.layout import Layout
from diar.store.parquet import parsing
from diar.store.reader import done_shards, finished_rows
from diar.store.words import RecognisedRecording, WordsLayout, read_told
from diar.wording import counted, plural


@dataclass(frozen=True)
class FoundWords:
    """What is recognised of an extraction, and what the newest run says."""

    layout: WordsLayout
    recogniser: str
    wanted: int  # recordings whose extraction is finished
    done: int
    in_shards: int  # of them, those whose shard is finished
    words: int
    failed: list[RecognisedRecording]
    ranks: Sequence[RankProgress]

    @classmethod
    def of(cls, root: str) -> FoundWords | None:
        """Read all that is known; None where nothing was ever recognised.

        Raises:
            StoreError: a file is damaged.
        """
        layout = WordsLayout(root)
        if not storage.exists(layout.config):
            return None
        remedy = "run `diar words` again"
        with parsing(layout.config, remedy):
            settings = json.loads(storage.read_bytes(layout.config))["settings"]
            recogniser = f"{settings['model']} ({settings['engine']})"
        wanted = len(finished_rows(Layout(root), ["recording_id"]))
        shards = set(done_shards(Layout(root)))
        read = [read_told(layout, shard) for shard in done_shards(layout) if shard in shards]
        told = [one for recordings, _ in read for one in recordings]
        ranks, done = read_ranks(layout), len(told)
        if ranks and len(told) < wanted and is_running(layout, ranks):
            counted_by_ranks = count_finished(
                ranks[0].totals, Counters.total(rank.counters for rank in ranks)
            )
            done = max(done, min(counted_by_ranks, wanted))
        failed = [one for one in told if one.status != OK]
        return cls(layout, recogniser, wanted, done, len(told), sum(n for _, n in read), failed, ranks)


def print_words_status(found: FoundWords, *, list_failures: bool = False) -> int:
    """Print the state of recognition; return 0 finished, 3 finished with failures, 1 not finished."""
    failed = f"{len(found.failed):,} failed" if found.failed else "none failed"
    of_all = (
        f"{found.done:,} of {counted(found.wanted, 'recording')} {plural(found.wanted, 'is')} done, {failed}"
    )
    finished = found.in_shards >= found.wanted
    running = not finished and bool(found.ranks) and is_running(found.layout, found.ranks)
    state = "finished" if finished else "running" if running else "stopped before the end"
    print(f"words by {found.recogniser}: {state}: {of_all}; {counted(found.words, 'word')}")
    if running:
        print_running(found.ranks)
    elif not finished:
        print("the command that began it goes on from here, with the same options:")
        print(f"  diar words --embeddings_dir {shlex.quote(found.layout.root)} …")
    if list_failures:
        for one in found.failed:
            print("\t".join(map(in_one_line, (one.status, one.recording_id, one.error))))
    if not finished:
        return EXIT_UNFINISHED
    return EXIT_FAILURES if found.failed else EXIT_OK
