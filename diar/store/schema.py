"""Arrow schemas between stage 1 and stage 2 (docs/on-disk.md).

Tracks: one row = one local speaker in one seg_window of one recording, or one sliding window.
Index:  one row = one recording.
Plan:   one row = one recording to do, with its shard.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa

from diar.intervals import IntervalLists
from diar.records import RecordingRow, Tracks

SCHEMA_VERSION = "4"

_DROPPED_BITS = 12  # of a track embedding's 24-bit mantissa
_INTERVALS = pa.list_(pa.struct([("start", pa.float64()), ("end", pa.float64())]))

PLAN_SCHEMA = pa.schema(
    [
        ("shard", pa.int32()),
        ("position", pa.int64()),
        ("recording_id", pa.string()),
        ("path", pa.string()),
        ("size", pa.int64()),
        ("mtime", pa.float64()),
        ("offset", pa.float64()),
        ("duration", pa.float64()),
        ("num_speakers", pa.int32()),
        ("label", pa.string()),
        ("reference", pa.string()),
    ]
)


@cache
def track_schema(dimension: int) -> pa.Schema:
    """Return the schema of a recording's tracks; `dimension` is the embedding's.

    Tracks that were written before `norm` came are read as well.
    """
    return pa.schema(
        [
            pa.field("recording_id", pa.string(), nullable=False),
            pa.field("start", pa.float64(), nullable=False),
            pa.field("end", pa.float64(), nullable=False),
            pa.field("channel", pa.int16(), nullable=False),
            pa.field("local_speaker", pa.int16(), nullable=False),
            pa.field("active", _INTERVALS, nullable=False),
            pa.field("speech_seconds", pa.float32(), nullable=False),
            pa.field("clean_seconds", pa.float32(), nullable=False),
            pa.field("activity", pa.binary(), nullable=False),
            pa.field("norm", pa.float32()),
            pa.field("embedding", pa.list_(pa.float32(), dimension), nullable=False),
        ]
    )


def index_schema(dimension: int) -> pa.Schema:
    """Return the schema of a shard index; `embedding` is null where the recording failed.

    Indices that were written before `tracks_sha256` and `level_range` came are read as well.
    """
    return pa.schema(
        [
            ("recording_id", pa.string()),
            ("path", pa.string()),
            ("status", pa.string()),
            ("error", pa.string()),
            ("duration", pa.float64()),
            ("sample_rate", pa.int32()),
            ("channels", pa.int32()),
            ("speech_seconds", pa.float64()),
            ("overlap_seconds", pa.float64()),
            ("tracks", pa.int32()),
            ("gaps", _INTERVALS),
            ("audio_start", pa.float64()),
            ("audio_track", pa.int32()),
            ("audio_tracks", pa.int32()),
            ("channel", pa.string()),
            ("bandwidth", pa.float32()),
            ("warnings", pa.list_(pa.string())),
            ("peak", pa.float32()),
            ("sound", pa.string()),
            ("offset", pa.float64()),
            ("part_seconds", pa.float64()),
            ("size", pa.int64()),
            ("mtime", pa.float64()),
            ("tracks_sha256", pa.string()),
            ("embedding", pa.list_(pa.float32(), dimension)),
            ("level_range", pa.float32()),
        ]
    )


def tracks_table(recordings: Sequence[tuple[str, Tracks]]) -> pa.Table:
    """Return the tracks of recordings (id and tracks; at least one) as a table without metadata."""
    ids, parts = zip(*recordings, strict=True)
    owner = np.repeat(np.arange(len(parts)), [len(tracks) for tracks in parts])

    def joined(name: str) -> np.ndarray:
        return np.concatenate([getattr(tracks, name) for tracks in parts])

    columns = [
        pa.array(ids, pa.string()).take(pa.array(owner)),
        pa.array(joined("start"), pa.float64()),
        pa.array(joined("end"), pa.float64()),
        pa.array(joined("channel"), pa.int16()),
        pa.array(joined("local_speaker"), pa.int16()),
        _arrow_lists(IntervalLists.concatenate([tracks.active for tracks in parts])),
        pa.array(joined("speech_seconds"), pa.float32()),
        pa.array(joined("clean_seconds"), pa.float32()),
        pa.array([row.tobytes() for tracks in parts for row in tracks.activity], pa.binary()),
        pa.chunked_array([_norms(tracks) for tracks in parts], pa.float32()).combine_chunks(),
        vectors(rounded(joined("embedding"))),
    ]
    return pa.Table.from_arrays(columns, schema=track_schema(parts[0].embedding.shape[1]))


def with_norm(table: pa.Table) -> pa.Table:
    """Return tracks with the column `norm`, null where they were written before it came."""
    if "norm" in table.column_names:
        return table
    place = table.schema.get_field_index("embedding")
    return table.add_column(place, pa.field("norm", pa.float32()), pa.nulls(len(table), pa.float32()))


def tracks_of(table: pa.Table, windows: np.ndarray) -> Tracks:
    """Return the tracks of one recording from its rows and its seg_windows (w, 2), which are in the footer.

    The inverse of `tracks_table`, except that embeddings are rounded.
    """
    return Tracks(
        start=table["start"].to_numpy(),
        end=table["end"].to_numpy(),
        local_speaker=table["local_speaker"].to_numpy(),
        active=_from_arrow_lists(table["active"].combine_chunks()),
        speech_seconds=table["speech_seconds"].to_numpy(),
        clean_seconds=table["clean_seconds"].to_numpy(),
        activity=[np.frombuffer(row, np.uint8) for row in table["activity"].to_pylist()],
        embedding=matrix(table["embedding"]),
        windows=windows,
        channel=table["channel"].to_numpy(),
        norm=None if table["norm"].null_count else table["norm"].to_numpy(),
    )


def _norms(tracks: Tracks) -> pa.Array:
    """Return the lengths of embeddings; nulls where they are not known."""
    return pa.nulls(len(tracks), pa.float32()) if tracks.norm is None else pa.array(tracks.norm, pa.float32())


def windows_to_lists(windows: np.ndarray) -> list[list[float]]:
    """Return seg_windows (w, 2) in seconds as lists for the footer; exact to a sample at 48 kHz."""
    return np.round(windows, 6).tolist()


def windows_from_lists(lists: list[list[float]]) -> np.ndarray:
    """Parse what `windows_to_lists` returned."""
    return np.array(lists, np.float64).reshape(-1, 2)


def index_table(rows: list[RecordingRow], dimension: int, sha256: Mapping[str, str]) -> pa.Table:
    """Return a shard's recordings as a table; `sha256` is that of the file of each one's tracks."""
    schema = index_schema(dimension)
    records = [
        {
            **vars(row),
            "gaps": _intervals(row.gaps),
            "tracks_sha256": sha256.get(row.recording_id) or None,
            "embedding": None,
        }
        for row in rows
    ]
    table = pa.Table.from_pylist(records, schema=schema)
    none = np.array([row.embedding is None for row in rows], bool)
    embeddings = np.zeros((len(rows), dimension), np.float32)
    for position in np.flatnonzero(~none):
        embeddings[position] = rows[position].embedding
    flat = pa.array(embeddings.reshape(-1))
    column = pa.FixedSizeListArray.from_arrays(flat, dimension, mask=pa.array(none))
    return table.set_column(schema.get_field_index("embedding"), schema.field("embedding"), column)


def row_from_columns(record: dict[str, Any]) -> RecordingRow:
    """Return a row from its columns, or some of them, as Python objects: the inverse of `index_table`."""
    known = {name: value for name, value in record.items() if name in RecordingRow.__dataclass_fields__}
    known["gaps"] = tuple((gap["start"], gap["end"]) for gap in record["gaps"])
    known["warnings"] = tuple(record["warnings"])
    if record.get("embedding") is not None:
        known["embedding"] = np.array(record["embedding"], np.float32)
    return RecordingRow(**known)


def rounded(matrix: np.ndarray) -> np.ndarray:
    """Round float32 to 12 significant bits, which compress to half; the relative error is at most 2⁻¹²."""
    bits = np.ascontiguousarray(matrix, np.float32).view(np.uint32)
    return ((bits + (1 << _DROPPED_BITS - 1)) >> _DROPPED_BITS << _DROPPED_BITS).view(np.float32)


def vectors(matrix: np.ndarray) -> pa.FixedSizeListArray:
    """Convert (n, D) float32 to Arrow fixed-size lists; a row of NaN becomes null."""
    flat = np.ascontiguousarray(matrix, dtype=np.float32).reshape(-1)
    none = np.isnan(matrix).all(axis=1)
    mask = pa.array(none) if none.any() else None
    return pa.FixedSizeListArray.from_arrays(pa.array(flat), matrix.shape[1], mask=mask)


def matrix(column: pa.ChunkedArray | pa.FixedSizeListArray) -> np.ndarray:
    """Convert fixed-size lists to (n, D) float32; a null becomes a row of NaN."""
    parts = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
    values = np.full((len(column), column.type.list_size), np.nan, np.float32)
    start = 0
    for part in parts:  # one after the other: ten million vectors are not copied as a whole
        valid = part.is_valid().to_numpy(zero_copy_only=False)
        there = part.flatten().to_numpy(zero_copy_only=False)
        values[start : start + len(part)][valid] = there.reshape(-1, values.shape[1])
        start += len(part)
    return values


def row_to_json(row: RecordingRow) -> str:
    """Format an index row for its Parquet footer, from which a resume restores it."""
    vector = None if row.embedding is None else row.embedding.astype("<f4").tobytes()
    text = None if vector is None else base64.b64encode(vector).decode("ascii")
    return json.dumps({**vars(row), "embedding": text})


def row_from_json(text: str) -> RecordingRow:
    """Parse what `row_to_json` returned."""
    record = json.loads(text)
    record["gaps"] = tuple((start, end) for start, end in record["gaps"])
    record["warnings"] = tuple(record["warnings"])
    if record["embedding"] is not None:
        record["embedding"] = np.frombuffer(base64.b64decode(record["embedding"]), "<f4")
    return RecordingRow(**record)


def _arrow_lists(lists: IntervalLists) -> pa.ListArray:
    """Convert intervals to lists of structs."""
    offsets = np.concatenate([[0], np.cumsum(lists.counts)])
    start, end = lists.intervals.T
    structs = pa.StructArray.from_arrays([pa.array(start), pa.array(end)], fields=list(_INTERVALS.value_type))
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), structs, type=_INTERVALS)


def _from_arrow_lists(array: pa.ListArray) -> IntervalLists:
    """Convert lists of structs to intervals."""
    times = [array.flatten().field(name).to_numpy() for name in ("start", "end")]
    return IntervalLists(np.stack(times, axis=1), np.diff(array.offsets.to_numpy()).astype(np.int64))


def _intervals(pairs: Any) -> list[dict[str, float]]:
    return [{"start": float(start), "end": float(end)} for start, end in pairs]
