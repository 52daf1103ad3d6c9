"""Packed tracks: one Parquet file for all recordings of a shard that lie in one folder.

Rows wait in memory until the shard is finished, so that the file holds them in archive order. Where they are
too many (long recordings), they go to the file as they come; the file is hidden until the shard is finished.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from threading import Lock

import numpy as np
import pyarrow as pa

from diar import storage
from diar.records import RecordingTracks, Tracks
from diar.store.checks import check_tracks, typed_tracks
from diar.store.layout import Layout
from diar.store.parquet import StoreError, TracksFile, checked_footer, open_parquet, parsing, read_table
from diar.store.schema import row_from_columns, tracks_of, tracks_table, windows_from_lists, windows_to_lists

_WAITING_ROWS = 16_384  # about 20 MB


@dataclass(frozen=True)
class PackedContents:
    """Whose rows a packed file holds, in the order of its rows."""

    recording_id: list[str]
    tracks: list[int]  # rows of each
    segmentation_windows: list[list[list[float]]]  # (w, 2) seconds of each

    def extend(self, recordings: Sequence[tuple[str, Tracks]]) -> None:
        """Note that the rows of `recordings` follow."""
        self.recording_id.extend(recording_id for recording_id, _ in recordings)
        self.tracks.extend(len(tracks) for _, tracks in recordings)
        self.segmentation_windows.extend(windows_to_lists(tracks.windows) for _, tracks in recordings)

    def to_json(self) -> str:
        """Return the text for the footer."""
        return json.dumps(vars(self), separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> PackedContents:
        """Parse what `to_json` returned."""
        found = cls(**json.loads(text))
        lengths = {len(found.recording_id), len(found.tracks), len(found.segmentation_windows)}
        if len(lengths) > 1 or not all(type(rows) is int and rows >= 0 for rows in found.tracks):
            raise ValueError("its contents contradict each other")
        return found


class PackedFiles:
    """The files of unfinished shards; threads may share one.

    Args:
        layout: where they go.
        dimension: length of the embeddings.
        footer: what every file says of the extraction.
    """

    def __init__(self, layout: Layout, dimension: int, footer: dict[str, str]) -> None:
        self._layout, self._dimension, self._footer = layout, dimension, footer
        self._lock = Lock()
        self._open: dict[int, dict[str, _PackedFile]] = {}  # shard → folder → file

    def add(self, shard: int, recording_id: str, tracks: Tracks) -> None:
        """Add one recording."""
        folder = self._layout.folder(recording_id)
        with self._lock:
            files = self._open.setdefault(shard, {})
            if folder not in files:
                files[folder] = _PackedFile(self._layout.packed(folder, shard), self._dimension)
        files[folder].add(recording_id, tracks)

    def publish(self, shard: int, order: Sequence[str]) -> dict[str, str]:
        """Publish a shard's files; return the SHA-256 of each, by folder.

        `order` holds the ids of its recordings in archive order.
        """
        with self._lock:
            files = self._open.pop(shard, {})
        place = {recording_id: position for position, recording_id in enumerate(order)}
        return {folder: file.publish(place, self._footer) for folder, file in files.items()}


class _PackedFile:
    """One file; until `publish` it is a hidden temporary file, which an unfinished run removes."""

    def __init__(self, url: str, dimension: int) -> None:
        self._url, self._dimension = url, dimension
        self._lock = Lock()
        self._waiting: list[tuple[str, Tracks]] = []
        self._waiting_rows = 0
        self._open = ExitStack()
        self._parquet: TracksFile | None = None
        self._contents = PackedContents([], [], [])

    def add(self, recording_id: str, tracks: Tracks) -> None:
        with self._lock:
            self._waiting.append((recording_id, tracks))
            self._waiting_rows += len(tracks)
            if self._waiting_rows >= _WAITING_ROWS:
                self._write()

    def publish(self, place: Mapping[str, int], footer: dict[str, str]) -> str:
        """Write the rest, in the order of `place`, and the footer; return the file's SHA-256."""
        with self._lock:
            self._waiting.sort(key=lambda recording: place[recording[0]])
            parquet = self._write()
            parquet.set_footer({**footer, "recordings": self._contents.to_json()})
            self._open.close()
            return parquet.sha256

    def _write(self) -> TracksFile:
        """Write the rows that wait; open the file if it is not open yet."""
        try:
            if self._parquet is None:
                file = self._open.enter_context(storage.open_atomic(self._url))
                self._parquet = self._open.enter_context(TracksFile(file, self._dimension))
            if self._waiting:
                self._parquet.write(tracks_table(self._waiting))
        except BaseException:
            with self._open:  # after an exception, this removes the temporary file
                raise
        self._contents.extend(self._waiting)
        self._waiting, self._waiting_rows = [], 0
        return self._parquet


