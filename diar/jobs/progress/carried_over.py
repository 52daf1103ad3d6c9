"""What a rank that was started again takes over from the one that died."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import numpy as np

from diar.jobs.progress.counters import Counters
from diar.jobs.progress.reporter import read_ranks
from diar.store.layout import Layout
from diar.store.reader import read_plan


def earlier_counters(
    layout: Layout, rank: int, run_id: str, finished: Collection[int], planned: Layout | None = None
) -> Counters:
    """Return the counters of the dead rank, as it wrote them about a second before it died.

    The worker will count the published recordings of unfinished shards once more, as skipped. Subtract them
    here.

    Args:
        layout: of the output.
        rank: of this process and of the one that died.
        run_id: of this run.
        finished: shards that the dead rank had finished.
        planned: where the plan is; None = in `layout`.
    """
    written = [told.counters for told in read_ranks(layout) if (told.run_id, told.rank) == (run_id, rank)]
    counters = written[0] if written else Counters()
    plan = read_plan(planned or layout, columns=["shard", "size"])
    sizes = plan["size"].to_numpy()[np.isin(plan["shard"].to_numpy(), list(finished))]
    return replace(
        counters,
        skipped_files=len(sizes) - counters.files,
        skipped_bytes=int(sizes.sum()) - counters.bytes,
    )
