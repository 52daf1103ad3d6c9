"""The records that pass from stage 1 to stage 2, and their Arrow schemas (docs/on-disk.md).

Tracks: one row = one local speaker in one window of one recording.
Index:  one row = one recording.
Plan:   one row = one recording to do, with its shard.
"""

from __future__ import annotations

import base64
import json
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

SCHEMA_VERSION = "1"
OK = "ok"

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
    ]
)


@dataclass(frozen=True)
class Tracks:
    """All tracks of one recording, n rows; times in seconds from the recording's start."""

    start: np.ndarray  # (n,) float64
    end: np.ndarray  # (n,) float64
    local_speaker: np.ndarray  # (n,) int16, numbered within the window
    active: list[list[tuple[float, float]]]  # intervals in which the local speaker speaks
    speech_seconds: np.ndarray  # (n,) float32
    clean_seconds: np.ndarray  # (n,) float32, without overlapped speech
    embedding: np.ndarray  # (n, D) float32, L2-normalised

    def __len__(self) -> int:
        return len(self.start)


@dataclass(frozen=True)
class RecordingRow:
    """What the shard index says of one recording; times in seconds."""

    recording_id: str
    path: str
    status: str = OK  # or the kind of failure
    error: str = ""  # the reason in words
    duration: float = 0.0
    sample_rate: int = 0
    channels: int = 0
    speech_seconds: float = 0.0
    overlap_seconds: float = 0.0
    tracks: int = 0
    gaps: tuple[tuple[float, float], ...] = ()  # damaged, zero-filled parts
    size: int = 0  # bytes and mtime of the source when it was read
    mtime: float = 0.0
    embedding: np.ndarray | None = None  # (D,) float32, L2-normalised; None unless status is ok


def track_schema(dimension: int) -> pa.Schema:
    """Schema of a recording's tracks; `dimension` is the embedding's."""
    return pa.schema(
        [
            pa.field("recording_id", pa.string(), nullable=False),
            pa.field("start", pa.float64(), nullable=False),
            pa.field("end", pa.float64(), nullable=False),
            pa.field("local_speaker", pa.int16(), nullable=False),
            pa.field("active", _INTERVALS, nullable=False),
            pa.field("speech_seconds", pa.float32(), nullable=False),
            pa.field("clean_seconds", pa.float32(), nullable=False),
            pa.field("embedding", pa.list_(pa.float32(), dimension), nullable=False),
        ]
    )


def index_schema(dimension: int) -> pa.Schema:
    """Schema of a shard index; `embedding` is null where the recording failed."""
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
            ("size", pa.int64()),
            ("mtime", pa.float64()),
            ("embedding", pa.list_(pa.float32(), dimension)),
        ]
    )


def tracks_table(recording_id: str, tracks: Tracks) -> pa.Table:
    """Arrow table of one recording's tracks, without metadata."""
    dimension = tracks.embedding.shape[1]
    schema = track_schema(dimension)
    columns = [
        pa.array([recording_id] * len(tracks), pa.string()),
        pa.array(tracks.start, pa.float64()),
        pa.array(tracks.end, pa.float64()),
        pa.array(tracks.local_speaker, pa.int16()),
        pa.array([_intervals(intervals) for intervals in tracks.active], _INTERVALS),
        pa.array(tracks.speech_seconds, pa.float32()),
        pa.array(tracks.clean_seconds, pa.float32()),
        vectors(tracks.embedding),
    ]
    return pa.Table.from_arrays(columns, schema=schema)


def index_table(rows: list[RecordingRow], dimension: int) -> pa.Table:
    """Arrow table of a shard's recordings."""
    records = [
        {
            **vars(row),
            "gaps": _intervals(row.gaps),
            "embedding": None if row.embedding is None else row.embedding.tolist(),
        }
        for row in rows
    ]
    return pa.Table.from_pylist(records, schema=index_schema(dimension))


def vectors(matrix: np.ndarray) -> pa.FixedSizeListArray:
    """(n, D) float32 → Arrow fixed-size lists without a copy of each row."""
    flat = np.ascontiguousarray(matrix, dtype=np.float32).reshape(-1)
    return pa.FixedSizeListArray.from_arrays(pa.array(flat), matrix.shape[1])


def matrix(column: pa.ChunkedArray | pa.FixedSizeListArray) -> np.ndarray:
    """Fixed-size lists → (n, D) float32; a null becomes a row of NaN."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    dimension = array.type.list_size
    values = np.full((len(array), dimension), np.nan, np.float32)
    valid = array.is_valid().to_numpy(zero_copy_only=False)
    values[valid] = array.flatten().to_numpy(zero_copy_only=False).reshape(-1, dimension)
    return values


def row_to_json(row: RecordingRow) -> str:
    """The index row as it is kept in its Parquet footer, from which a resume restores it."""
    vector = None if row.embedding is None else row.embedding.astype("<f4").tobytes()
    record: dict[str, Any] = {**asdict(replace(row, embedding=None))}
    record["embedding"] = None if vector is None else base64.b64encode(vector).decode("ascii")
    return json.dumps(record)


def row_from_json(text: str) -> RecordingRow:
    """Inverse of `row_to_json`."""
    record = json.loads(text)
    record["gaps"] = tuple((start, end) for start, end in record["gaps"])
    if record["embedding"] is not None:
        record["embedding"] = np.frombuffer(base64.b64decode(record["embedding"]), "<f4")
    return RecordingRow(**record)


def _intervals(pairs: Any) -> list[dict[str, float]]:
    return [{"start": float(start), "end": float(end)} for start, end in pairs]
