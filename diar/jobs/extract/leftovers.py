"""Half-written files that killed processes leave: removed where nobody can be writing them."""

from __future__ import annotations

from collections.abc import Collection

import pyarrow as pa
import pyarrow.compute as pc

from diar import storage
from diar.store.layout import Layout
from diar.store.reader import done_shards, read_plan


def sweep_unfinished(layout: Layout, plan: pa.Table) -> None:
    """Remove what a killed run may have left, before another one begins."""
    done = pc.is_in(plan["shard"], pa.array(done_shards(layout), pa.int32()))
    _sweep(layout, plan.select(["recording_id"]).filter(pc.invert(done)))


def sweep_shards(layout: Layout, shards: Collection[int]) -> None:
    """Remove what workers that died had left of these shards, while nobody writes."""
    if shards:
        plan = read_plan(layout, columns=["recording_id", "shard"])
        _sweep(layout, plan.filter(pc.is_in(plan["shard"], pa.array(sorted(shards), pa.int32()))))


def _sweep(layout: Layout, plan: pa.Table) -> None:
    private = (layout.private, layout.shards, storage.join(layout.private, "progress"))
    for folder in (*folders_of(layout, plan), *private):
        storage.remove_temporaries(folder)


def folders_of(layout: Layout, plan: pa.Table) -> set[str]:
    """Return the folders of the tracks of the plan's recordings."""
    folders: set[str] = set()
    for ids in plan["recording_id"].chunks:
        parents = pc.replace_substring_regex(ids, pattern="[^/]*$", replacement="")
        folders.update(pc.unique(parents).to_pylist())
    return {layout.folder(folder) for folder in folders}
