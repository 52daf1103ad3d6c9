"""The shard plan: which recordings are done together, frozen before the work starts.

Files and bytes bound a shard, never the number of ranks, so that a run can be resumed with any number of
ranks. Recordings that appear later, have changed or are tried again get new shards at the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from diar.archive.listing import Listing, Recording, Recordings
from diar.custody.removal.tombstone import Tombstone, of_extraction
from diar.records import OK
from diar.store.layout import Layout
from diar.store.parquet import write_table
from diar.store.reader import finished_rows, read_planned
from diar.store.schema import PLAN_SCHEMA
from diar.wording import counted, plural

# Columns of an earlier plan that the next one needs; what a list says of speakers may change without new work
SETTLED_COLUMNS = ["recording_id", "shard", "size", "mtime", "offset", "duration"]

# A small archive is cut into about this many shards, too, so that several workers end together
_WANTED_SHARDS = 256
_FEWEST_FILES, _FEWEST_BYTES = 16, 1_000_000  # half a minute of WAV

_IDS_AT_A_TIME = 250_000  # in the hash table in memory


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
        """Return limits that depend on the archive alone."""
        total = Recordings.of(recordings).total_bytes
        files = max(_FEWEST_FILES, -(-len(recordings) // _WANTED_SHARDS))
        size = max(_FEWEST_BYTES, -(-total // _WANTED_SHARDS))
        return cls(min(max_files, files), min(max_bytes, size))


def assign_shards(recordings: Sequence[Recording], limits: ShardLimits, first: int = 0) -> np.ndarray:
    """Return the shard number of each recording, (n,) int32.

    Shards are consecutive recordings, cut before one that would exceed a limit. One recording is always in.
    """
    sizes = Recordings.of(recordings).table["size"].to_numpy()
    bytes_before = np.concatenate([[0], np.cumsum(sizes)])  # each recording, and after the last
    shards = np.empty(len(recordings), np.int32)
    start, shard = 0, first
    while start < len(shards):
        fitting = int(np.searchsorted(bytes_before, bytes_before[start] + limits.bytes, side="right")) - 1
        end = min(start + limits.files, max(start + 1, fitting))
        shards[start:end] = shard
        start, shard = end, shard + 1
    return shards


def make_plan(
    recordings: Sequence[Recording],
    limits: ShardLimits,
    previous: pa.Table | None = None,
    *,
    first_shard: int = 0,
    redo: frozenset[str] = frozenset(),
) -> pa.Table:
    """Plan `recordings`; keep the shards of recordings that are in `previous` and have not changed.

    Args:
        recordings: the archive as it is listed now, in order. A recording that is gone leaves the plan; its
            tracks stay, in case it comes back.
        limits: of new shards.
        previous: an earlier plan of the same output, with at least SETTLED_COLUMNS.
        first_shard: number of the first new shard, above all numbers that were ever used.
        redo: ids that get a new shard although nothing changed (failed recordings to try again).
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
    """Return (n,) int32: the shard of each recording that is in an earlier plan and unchanged, else -1."""
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
    """Return (n,) int64: the place of each of `ids` in `among`, which holds each id once; -1 if missing."""
    rows = np.full(len(ids), -1, np.int64)
    for start in range(0, len(among), _IDS_AT_A_TIME):
        part = among.slice(start, _IDS_AT_A_TIME).combine_chunks()
        found = pc.index_in(ids, value_set=part).fill_null(-1).to_numpy()
        rows[found >= 0] = found[found >= 0] + start
    return rows


def without_purged(layout: Layout, listing: Listing) -> Listing:
    """Return a listing without what was purged from the output, with a warning that counts it.

    Raises:
        DiarError: the tombstone is damaged.
    """
    tombstone = Tombstone.read(of_extraction(layout.root))
    if not tombstone.sha256:
        return listing
    stays = tombstone.lets_in(listing.recordings.table["recording_id"].to_pylist())
    if stays.all():
        return listing
    count = int((~stays).sum())
    told = f"{counted(count, 'recording')} {plural(count, 'was')} purged from this output and left out"
    recordings = listing.recordings.take(np.flatnonzero(stays))
    return replace(listing, recordings=recordings, warnings=[*listing.warnings, told])


def save_plan(layout: Layout, plan: pa.Table) -> None:
    """Publish the plan, in small row groups, so that a rank can read one shard of it."""
    write_table(layout.plan, plan, {}, row_group_size=16_384)


def shard_recordings(layout: Layout, shard: int) -> list[Recording]:
    """Return the recordings of one shard."""
    return list(Recordings(read_planned(layout, shard)))


def failed_ids(layout: Layout) -> frozenset[str]:
    """Return the ids of recordings that failed and were not tried again since."""
    rows = finished_rows(layout, ["recording_id", "status"])
    return frozenset(rows.filter(pc.not_equal(rows["status"], OK))["recording_id"].to_pylist())


def shards_of_one(plan: pa.Table) -> set[int]:
    """Return the shards of a single recording."""
    counts = plan.group_by("shard", use_threads=False).aggregate([("shard", "count")])
    return set(counts.filter(pc.equal(counts["shard_count"], 1))["shard"].to_pylist())


def claim_order(plan: pa.Table) -> list[tuple[int, int]]:
    """Return (shard, bytes), the largest first, so that no rank is left with a large one at the end."""
    sizes = plan.group_by("shard", use_threads=False).aggregate([("size", "sum")])
    ordered = sizes.sort_by([("size_sum", "descending"), ("shard", "ascending")])
    return list(zip(ordered["shard"].to_pylist(), ordered["size_sum"].to_pylist(), strict=True))
