"""How fast ranks claim shards from the store of a run; called by `scaling.py archive`.

Every rank is a process that claims as fast as it goes and does nothing else. The process that holds the store
does nothing but serve it, so that its CPU time is the store's.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.synchronize import Barrier

import torch.distributed as dist

from diar.jobs.ranks.claims import Claims


@dataclass(frozen=True)
class Rate:
    """Claims a second of the clock, and those that a core would serve that only serves the store."""

    measured: float
    served: float


def claims_a_second(ranks: int, shards: int) -> Rate:
    """Let `ranks` processes claim `shards` shards; every shard is claimed once."""
    context = get_context("fork")
    start, taken = context.Barrier(ranks + 1), context.Value("q", 0)
    store = dist.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)

    def claim(rank: int, begin: Barrier) -> None:
        client = dist.TCPStore("127.0.0.1", store.port, is_master=False)
        claims = Claims(client, rank, ranks, [(shard, 1) for shard in range(shards)])
        begin.wait()
        own: list[int] = []
        for shard in claims.shards([], lambda: len(own)):  # reads at once what it claims, so never waits
            own.append(shard)
        with taken.get_lock():
            taken.value += len(own)

    processes = [context.Process(target=claim, args=(rank, start)) for rank in range(ranks)]
    for process in processes:
        process.start()
    start.wait()
    clock, used = time.perf_counter(), time.process_time()
    for process in processes:
        process.join()
    seconds, served = time.perf_counter() - clock, time.process_time() - used
    assert taken.value == shards, f"{taken.value:,} claims for {shards:,} shards"
    return Rate(shards / seconds, shards / served)
