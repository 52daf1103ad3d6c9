"""The shard plan: which recordings are done together, frozen before the work starts.

A shard is bounded by files and bytes, never by the number of ranks, so that a run may be resumed with any
number of them. Recordings that appear later, have changed or are tried again get new shards at the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from diar.archive.listing import Recording, Recordings
from diar.records import OK
from diar.store.layout import Layout
from diar.store.parquet import write_table
from diar.store.reader import finished_rows, read_planned
from diar.store.schema import PLAN_SCHEMA

# Of an earlier plan, what the next one needs; what a list says of speakers may change without new work
SETTLED_COLUMNS = ["recording_id", "shard", "size", "mtime", "offset", "duration"]

# A smaller archive is still cut into about this many shards, so that several workers end together
_WANTED_SHARDS = 256
_FEWEST_FILES, _FEWEST_BYTES = 16, 1_000_000  # half a minute of WAV

_IDS_AT_A_TIME = 250_000  # whose hash table is in memory


@dataclass(frozen=True)
class Key:
    """One recording of the plan: the number of its shard, and its place in the shard, from 0."""

    shard: int
    position: int


@dataclass(frozen=True)
class ShardLimits:
    """Most files and bytes in one shard."""

    files: int
    bytes: int

    @classmethod
    def for_archive(cls, recordings: Sequence[Recording], max_files: int, max_bytes: int) -> ShardLimits:
        """Limits that depend on the archive alone."""
        total = sum(recording.size for recording in recordings)
        files = max(_FEWEST_FILES, -(-len(recordings) // _WANTED_SHARDS))
        size = max(_FEWEST_BYTES, -(-total // _WANTED_SHARDS))
        return cls(min(max_files, files), min(max_bytes, size))


def assign_shards(recordings: Sequence[Recording], limits: ShardLimits, first: int = 0) -> np.ndarray:
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
    recordings: Sequence[Recording],
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
        previous: an earlier plan of the same output, SETTLED_COLUMNS of it at least.
        first_shard: number of the first new shard, above all that were ever used.
        redo: ids that get a new shard although nothing changed (failed ones to try again).
    """
    listed = Recordings.of(recordings)
    shards = _settled(listed.table, previous, redo)
    new = np.flatnonzero(shards < 0)
    unsettled = listed if len(new) == len(listed) else listed.take(new)
    shards[new] = assign_shards(unsettled, limits, first_shard)
    columns = {"shard": shards, "position": np.arange(len(listed))}
    columns.update((name, listed.table[name]) for name in listed.table.column_names)
    plan = pa.table(columns, schema=PLAN_SCHEMA)
    if (np.diff(shards) < 0).any():
        plan = plan.take(pa.array(np.argsort(shards, kind="stable")))
    return plan


def _settled(listed: pa.Table, previous: pa.Table | None, redo: frozenset[str]) -> np.ndarray:
    """(n,) int32: the shard of each recording that an earlier plan had and that has not changed, else -1."""
    shards = np.full(len(listed), -1, np.int32)
    if previous is None or not len(previous):
        return shards
    ids = listed["recording_id"]
    row = find_ids(ids, previous["recording_id"])
    kept = row >= 0
    for name in ("size", "mtime", "offset", "duration"):
        now, earlier = (table[name].fill_null(-1).to_numpy() for table in (listed, previous))
        kept &= now == earlier[row]
    if redo:
        kept &= ~pc.is_in(ids, value_set=pa.array(redo, pa.string())).to_numpy()
    shards[kept] = previous["shard"].to_numpy()[row[kept]]
    return shards


def find_ids(ids: pa.ChunkedArray, among: pa.ChunkedArray) -> np.ndarray:
    """(n,) int64: where each of `ids` stands in `among`, -1 where it does not; `among` holds each once."""
    rows = np.full(len(ids), -1, np.int64)
    for start in range(0, len(among), _IDS_AT_A_TIME):
        part = among.slice(start, _IDS_AT_A_TIME).combine_chunks()
        found = pc.index_in(ids, value_set=part).fill_null(-1).to_numpy()
        rows[found >= 0] = found[found >= 0] + start
    return rows


def save_plan(layout: Layout, plan: pa.Table) -> None:
    """Publish the plan; small row groups let a rank read one shard of it."""
    write_table(layout.plan, plan, {}, row_group_size=16_384)


def shard_recordings(layout: Layout, shard: int) -> list[Recording]:
    """The recordings of one shard."""
    return list(Recordings(read_planned(layout, shard)))


def failed_ids(layout: Layout) -> frozenset[str]:
    """Recordings that failed so far and were not tried again since."""
    rows = finished_rows(layout, ["recording_id", "status"])
    return frozenset(rows.filter(pc.not_equal(rows["status"], OK))["recording_id"].to_pylist())


def claim_order(plan: pa.Table) -> list[tuple[int, int]]:
    """(shard, bytes), the largest first, so that none is left over at the end for one rank."""
    sizes = plan.group_by("shard", use_threads=False).aggregate([("size", "sum")])
    ordered = sizes.sort_by([("size_sum", "descending"), ("shard", "ascending")])
    return list(zip(ordered["shard"].to_pylist(), ordered["size_sum"].to_pylist(), strict=True))
