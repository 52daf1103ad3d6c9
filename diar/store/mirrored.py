"""Mirrored tracks: one Parquet file a recording, which also holds the recording's index row in its footer."""

from __future__ import annotations

import json

from diar import storage
from diar.records import OK, RecordingRow, RecordingTracks, Tracks
from diar.store.checks import check_row, check_tracks, typed_tracks
from diar.store.layout import Layout
from diar.store.parquet import StoreError, TracksFile, checked_footer, footer_of, open_parquet, parsing
from diar.store.schema import (
    row_from_json,
    row_to_json,
    tracks_of,
    tracks_table,
    windows_from_lists,
    windows_to_lists,
)
from diar.store.sealed import ChecksumError, digest


def write_mirrored(layout: Layout, row: RecordingRow, tracks: Tracks, footer: dict[str, str]) -> str:
    """Publish one recording; return the SHA-256 of its file.

    `footer` holds what all files of the extraction have in common.
    """
    entries = {
        "recording": row_to_json(row),
        "segmentation_windows": json.dumps(windows_to_lists(tracks.windows), separators=(",", ":")),
    }
    dimension = tracks.embedding.shape[1]
    with storage.open_atomic(layout.tracks(row.recording_id)) as file, TracksFile(file, dimension) as parquet:
        parquet.write(tracks_table([(row.recording_id, tracks)]))
        parquet.set_footer({**footer, **entries})
    return parquet.sha256


def read_mirrored(layout: Layout, recording_id: str, dimension: int | None = None) -> RecordingTracks:
    """Read one recording of embeddings of so many numbers, if that is known.

    Raises:
        StoreError: its file is missing, damaged, of another schema or of another recording.
    """
    url = layout.tracks(recording_id)
    remedy = f"remove {layout.shards} and run stage 1 again: it computes only what is missing"
    with open_parquet(url, remedy) as parquet:
        metadata, table = parquet.metadata, parquet.read(use_threads=False)
    with parsing(url, remedy):
        footer = checked_footer(url, metadata)
        recording = row_from_json(footer.pop("recording"))
        windows = windows_from_lists(json.loads(footer.pop("segmentation_windows")))
        if recording.recording_id != recording_id:
            raise StoreError(
                f"{url} holds tracks of {recording.recording_id[:300]!r}, not of {recording_id!r}"
            )
        stored = RecordingTracks.of(recording, tracks_of(typed_tracks(table), windows), footer)
        check_tracks(stored, dimension)
        return stored


def published_row(layout: Layout, recording_id: str, fingerprint: str) -> RecordingRow | None:
    """Return the index row of a recording whose tracks are published under `fingerprint`, else None."""
    found = published(layout, recording_id, fingerprint)
    return None if found is None else found[0]


def published(layout: Layout, recording_id: str, fingerprint: str) -> tuple[RecordingRow, str] | None:
    """Return the index row of a recording, and the SHA-256 of its file, if `published_row` finds it.

    One with damaged tracks is not published: it is done again.
    """
    url = layout.tracks(recording_id)
    if not storage.exists(url):
        return None
    try:
        with storage.open_binary(url) as file:
            sha256 = digest(file)
        with open_parquet(url, "") as parquet:
            footer = footer_of(parquet.metadata)
        if footer.get("fingerprint") != fingerprint or "recording" not in footer:
            return None
        with parsing(url, "publish it again"):
            row = row_from_json(footer["recording"])
            check_row(row)
    except (StoreError, ChecksumError):
        return None  # not a file of ours, or a damaged one; publishing replaces it
    return (row, sha256) if row.recording_id == recording_id and row.status == OK else None
