"""What stored values may be: one look at all that is read, so that nobody behind it meets NaN or 10³⁰⁰.

A file can be valid Parquet or JSON and yet hold what stage 1 never wrote: by a fault of a disk or a program,
or because somebody meant harm. Limits are far beyond what stage 1 writes and far below what hurts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from diar.records import OK, SLIDING, ActivityFrames, RecordingRow, RecordingTracks, Tracks
from diar.store.schema import track_schema, with_norm

DAMAGED = "damaged"  # status of a recording of whose row or shard index nothing can be used
LONGEST = 3.6e6  # seconds of a recording: 1,000 hours
_SLACK = 60.0  # seconds by which a track or seg_window may reach beyond its recording
_LONGEST_WINDOW = 600.0  # seconds of a track or seg_window
_LONGEST_VECTOR = 1e9  # before its length became 1
_UNIT = 0.01  # by which the length of a vector may differ from 1
_STEPS = 1e-3, 1.0  # seconds from frame to frame
_MANY = 4_096  # local speakers of a seg_window, channels
_FAR = 1e10  # seconds on the clock of a file; also of a gap, which ends where a damaged header says

# Columns of the index, or fields of `RecordingRow`: least and most; those that may be null
_BOUNDS = {
    "duration": (0.0, LONGEST),
    "sample_rate": (0, 10**7),
    "channels": (0, 10**5),
    "speech_seconds": (0.0, LONGEST),
    "overlap_seconds": (0.0, LONGEST),
    "tracks": (0, 10**9),
    "audio_start": (-_FAR, _FAR),
    "audio_track": (0, 10**6),
    "audio_tracks": (0, 10**6),
    "bandwidth": (0.0, 1e7),
    "peak": (-1e4, 1e4),
    "level_range": (0.0, 1e4),
    "offset": (0.0, _FAR),
    "part_seconds": (0.0, _FAR),
    "size": (0, 2**63 - 1),
    "mtime": (-1e12, 1e12),
}
_LEADS_OUT = r"^/|^$|(^|/)\.\.(/|$)"  # of an id, out of the folder to which it is joined
_MAY_BE_NULL = frozenset(["peak", "level_range", "part_seconds", "embedding"])
_TEXTS = frozenset(["recording_id", "path", "status", "error", "channel", "sound"])


def with_types(table: pa.Table, schema: pa.Schema, names: Iterable[str] | None = None) -> pa.Table:
    """Return the columns of `schema`, or those of `names`, of its types.

    Raises:
        ValueError, pyarrow.ArrowException: one is missing, or of a type that has no place in the other.
    """
    wanted = list(schema.names if names is None else names)
    missing = [name for name in wanted if table.schema.get_field_index(name) < 0]
    if missing:
        raise ValueError(f"without the column {missing[0]}")
    columns = {name: table[name] for name in wanted}
    for name, column in columns.items():
        if name in schema.names and not column.type.equals(schema.field(name).type):
            columns[name] = column.cast(schema.field(name).type)
    return pa.table(columns)


def typed_tracks(table: pa.Table) -> pa.Table:
    """Return the tracks of one or more recordings in the columns of `track_schema`.

    Raises:
        ValueError, pyarrow.ArrowException: a column is missing, holds nulls, or is of another type.
    """
    place = table.schema.get_field_index("embedding")
    kind = pa.null() if place < 0 else table.schema.field(place).type
    if not pa.types.is_fixed_size_list(kind) or kind.list_size < 1:
        raise ValueError("without embeddings")
    schema = track_schema(kind.list_size)
    typed = with_types(with_norm(table), schema)
    empty = [
        name for name in typed.column_names if typed[name].null_count and not schema.field(name).nullable
    ]
    if empty:
        raise ValueError(f"nulls in {empty[0]}")
    return typed


def faults_of_rows(table: pa.Table) -> list[str]:
    """Return what is wrong with each row of an index, or of some of its columns; empty where nothing is."""
    faults = [""] * len(table)
    for name in table.column_names:
        for row in np.flatnonzero(~_good(name, table)).tolist():
            value = table[name][row].as_py()
            shown = "is no vector of length 1" if name == "embedding" else f"is {_shown(value)}"
            faults[row] = faults[row] or f"{name} {shown}"
    return faults


def _good(name: str, table: pa.Table) -> np.ndarray:
    """Return (n,) bool, whether a column of an index is what it may be."""
    column = table[name]
    valid = column.is_valid().to_numpy()
    if name in _BOUNDS:
        least, most = _BOUNDS[name]
        values = column.to_numpy()
        with np.errstate(invalid="ignore"):
            good = (values >= least) & (values <= most)
        return good | ~valid if name in _MAY_BE_NULL else good & valid
    if name == "embedding":
        read = table["status"].to_numpy() == OK if "status" in table.column_names else valid
        return ~read | _units(_vectors(column), valid)
    if name in ("gaps", "warnings") and not column.null_count:
        return _good_lists(name, column.combine_chunks())
    if name == "recording_id":
        return valid & ~pc.match_substring_regex(column, _LEADS_OUT).fill_null(True).to_numpy()
    return valid if name in _TEXTS or name in ("gaps", "warnings") else np.ones(len(valid), bool)


def _good_lists(name: str, column: pa.ListArray) -> np.ndarray:
    """Return (n,) bool, whether each list of gaps or of warnings holds what it may."""
    owner = np.repeat(np.arange(len(column)), pc.list_value_length(column).to_numpy())
    items = column.flatten()
    good = items.is_valid().to_numpy(zero_copy_only=False)
    if name == "gaps":
        start, end = (items.field(side).to_numpy(zero_copy_only=False) for side in ("start", "end"))
        good = good & (start >= -_SLACK) & (start <= end) & (end <= _FAR)
    faults: np.ndarray = np.bincount(owner[~good], minlength=len(column))
    return faults == 0


def _vectors(column: pa.ChunkedArray) -> np.ndarray:
    """Return the vectors that are not null, (n, D)."""
    parts = [chunk.flatten().to_numpy(zero_copy_only=False) for chunk in column.chunks]
    flat = np.concatenate(parts) if parts else np.empty(0, np.float32)
    return flat.reshape(-1, column.type.list_size)


def _units(vectors: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Return whether each is a vector of length 1, given which are there at all."""
    good = np.zeros(len(valid), bool)
    good[valid] = _are_units(vectors)
    return good


