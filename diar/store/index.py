"""The index of a shard, the plan, the configuration and a pipeline as they are read: damage is named."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from diar import storage
from diar.records import ActivityFrames, RecordingRow
from diar.store.absent import no_extraction
from diar.store.checks import DAMAGED, check_frames, faults_of_rows, with_types
from diar.store.earlier_names import stored_at
from diar.store.layout import MIRROR, PACKED, Layout
from diar.store.parquet import StoreError, open_parquet, parsing, read_rows_where, read_table
from diar.store.schema import PLAN_SCHEMA, SCHEMA_VERSION, index_schema, index_table

_REMEDY = "run stage 1 again to restore it"
_PIPELINE_REMEDY = "run stage 1 again with the same `pipeline` to restore it"
_SHOWN = 40  # characters of a version, which may be of any length
_MOST_NUMBERS = 65_536  # of an embedding
_LATER = ("tracks_sha256", "level_range")  # columns that earlier indices lack


def read_config(layout: Layout) -> dict[str, Any]:
    """Read what stage 1 noted about itself in `_extraction/config.json`.

    Raises:
        StoreError: there is none, or it has another schema version.
    """
    if not storage.exists(layout.config):
        raise StoreError(no_extraction(layout.root))
    with parsing(layout.config, "extract again"):
        config: dict[str, Any] = dict(json.loads(storage.read_bytes(layout.config)))
    version = config.get("schema_version")
    if version != SCHEMA_VERSION:
        raise StoreError(
            f"{layout.root} has schema version {str(version)[:_SHOWN]}, not {SCHEMA_VERSION}; "
            "use the diar version that wrote it, or extract again"
        )
    with parsing(layout.config, "extract again"):
        _check_config(config)
    return config


def _check_config(config: dict[str, Any]) -> None:
    """Check what stage 1 noted of itself.

    Raises:
        ValueError, TypeError, KeyError: it is not what stage 1 writes.
    """
    metadata = config["metadata"]
    if not isinstance(config["input_dir"], str) or config.get("layout", MIRROR) not in (MIRROR, PACKED):
        raise ValueError("`input_dir` or `layout` is none")
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise ValueError("`metadata` holds no texts by name")
    if "model" not in metadata:
        raise ValueError("`metadata` names no model")
    dimension_of(config)
    if "activity_step" in metadata:
        times = (float(metadata[key]) for key in ("activity_first_center", "activity_step"))
        check_frames(ActivityFrames(*times))


def dimension_of(config: dict[str, Any]) -> int | None:
    """Return how many numbers an embedding of the extraction has; None where it does not tell."""
    told = config["metadata"].get("embedding_dim")
    if told is None:
        return None
    dimension = int(told)
    if not 1 <= dimension <= _MOST_NUMBERS:
        raise ValueError(f"`embedding_dim` is {told}")
    return dimension


def read_plan(layout: Layout, columns: list[str] | None = None) -> pa.Table:
    """Read the plan, or some columns of it; raise StoreError where it is damaged."""
    url = stored_at(layout.plan)
    plan = read_table(url, columns=columns)
    with parsing(url, _REMEDY):
        return _checked_plan(plan, columns)


def read_planned(layout: Layout, shard: int) -> pa.Table:
    """Read one shard's part of the plan."""
    url = stored_at(layout.plan)
    planned = read_rows_where(url, "shard", shard)
    with parsing(url, _REMEDY):
        return _checked_plan(planned, None)


def _checked_plan(plan: pa.Table, columns: list[str] | None) -> pa.Table:
    """Return the plan, or some columns of it, in its types.

    Raises:
        ValueError, pyarrow.ArrowException: a column is missing, of another type, or contradicts itself.
    """
    typed = with_types(plan, PLAN_SCHEMA, plan.schema.names if columns is None else columns)
    for name in {"shard", "position", "recording_id", "path"} & {*typed.column_names}:
        if typed[name].null_count:
            raise ValueError(f"nulls in {name}")
    if "shard" in typed.column_names:
        shards = typed["shard"].to_numpy()
        if len(shards) and (shards[0] < 0 or (np.diff(shards) < 0).any()):
            raise ValueError("its shards do not ascend")
    return typed


