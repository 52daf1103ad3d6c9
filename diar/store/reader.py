"""Reading what stage 1 stored."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from diar.archive import storage
from diar.errors import DiarError
from diar.store.layout import Layout
from diar.store.schema import (
    OK,
    SCHEMA_VERSION,
    RecordingRow,
    Tracks,
    matrix,
    row_from_json,
    tracks_of,
    windows_from_json,
)


class StoreError(DiarError):
    """A directory that is no (complete) extraction output, or a damaged file in one."""


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
    metadata: dict[str, str]  # model, model_sha256, fingerprint, schema_version, …
    input: str  # root of the archive
    unfinished: int  # recordings planned but not yet done

    def __len__(self) -> int:
        return len(self.recording_id)


@dataclass(frozen=True)
class ActivityFrames:
    """Where the frames of `Tracks.activity` lie: frame i is centred at start + first_center + i × step."""

    first_center: float  # seconds
    step: float  # seconds


@dataclass(frozen=True)
class RecordingTracks:
    """One recording as stage 1 stored it."""

    recording: RecordingRow
    tracks: Tracks
    frames: ActivityFrames | None  # None where stage 1 had no segmentation model: sliding windows only
    metadata: dict[str, str]  # as in RecordingIndex


def load_index(embeddings_dir: str) -> RecordingIndex:
    """Every recording that stage 1 finished, in archive order.

    Raises:
        StoreError: `embeddings_dir` was not written by stage 1, has no finished shard or another schema.
    """
    layout = Layout(embeddings_dir)
    config = read_config(layout)
    table = finished_rows(layout)
    if not len(table):
        raise StoreError(
            f"{embeddings_dir}: no shard is finished; run extract_embeddings_multigpu.py (again)"
        )
    return RecordingIndex(
        recording_id=table["recording_id"].to_pylist(),
        path=table["path"].to_pylist(),
        status=table["status"].to_pylist(),
        error=table["error"].to_pylist(),
        duration=table["duration"].to_numpy(),
        speech_seconds=table["speech_seconds"].to_numpy(),
        embedding=matrix(table["embedding"]),
        metadata=config["metadata"],
        input=config["input_dir"],
        unfinished=count_planned(layout) - len(table),
    )


def read_config(layout: Layout) -> dict[str, Any]:
    """What stage 1 noted about itself in `_extraction/config.json`.

    Raises:
        StoreError: there is none, or it has another schema version.
    """
    if not storage.exists(layout.config):
        raise StoreError(f"{layout.root} holds no embeddings of stage 1 ({layout.config} is missing)")
    config: dict[str, Any] = json.loads(storage.read_bytes(layout.config))
    if config.get("schema_version") != SCHEMA_VERSION:
        raise StoreError(
            f"{layout.root} has schema version {config.get('schema_version')}, not {SCHEMA_VERSION}; "
            "use the diar version that wrote it, or extract again"
        )
    return config


def read_plan(layout: Layout, columns: list[str] | None = None, shard: int | None = None) -> pa.Table:
    """The plan, or one shard's part of it."""
    filters = None if shard is None else [("shard", "=", shard)]
    return _read(layout.plan, columns=columns, filters=filters)


def read_offsets(embeddings_dir: str) -> dict[str, float]:
    """Seconds into its file at which a recording begins, for those that are parts of a file."""
    plan = read_plan(Layout(embeddings_dir), columns=["recording_id", "offset"])
    offsets = plan["offset"].to_numpy()
    rows = np.flatnonzero(offsets > 0)
    return dict(zip(plan["recording_id"].take(rows).to_pylist(), offsets[rows].tolist(), strict=True))


def read_shard(layout: Layout, shard: int, columns: list[str] | None = None) -> pa.Table:
    """Index of a finished shard, with its footer metadata."""
    return _read(layout.shard(shard), columns=columns)


def done_shards(layout: Layout) -> list[int]:
    """Numbers of the finished shards, ascending."""
    names = storage.list_names(layout.shards)
    return sorted(int(match[1]) for name in names if (match := re.fullmatch(r"(\d+)\.parquet", name)))


def count_planned(layout: Layout) -> int:
    """Recordings in the plan."""
    return len(read_plan(layout, columns=["position"]))


