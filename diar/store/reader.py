"""Reading the output of stage 1."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from diar import storage
from diar.records import OK, ActivityFrames, RecordingRow, RecordingTracks
from diar.store.absent import UnknownRecordingError
from diar.store.earlier_names import stored_at
from diar.store.index import dimension_of, first_dimension, read_config, read_index, read_plan, read_planned
from diar.store.layout import MIRROR, PACKED, Layout
from diar.store.mirrored import published_row, read_mirrored
from diar.store.packed import PackedReader
from diar.store.parquet import StoreError, read_rows_where, read_table
from diar.store.schema import matrix, row_from_columns

__all__ = [
    "ActivityFrames",
    "Listed",
    "RecordingIndex",
    "RecordingTracks",
    "StoreError",
    "TracksReader",
    "arrangement",
    "count_planned",
    "done_shards",
    "failures",
    "finished_rows",
    "load_index",
    "published_row",
    "read_config",
    "read_plan",
    "read_planned",
    "read_shard",
    "read_tracks",
]

# Columns of the index that have an array of their own in `RecordingIndex`, or that nobody reads from there
_OWN_ARRAYS = {"recording_id", "path", "status", "error", "duration", "speech_seconds", "embedding"}
_NOT_READ = {"overlap_seconds", "tracks", "size", "mtime"}
_CHECKED = [field.name for field in fields(RecordingRow) if field.name != "embedding"]
_ROW_DETAILS = [field.name for field in fields(RecordingRow) if field.name not in _OWN_ARRAYS | _NOT_READ]


@dataclass(frozen=True)
class Listed:
    """What a manifest says of a recording; None where it says nothing."""

    num_speakers: int | None = None
    label: str | None = None  # whose voice it is
    reference: str | None = None  # URL of an RTTM file with its true turns, in the file's times


_LISTED = [field.name for field in fields(Listed)]


@dataclass(frozen=True)
class RecordingIndex:
    """The recordings of an extraction in archive order, one entry each."""

    recording_id: list[str]
    path: list[str]  # URL of the audio when stage 1 read it
    status: list[str]  # "ok" or the kind of failure
    error: list[str]
    duration: np.ndarray  # (n,) seconds
    speech_seconds: np.ndarray  # (n,); the duration where stage 1 had no segmentation model
    embedding: np.ndarray  # (n, D) float32, L2-normalised; NaN where status is not ok
    shard: np.ndarray  # (n,) int32, for `TracksReader`
    details: pa.Table  # how each was read, and what its list says of it; see `row` and `listed`
    metadata: dict[str, str]  # model, model_sha256, fingerprint, schema_version, …
    input: str  # root of the archive
    unfinished: int  # recordings planned but not yet done

    def __len__(self) -> int:
        return len(self.recording_id)

    def row(self, number: int) -> RecordingRow:
        """Return what the index says of one recording, without embedding, size and time of the file."""
        return row_from_columns(
            {
                **self._detail(number, _ROW_DETAILS),
                "recording_id": self.recording_id[number],
                "path": self.path[number],
                "status": self.status[number],
                "error": self.error[number],
                "duration": float(self.duration[number]),
                "speech_seconds": float(self.speech_seconds[number]),
            }
        )

    def listed(self, number: int) -> Listed:
        """Return what the manifest says of one recording."""
        return Listed(**self._detail(number, _LISTED))

    @property
    def num_speakers(self) -> list[int | None]:
        """Number of speakers of each recording by the manifest."""
        counts: list[int | None] = self.details["num_speakers"].to_pylist()
        return counts

    @property
    def has_references(self) -> bool:
        """Whether the manifest names true turns of any recording."""
        return bool(self.details["reference"].null_count < len(self))

    def _detail(self, number: int, names: list[str]) -> dict[str, Any]:
        return {name: self.details[name][number].as_py() for name in names}


def load_index(embeddings_dir: str) -> RecordingIndex:
    """Load every recording that stage 1 finished, in archive order.

    Raises:
        StoreError: `embeddings_dir` was not written by stage 1, has no finished shard or another schema.
    """
    layout = Layout(embeddings_dir)
    config = read_config(layout)
    table = finished_rows(layout, planned=_LISTED)
    if not len(table):
        raise StoreError(f"{embeddings_dir}: no shard is finished; run stage 1 (again)")
    embedding = matrix(table["embedding"])
    table = table.drop_columns("embedding")  # so that the lists do not come on top of it
    return RecordingIndex(
        recording_id=table["recording_id"].to_pylist(),
        path=table["path"].to_pylist(),
        status=table["status"].to_pylist(),
        error=table["error"].to_pylist(),
        duration=table["duration"].to_numpy(),
        speech_seconds=table["speech_seconds"].to_numpy(),
        embedding=embedding,
        shard=table["shard"].to_numpy(),
        details=_details(table),
        metadata=config["metadata"],
        input=config["input_dir"],
        unfinished=count_planned(layout) - len(table),
    )


def _details(table: pa.Table) -> pa.Table:
    """Return columns of one Arrow chunk each, for fast access to rows, and repeated words stored once."""
    details = table.select([*_ROW_DETAILS, *_LISTED]).combine_chunks()
    for name in ("channel", "sound"):
        place = details.schema.get_field_index(name)
        details = details.set_column(place, name, pc.dictionary_encode(details[name]))
    return details


def arrangement(layout: Layout) -> str:
    """Return how the tracks lie, MIRROR or PACKED; raise StoreError as `read_config` does."""
    return str(read_config(layout).get("layout", MIRROR))


def read_shard(layout: Layout, shard: int, columns: list[str] | None = None) -> pa.Table:
    """Read the index of a finished shard, with its footer metadata."""
    return read_table(stored_at(layout.shard(shard)), columns=columns)


def done_shards(layout: Layout) -> list[int]:
    """Return the numbers of the finished shards, ascending."""
    names = storage.list_names(layout.shards)
    matches = (re.fullmatch(r"(\d+)\.(pq|parquet)", name) for name in names)
    return sorted({int(match[1]) for match in matches if match})


def count_planned(layout: Layout) -> int:
    """Count the recordings in the plan."""
    return len(read_plan(layout, columns=["position"]))


def finished_rows(layout: Layout, columns: list[str] | None = None, planned: Sequence[str] = ()) -> pa.Table:
    """Read the current rows of all finished shards, with `shard`, in archive order; there may be none.

    A recording that is tried again or has changed moves to a new shard. Its row in the old one is left out.
    A row that is damaged, or whose shard is, has the status DAMAGED and says why.

    Args:
        layout: of the output.
        columns: of the indices; None = all.
        planned: columns of the plan to append.
    """
    plan = read_plan(layout, columns=["shard", "position", "recording_id", "path", *planned])
    planned_shard = plan["shard"].to_numpy()  # ascending
    wanted = None if columns is None else list(dict.fromkeys(["recording_id", *columns]))
    dimension = dimension_of(read_config(layout)) or first_dimension(layout, done_shards(layout))
    tables, positions = [], []
    for shard in done_shards(layout):
        start, end = np.searchsorted(planned_shard, [shard, shard + 1]).tolist()
        part = plan.slice(start, end - start)
        rows = read_index(layout, shard, wanted, part, dimension)
        found = pc.index_in(part["recording_id"], value_set=rows["recording_id"].combine_chunks())
        current = rows.take(found.drop_null())
        current = current.append_column("shard", pa.array(np.full(len(current), shard, np.int32)))
        part = part.filter(found.is_valid())
        for name in planned:
            current = current.append_column(name, part[name])
        tables.append(current)
        positions.append(part["position"].to_numpy())
    if not tables:
        return pa.table({name: [] for name in [*(wanted or ["recording_id"]), "shard", *planned]})
    order = np.concatenate(positions)
    table = pa.concat_tables(tables, promote_options="default")  # earlier indices lack a column
    if (np.diff(order) < 0).any():  # sorting copies, so only where something moved
        table = table.take(pa.array(np.argsort(order)))
    return table


def failures(layout: Layout) -> list[dict[str, str]]:
    """Return recording id, status and error of every recording that failed, or whose row is damaged."""
    rows = finished_rows(layout, _CHECKED).select(["recording_id", "status", "error"])
    failed: list[dict[str, str]] = rows.filter(pc.not_equal(rows["status"], OK)).to_pylist()
    return failed


class TracksReader:
    """Reads the tracks of an extraction's recordings, however they are laid out.

    Ask for recordings of one packed file one after another: the file is then opened once.

    Raises:
        StoreError: `embeddings_dir` was not written by stage 1, or has another schema.
    """

    def __init__(self, embeddings_dir: str) -> None:
        self._layout = Layout(embeddings_dir)
        config = read_config(self._layout)
        self._dimension = dimension_of(config)
        packed = config.get("layout", MIRROR) == PACKED
        self._packed = PackedReader(self._layout, self._dimension) if packed else None

    def read(self, recording_id: str, shard: int | None = None) -> RecordingTracks:
        """Read the tracks of one recording, in the order of docs/on-disk.md.

        Args:
            recording_id: of the recording.
            shard: that it belongs to (`RecordingIndex.shard`); None = look it up in the plan.

        Raises:
            StoreError: they are missing, damaged, of another schema or of another recording.
            KeyError: there is no such id.
        """
        if self._packed is None:
            if shard is None and not storage.exists(self._layout.tracks(recording_id)):
                self._shard(recording_id)  # is it in the plan at all?
            return read_mirrored(self._layout, recording_id, self._dimension)
        return self._packed.read(recording_id, self._shard(recording_id) if shard is None else shard)

    def _shard(self, recording_id: str) -> int:
        plan = read_rows_where(stored_at(self._layout.plan), "recording_id", recording_id)
        if not len(plan):
            ids = read_plan(self._layout, columns=["recording_id"])["recording_id"].to_pylist()
            raise UnknownRecordingError(self._layout.root, recording_id, ids)
        return int(plan["shard"][0].as_py())


def read_tracks(embeddings_dir: str, recording_id: str) -> RecordingTracks:
    """Read the tracks of one recording; `TracksReader` is faster for many.

    Raises:
        StoreError: as TracksReader and its `read`.
    """
    return TracksReader(embeddings_dir).read(recording_id)