def packed_contents(url: str, remedy: str) -> tuple[dict[str, str], PackedContents]:
    """Read the footer of a packed file: what it says of the extraction, and whose rows it holds.

    Raises:
        StoreError: it is missing, damaged or of another schema; the message ends with `remedy`.
    """
    with open_parquet(url, remedy) as parquet:
        metadata = parquet.metadata
    with parsing(url, remedy):
        footer = checked_footer(url, metadata)
        return footer, PackedContents.from_json(footer.pop("recordings"))


class PackedReader:
    """Reads recordings out of packed files; keeps the contents and rows of the last file."""

    def __init__(self, layout: Layout, dimension: int | None = None) -> None:
        self._layout, self._dimension = layout, dimension
        self._last: _OpenedFile | None = None

    def read(self, recording_id: str, shard: int) -> RecordingTracks:
        """Read one recording of a shard.

        Raises:
            StoreError: its file is missing, damaged, of another schema or without the recording.
        """
        url = self._layout.packed(self._layout.folder(recording_id), shard)
        if self._last is None or self._last.url != url:
            self._last = _OpenedFile(url, self._layout.shard(shard))
        return self._last.read(recording_id, self._dimension)


class _OpenedFile:
    """Contents of one packed file, and the rows read last."""

    def __init__(self, url: str, index_url: str) -> None:
        self.url = url
        self._remedy = f"remove {index_url} and run stage 1 again: it does that shard again"
        with open_parquet(url, self._remedy) as parquet:
            metadata = parquet.metadata
        with parsing(url, self._remedy):
            self._footer = checked_footer(url, metadata)
            contents = PackedContents.from_json(self._footer.pop("recordings"))
            self._place = {recording_id: i for i, recording_id in enumerate(contents.recording_id)}
            self._borders = np.cumsum([0, *contents.tracks])  # of the recordings' rows
            self._windows = contents.segmentation_windows
            if int(self._borders[-1]) != metadata.num_rows:
                raise ValueError(f"{metadata.num_rows} rows, not {self._borders[-1]}")
        counts = [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)]
        self._group_borders = np.cumsum([0, *counts])
        self._groups, self._rows = range(0), pa.table({})
        self._index = read_table(index_url)
        with parsing(index_url, self._remedy):
            self._index_row = {id_: i for i, id_ in enumerate(self._index["recording_id"].to_pylist())}

    def read(self, recording_id: str, dimension: int | None) -> RecordingTracks:
        if recording_id not in self._place or recording_id not in self._index_row:
            raise StoreError(f"{self.url} holds no tracks of {recording_id!r}; {self._remedy}")
        place = self._place[recording_id]
        rows = self._read_rows(*self._borders[place : place + 2].tolist())
        with parsing(self.url, self._remedy):
            tracks = tracks_of(typed_tracks(rows), windows_from_lists(self._windows[place]))
            row = row_from_columns(self._index.slice(self._index_row[recording_id], 1).to_pylist()[0])
            stored = RecordingTracks.of(row, tracks, self._footer)
            check_tracks(stored, dimension)
            return stored

    def _read_rows(self, start: int, end: int) -> pa.Table:
        first = int(np.searchsorted(self._group_borders, start, "right")) - 1
        groups = range(first, int(np.searchsorted(self._group_borders, end, "left")))
        if groups != self._groups:
            with open_parquet(self.url, self._remedy) as parquet:
                self._rows = parquet.read_row_groups(list(groups), use_threads=False)
            self._groups = groups
        return self._rows.slice(start - int(self._group_borders[first]), end - start)
