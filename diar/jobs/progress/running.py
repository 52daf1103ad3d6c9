"""Whether a run is going on, by what its ranks wrote last, and what they say."""

from __future__ import annotations

import socket
import time
from collections.abc import Sequence

from diar import storage
from diar.jobs.progress.bottleneck import describe_loop, loop_shares
from diar.jobs.progress.counters import Counters
from diar.jobs.progress.display import describe
from diar.jobs.progress.reporter import RankProgress, read_ranks
from diar.jobs.ranks.lock import is_locked
from diar.store.layout import Layout
from diar.store.words import WordsLayout
from diar.wording import counted, duration

_ALIVE_SECONDS = 60.0  # a rank that has not reported for longer is taken for dead


def is_running(layout: Layout, ranks: Sequence[RankProgress]) -> bool:
    """Return whether the run of these ranks goes on."""
    if time.time() - max(rank.updated for rank in ranks) > _ALIVE_SECONDS:
        return False
    here = ranks[0].host == socket.gethostname() and storage.local_path(layout.lock) is not None
    return is_locked(layout.lock) if here else True


def is_at_work(output_dir: str) -> bool:
    """Return whether a run of stage 1, or of `diar words`, is going on there."""
    for layout in (Layout(output_dir), WordsLayout(output_dir)):
        ranks = read_ranks(layout)
        if ranks and is_running(layout, ranks):
            return True
    return False


def print_running(ranks: Sequence[RankProgress]) -> None:
    """Print how far all are together, then each rank."""
    done = Counters.total(rank.counters for rank in ranks)
    print(describe(ranks[0].totals, done, time.time() - ranks[0].started))
    for rank in ranks:
        age = time.time() - rank.updated
        told = f"{counted(rank.counters.files, 'file')}, {describe_loop(loop_shares(rank.counters))}"
        state = "" if age < _ALIVE_SECONDS else f", silent for {duration(age)}"
        print(f"  rank {rank.rank} on {rank.host} (pid {rank.pid}): {told}{state}")
