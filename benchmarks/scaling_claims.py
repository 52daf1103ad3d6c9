"""How fast ranks claim shards, and the chunks of a shared recording; called by `scaling.py archive`.

Every rank is a process that claims as fast as it goes and does nothing else. The process that holds the store
does nothing but serve it, so that its CPU time is the store's.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context

import numpy as np
import torch.distributed as dist

from diar.embedding.chunks import Chunk
from diar.jobs.extract.sections import RecordingSections
from diar.jobs.ranks.claims import Claims
from diar.reading import ReadChunk


@dataclass(frozen=True)
class Rate:
    """Claims a second of the clock, and those that a core would serve that only serves the store."""

    measured: float
    served: float


def claims_a_second(ranks: int, shards: int) -> Rate:
    """Let `ranks` processes claim `shards` shards; every shard is claimed once."""
    return _rate(ranks, shards, partial(_claim_shards, ranks, shards))


def chunks_a_second(ranks: int, chunks: int) -> Rate:
    """Let `ranks` processes claim the chunks of one recording; every rank asks for every chunk."""
    return _rate(ranks, chunks, partial(_claim_chunks, chunks))


def _claim_shards(ranks: int, shards: int, store: dist.Store, rank: int) -> int:
    claims = Claims(store, rank, ranks, [(shard, 1) for shard in range(shards)])
    own: list[int] = []
    for shard in claims.shards([], lambda: len(own)):  # reads at once what it claims, so never waits
        own.append(shard)
    return len(own)


def _claim_chunks(chunks: int, store: dist.Store, rank: int) -> int:
    sections = RecordingSections("", store, str(rank), True, frozenset())
    silence = np.zeros(1, np.float32)
    read = (ReadChunk(Chunk(index, 0, silence, (0, 1), last=False), 0.0) for index in range(chunks))
    return sum(map(sections.wants, read))


def _rate(ranks: int, claims: int, claim: Callable[[dist.Store, int], int]) -> Rate:
    """Run `claim` of a store and a rank in so many processes; it returns how much it got."""
    context = get_context("fork")
    start, taken = context.Barrier(ranks + 1), context.Value("q", 0)
    store = dist.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)

    def work(rank: int) -> None:
        client = dist.TCPStore("127.0.0.1", store.port, is_master=False)
        start.wait()
        own = claim(client, rank)
        with taken.get_lock():
            taken.value += own

    processes = [context.Process(target=work, args=(rank,)) for rank in range(ranks)]
    for process in processes:
        process.start()
    start.wait()
    clock, used = time.perf_counter(), time.process_time()
    for process in processes:
        process.join()
    seconds, served = time.perf_counter() - clock, time.process_time() - used
    assert taken.value == claims, f"{taken.value:,} of {claims:,} were claimed"
    return Rate(claims / seconds, claims / served)