def finished_rows(layout: Layout, columns: list[str] | None = None) -> pa.Table:
    """Rows of all finished shards that the plan still points to, in archive order; maybe none.

    A recording that is tried again or has changed moves to a new shard; its row in the old one is then stale.
    """
    shards = done_shards(layout)
    if not shards:
        return pa.table({name: [] for name in columns or ["recording_id"]})
    wanted = None if columns is None else list(dict.fromkeys(["recording_id", *columns]))
    tables = [read_shard(layout, shard, wanted).replace_schema_metadata(None) for shard in shards]
    rows = pa.concat_tables(tables)
    # Acero joins no list columns, so join row numbers and take
    shard_of_row = np.repeat(shards, [len(table) for table in tables]).astype(np.int32)
    keys = pa.table(
        {"shard": shard_of_row, "recording_id": rows["recording_id"], "row": np.arange(len(rows))}
    )
    plan = read_plan(layout, columns=["shard", "position", "recording_id"])
    joined = keys.join(plan, ["shard", "recording_id"], join_type="inner", use_threads=False)
    kept = joined.sort_by("position")
    return rows.take(kept["row"])


def failures(layout: Layout) -> list[dict[str, str]]:
    """Recording id, status and error of every recording that failed."""
    rows = finished_rows(layout, ["recording_id", "status", "error"])
    return [row for row in rows.to_pylist() if row["status"] != OK]


def read_tracks(embeddings_dir: str, recording_id: str) -> RecordingTracks:
    """The tracks of one recording, in the order of docs/on-disk.md.

    Raises:
        StoreError: they are missing, damaged, of another schema or of another recording.
    """
    layout = Layout(embeddings_dir)
    url = layout.tracks(recording_id)
    remedy = f"remove {layout.shards} and run stage 1 again: it computes only what is missing"
    table = _read(url, remedy)
    try:
        return _parse_tracks(url, table, recording_id)
    except (KeyError, TypeError, ValueError) as error:  # no checksum covers a Parquet footer
        raise StoreError(
            f"{url} is damaged ({type(error).__name__}: {error}); delete it, then {remedy}"
        ) from None


def _parse_tracks(url: str, table: pa.Table, recording_id: str) -> RecordingTracks:
    metadata = _metadata(table.schema)
    version = metadata.pop("schema_version", None)
    if version != SCHEMA_VERSION:
        raise StoreError(f"{url} has schema version {version}, not {SCHEMA_VERSION}; extract it again")
    recording = row_from_json(metadata.pop("recording"))
    windows = windows_from_json(metadata.pop("segmentation_windows"))
    if recording.recording_id != recording_id:
        raise StoreError(f"{url} holds tracks of {recording.recording_id!r}, not of {recording_id!r}")
    frames = None
    if "activity_step" in metadata:
        frames = ActivityFrames(float(metadata["activity_first_center"]), float(metadata["activity_step"]))
    return RecordingTracks(recording, tracks_of(table, windows), frames, metadata)


def published_row(layout: Layout, recording_id: str, fingerprint: str) -> RecordingRow | None:
    """Index row of a recording whose tracks are already published under `fingerprint`, else None."""
    url = layout.tracks(recording_id)
    if not storage.exists(url):
        return None
    try:
        with storage.open_binary(url) as file:
            metadata = _metadata(pq.read_schema(file))
    except pa.ArrowInvalid:
        return None  # not a file of ours; publishing replaces it
    if metadata.get("fingerprint") != fingerprint or "recording" not in metadata:
        return None
    row = row_from_json(metadata["recording"])
    return row if row.recording_id == recording_id and row.status == OK else None


def _metadata(schema: pa.Schema) -> dict[str, str]:
    items = {k.decode(): v.decode() for k, v in (schema.metadata or {}).items()}
    return {k.removeprefix("diar."): v for k, v in items.items() if k.startswith("diar.")}


def _read(url: str, remedy: str = "run stage 1 again to restore it", **options: Any) -> pa.Table:
    if not storage.exists(url):
        raise StoreError(f"{url} is missing; {remedy}")
    try:
        with storage.open_binary(url) as file:
            # Arrow's threads on a Python file abort the process at its exit now and then (pyarrow 26)
            return pq.read_table(file, use_threads=False, **options)
    except (pa.ArrowException, OSError) as error:  # Arrow's decompression fails with OSError
        raise StoreError(f"{url} cannot be read ({error}); delete it, then {remedy}") from None
