"""What a rank that was started again knows of the one that died."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import numpy as np

from diar.jobs.progress.counters import Counters, read_ranks
from diar.store.layout import Layout
from diar.store.reader import read_plan


def earlier_counters(layout: Layout, rank: int, run_id: str, finished: Collection[int]) -> Counters:
    """The counters of the dead rank as it wrote them last, about a second before.

    What it had published of a shard that it did not finish will be met again, and counted as skipped. That
    much is taken off here, so that the sum is right once the shard is done.

    Args:
        layout: of the output.
        rank: of this process and of the one that died.
        run_id: of this run.
        finished: the shards that it had finished.
    """
    records = [
        record for record in read_ranks(layout) if (record["run_id"], record["rank"]) == (run_id, rank)
    ]
    counters = Counters(**records[0]["counters"]) if records else Counters()
    plan = read_plan(layout, columns=["shard", "size"])
    sizes = plan["size"].to_numpy()[np.isin(plan["shard"].to_numpy(), list(finished))]
    return replace(
        counters,
        skipped_files=len(sizes) - counters.files,
        skipped_bytes=int(sizes.sum()) - counters.bytes,
    )