def _are_units(vectors: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore", invalid="ignore"):
        squares = np.einsum("ij,ij->i", vectors, vectors)
        return np.abs(squares - 1) < 2 * _UNIT


def check_row(row: RecordingRow) -> None:
    """Check a recording's own row.

    Raises:
        ValueError: a field is not what stage 1 writes.
        TypeError: it is of another type.
    """
    for name, (least, most) in _BOUNDS.items():
        value = getattr(row, name)
        if value is None and name in _MAY_BE_NULL:
            continue
        if isinstance(value, bool) or not least <= value <= most:
            raise ValueError(f"{name} is {_shown(value)}")
    for name in _TEXTS:
        if not isinstance(getattr(row, name), str):
            raise ValueError(f"{name} is {_shown(getattr(row, name))}")
    if re.search(_LEADS_OUT, row.recording_id):
        raise ValueError(f"recording_id is {_shown(row.recording_id)}")
    for start, end in row.gaps:
        if not -_SLACK <= start <= end <= _FAR:
            raise ValueError(f"a gap from {_shown(start)} to {_shown(end)} s")
    if not all(isinstance(text, str) for text in row.warnings):
        raise ValueError("a warning is no text")
    if row.embedding is not None and not _are_units(row.embedding.reshape(1, -1)).all():
        raise ValueError("embedding is no vector of length 1")


def check_tracks(stored: RecordingTracks, dimension: int | None) -> None:
    """Check all that one recording has; `dimension` is that of the extraction's embeddings, if it is known.

    Raises:
        ValueError: something is not what stage 1 writes.
        TypeError: it is of another type.
    """
    check_row(stored.recording)
    own = stored.recording.embedding
    expected = dimension or (None if own is None else len(own))
    for vectors in (stored.tracks.embedding, *([] if own is None else [own.reshape(1, -1)])):
        if expected not in (None, vectors.shape[1]):
            raise ValueError(f"embeddings of {vectors.shape[1]} numbers, not {expected}")
    _check_times(stored.tracks, stored.recording.duration + _SLACK)
    _check_numbers(stored.tracks)
    if stored.frames is not None:
        check_frames(stored.frames)
        _check_activity(stored.tracks, stored.frames)


def _check_times(tracks: Tracks, latest: float) -> None:
    for name, start, end in (
        ("a track", tracks.start, tracks.end),
        ("a seg_window", *tracks.windows.T),
        ("an active interval", *tracks.active.intervals.T),
    ):
        good = (start >= -_SLACK) & (start <= end) & (end <= latest) & (end - start <= _LONGEST_WINDOW)
        if not good.all():  # NaN is not
            row = int(np.argmin(good))
            raise ValueError(f"{name} from {_shown(start[row])} to {_shown(end[row])} s")


def _check_numbers(tracks: Tracks) -> None:
    for name, values, least, most in (
        ("local_speaker", tracks.local_speaker, SLIDING, _MANY),
        ("channel", tracks.channel, -1, _MANY),
        ("speech_seconds", tracks.speech_seconds, 0.0, _LONGEST_WINDOW),
        ("clean_seconds", tracks.clean_seconds, 0.0, _LONGEST_WINDOW),
    ):
        good = (values >= least) & (values <= most)
        if not good.all():
            raise ValueError(f"{name} is {_shown(values[int(np.argmin(good))])}")
    if tracks.norm is not None and not ((tracks.norm >= 0) & (tracks.norm <= _LONGEST_VECTOR)).all():
        raise ValueError("norm is no length of a vector")
    if len(tracks) and not _are_units(tracks.embedding).all():
        raise ValueError("embedding is no vector of length 1")


def check_frames(frames: ActivityFrames) -> None:
    """Check where frames lie; raise ValueError."""
    least, most = _STEPS
    if not least <= frames.step <= most:
        raise ValueError(f"activity_step is {_shown(frames.step)}")
    if not 0 <= frames.first_center <= 10:
        raise ValueError(f"activity_first_center is {_shown(frames.first_center)}")


def _check_activity(tracks: Tracks, frames: ActivityFrames) -> None:
    most = max(map(len, tracks.activity), default=0)
    if most * frames.step > _LONGEST_WINDOW:
        raise ValueError(f"activity of {most:,} frames in a track")
    local = tracks.local_speaker != SLIDING
    if local.any() and (
        not len(tracks.windows) or tracks.start[local].max() > tracks.windows[:, 0].max() + 1e-3
    ):
        raise ValueError("a local speaker of a seg_window that is not there")


def _shown(value: Any) -> str:
    """Return a value for a message, cut where it is long."""
    text = repr(value.item() if isinstance(value, np.generic) else value)
    return text if len(text) <= 40 else text[:39] + "…"