def read_index(
    layout: Layout, shard: int, columns: list[str] | None, planned: pa.Table, dimension: int | None
) -> pa.Table:
    """Read the index of a finished shard, or some columns; rows that are damaged have the status DAMAGED.

    Args:
        layout: of the output.
        shard: its number.
        columns: None = all.
        planned: the shard's recordings, `recording_id` and `path`, which it has where it cannot be read.
        dimension: of the embeddings; None = as in the file.
    """
    url = stored_at(layout.shard(shard))
    try:
        table = read_table(url, _REMEDY, columns=columns).replace_schema_metadata(None)
        with parsing(url, _REMEDY):
            return _without_faults(url, _typed(table, columns, dimension), planned, dimension)
    except StoreError as error:
        return _lost(planned, str(error), columns, dimension)


def _typed(table: pa.Table, columns: list[str] | None, dimension: int | None) -> pa.Table:
    wanted = index_schema(1).names if columns is None else columns
    for name in _LATER:
        if name in wanted and name not in table.column_names:
            table = table.append_column(name, pa.nulls(len(table), index_schema(1).field(name).type))
    size = dimension
    if "embedding" in wanted:
        kind = table.schema.field("embedding").type
        if not pa.types.is_fixed_size_list(kind) or size not in (None, kind.list_size):
            raise ValueError(f"embeddings are {kind}" + ("" if size is None else f", not of {size} numbers"))
        size = kind.list_size
    return with_types(table, index_schema(size or 1), wanted)


def _without_faults(url: str, table: pa.Table, planned: pa.Table, dimension: int | None) -> pa.Table:
    """Return the rows with those that are damaged replaced by rows that say so."""
    if table["recording_id"].null_count:
        raise ValueError("nulls in recording_id")
    faults = faults_of_rows(table)
    if not any(faults):
        return table
    bad = np.array([bool(fault) for fault in faults])
    path = dict(zip(planned["recording_id"].to_pylist(), planned["path"].to_pylist(), strict=True))
    lost = [
        RecordingRow(
            id_, path.get(id_, ""), DAMAGED, f"{url} is damaged ({fault}); delete it, then {_REMEDY}"
        )
        for id_, fault in zip(table["recording_id"].to_pylist(), faults, strict=True)
        if fault
    ]
    joined = pa.concat_tables([table.filter(pa.array(~bad)), _index_of(lost, table.column_names, dimension)])
    return joined.take(pa.array(np.argsort(np.concatenate([np.flatnonzero(~bad), np.flatnonzero(bad)]))))


def _index_of(rows: list[RecordingRow], columns: list[str] | None, dimension: int | None) -> pa.Table:
    table = index_table(rows, dimension or 1, {})
    return table if columns is None else table.select(columns)


def first_dimension(layout: Layout, shards: Iterable[int]) -> int | None:
    """Return the numbers of an embedding by the first index that can be read."""
    for shard in shards:
        try:
            with open_parquet(stored_at(layout.shard(shard)), _REMEDY) as parquet:
                kind = parquet.schema_arrow.field("embedding").type
        except (StoreError, KeyError):
            continue
        if pa.types.is_fixed_size_list(kind):
            return int(kind.list_size)
    return None


def _lost(planned: pa.Table, error: str, columns: list[str] | None, dimension: int | None) -> pa.Table:
    """Return rows of a shard's recordings whose index cannot be read."""
    ids, paths = planned["recording_id"].to_pylist(), planned["path"].to_pylist()
    rows = [RecordingRow(id_, path, DAMAGED, error) for id_, path in zip(ids, paths, strict=True)]
    return _index_of(rows, columns, dimension)


@dataclass(frozen=True)
class StoredPipeline:
    """A pipeline's numbers by name, and the arrays of its PLDA model."""

    numbers: dict[str, Any]
    arrays: dict[str, np.ndarray]


def read_pipeline(embeddings_dir: str, metadata: Mapping[str, str]) -> StoredPipeline | None:
    """Return the pipeline of an extraction; None where its networks are of none.

    Args:
        embeddings_dir: the extraction.
        metadata: that stage 1 noted of itself.

    Raises:
        StoreError: the PLDA model is missing or damaged.
    """
    layout = Layout(embeddings_dir)
    with parsing(layout.config, "extract again"):
        numbers = json.loads(metadata.get("settings", "{}")).get("pipeline")
    if numbers is None:
        return None
    if not storage.exists(layout.plda):
        raise StoreError(f"{layout.plda} is missing; {_PIPELINE_REMEDY}")
    with parsing(layout.plda, _PIPELINE_REMEDY), np.load(io.BytesIO(storage.read_bytes(layout.plda))) as file:
        return StoredPipeline(numbers, {name: file[name] for name in file.files})
