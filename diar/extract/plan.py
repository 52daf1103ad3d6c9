"""The shard plan: which recordings are done together, frozen before the work starts.

A shard is bounded by files and bytes, never by the number of ranks, so that a run may be resumed with any
number of them. Recordings that appear later, have changed or are tried again get new shards at the end.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from diar.archive.listing import Recording
from diar.store.layout import Layout
from diar.store.parquet import write_table
from diar.store.reader import finished_rows, read_plan
from diar.store.schema import OK, PLAN_SCHEMA

# A small archive is still cut into about this many shards, so that it keeps several workers busy
_WANTED_SHARDS = 32
_FEWEST_FILES, _FEWEST_BYTES = 16, 4_000_000


@dataclass(frozen=True)
class ShardLimits:
    """Most files and bytes in one shard."""

    files: int
    bytes: int

    @classmethod
    def for_archive(cls, recordings: list[Recording], max_files: int, max_bytes: int) -> ShardLimits:
        """Limits that depend on the archive alone."""
        total = sum(recording.size for recording in recordings)
        files = max(_FEWEST_FILES, -(-len(recordings) // _WANTED_SHARDS))
        size = max(_FEWEST_BYTES, -(-total // _WANTED_SHARDS))
        return cls(min(max_files, files), min(max_bytes, size))


def assign_shards(recordings: list[Recording], limits: ShardLimits, first: int = 0) -> np.ndarray:
    """Shard number of each recording, (n,) int32: consecutive recordings, cut where a limit is reached."""
    shards = np.empty(len(recordings), np.int32)
    shard, files, size = first, 0, 0
    for index, recording in enumerate(recordings):
        if files and (files >= limits.files or size + recording.size > limits.bytes):
            shard, files, size = shard + 1, 0, 0
        shards[index] = shard
        files, size = files + 1, size + recording.size
    return shards


def make_plan(
    recordings: list[Recording],
    limits: ShardLimits,
    previous: pa.Table | None = None,
    *,
    first_shard: int = 0,
    redo: frozenset[str] = frozenset(),
) -> pa.Table:
    """The plan for `recordings`, keeping what `previous` settled.

    Args:
        recordings: the archive as it is listed now, in order. What it no longer has leaves the plan; if it
            comes back, its tracks are still there.
        limits: of new shards.
        previous: an earlier plan of the same output.
        first_shard: number of the first new shard, above all that were ever used.
        redo: ids that get a new shard although nothing changed (failed ones to try again).
    """
    settled = _settled(previous)
    shard_of: dict[str, int] = {}
    for recording in recordings:
        shard, size, mtime = settled.get(recording.recording_id, (-1, -1, -1.0))
        if (size, mtime) == (recording.size, recording.mtime) and recording.recording_id not in redo:
            shard_of[recording.recording_id] = shard
    new = [recording for recording in recordings if recording.recording_id not in shard_of]
    for recording, shard in zip(new, assign_shards(new, limits, first_shard).tolist(), strict=True):
        shard_of[recording.recording_id] = shard
    plan = _table(recordings, [shard_of[recording.recording_id] for recording in recordings])
    return plan.sort_by([("shard", "ascending"), ("position", "ascending")])


def _settled(previous: pa.Table | None) -> dict[str, tuple[int, int, float]]:
    """Recording id → (shard, bytes, mtime) of an earlier plan, in its order."""
    if previous is None:
        return {}
    columns = [previous[name].to_pylist() for name in ("recording_id", "shard", "size", "mtime")]
    return {key: (shard, size, mtime) for key, shard, size, mtime in zip(*columns, strict=True)}


def save_plan(layout: Layout, plan: pa.Table) -> None:
    """Publish the plan; small row groups let a rank read one shard of it."""
    write_table(layout.plan, plan, {}, row_group_size=16_384)


def shard_recordings(layout: Layout, shard: int) -> list[Recording]:
    """The recordings of one shard."""
    rows = read_plan(layout, shard=shard).to_pylist()
    return [
        Recording(row["recording_id"], row["path"], row["size"], row["mtime"], row["offset"], row["duration"])
        for row in rows
    ]


def failed_ids(layout: Layout) -> frozenset[str]:
    """Recordings that failed so far and were not tried again since."""
    rows = finished_rows(layout, ["recording_id", "status"])
    return frozenset(rows.filter(pc.not_equal(rows["status"], OK))["recording_id"].to_pylist())


def claim_order(plan: pa.Table) -> np.ndarray:
    """Shard numbers, the largest in bytes first, so that none is left over at the end for one rank."""
    sizes = plan.group_by("shard", use_threads=False).aggregate([("size", "sum")])
    ordered = sizes.sort_by([("size_sum", "descending"), ("shard", "ascending")])
    return ordered["shard"].to_numpy()


def _table(recordings: list[Recording], shards: list[int]) -> pa.Table:
    columns = {
        "shard": shards,
        "position": np.arange(len(recordings)),
        "recording_id": [recording.recording_id for recording in recordings],
        "path": [recording.url for recording in recordings],
        "size": [recording.size for recording in recordings],
        "mtime": [recording.mtime for recording in recordings],
        "offset": [recording.offset for recording in recordings],
        "duration": [recording.duration for recording in recordings],
    }
    return pa.table(columns, schema=PLAN_SCHEMA)
