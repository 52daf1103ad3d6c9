"""`verify` of tracks: their checksums, and their content against the index."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from diar import storage
from diar.custody.files import relative
from diar.custody.verification.findings import DAMAGED, MISSING, WRONG, Findings
from diar.records import OK, RecordingTracks
from diar.store.layout import Layout
from diar.store.mirrored import read_mirrored
from diar.store.packed import PackedReader
from diar.store.parquet import StoreError
from diar.store.sealed import ChecksumError, digest

_UNIT = 2e-3  # how far the length of a rounded embedding may be from 1
_SAME = ("path", "status", "duration", "speech_seconds", "tracks", "size", "mtime")  # in index and footer


class TracksCheck:
    """Looks at the tracks of finished shards.

    Args:
        layout: of the output.
        packed: whether a file holds several recordings.
        fingerprint: of the extraction.
        findings: where problems go.
        looked_at: told of each file.
    """

    def __init__(
        self,
        layout: Layout,
        packed: bool,
        fingerprint: str,
        findings: Findings,
        looked_at: Callable[[str], None],
    ) -> None:
        self._layout, self._packed, self._fingerprint = layout, packed, fingerprint
        self._findings, self._looked_at = findings, looked_at
        self._reader = PackedReader(layout)

    def check(self, shard: int, rows: list[dict[str, Any]]) -> None:
        """Look at the tracks of a shard, given its rows of the index, as the columns name their fields."""
        good: dict[str, bool] = {}  # whether each file is what was written
        for row in rows:
            if row["status"] != OK:
                continue
            recording_id = row["recording_id"]
            url = self._url(recording_id, shard)
            if url not in good:
                good[url] = self._check_file(url, row, shard)
                self._looked_at(url)
            if good[url]:
                self._check_content(url, row, shard)

    def _url(self, recording_id: str, shard: int) -> str:
        if self._packed:
            return self._layout.packed(self._layout.folder(recording_id), shard)
        return self._layout.tracks(recording_id)

    def _check_file(self, url: str, row: dict[str, Any], shard: int) -> bool:
        """Compare a file's bytes with its checksums; return whether it can be read on."""
        self._findings.counts["files"] += 1
        if not storage.exists(url):
            self._add(MISSING, url, "the file is not there", row, shard)
            return False
        try:
            with storage.open_binary(url) as file:
                found = digest(file)
        except ChecksumError as error:
            self._add(DAMAGED, url, str(error), row, shard)
            return False
        noted = row.get("tracks_sha256")
        if noted and found != noted:
            self._add(WRONG, url, "it is whole, but not the file that the index was written with", row, shard)
            return False
        return True

    def _check_content(self, url: str, row: dict[str, Any], shard: int) -> None:
        recording_id = row["recording_id"]
        try:
            if self._packed:
                stored = self._reader.read(recording_id, shard)
            else:
                stored = read_mirrored(self._layout, recording_id)
        except StoreError as error:
            self._add(DAMAGED, url, str(error), row, shard)
            return
        self._findings.counts["tracks"] += len(stored.tracks)
        if stored.metadata.get("fingerprint") != self._fingerprint:
            self._add(WRONG, url, "it belongs to another extraction", row, shard)
        elif complaint := _differing(stored, row) or _complaint(stored):
            self._add(WRONG, url, complaint, row, shard)

    def _add(self, kind: str, url: str, reason: str, row: dict[str, Any], shard: int) -> None:
        where = relative(self._layout.root, url)
        self._findings.add(kind, where, reason, recording_id=row["recording_id"], shard=shard)


def _differing(stored: RecordingTracks, row: dict[str, Any]) -> str:
    """Return how a file differs from its row of the index, empty if it does not."""
    for name in _SAME:
        told = getattr(stored.recording, name)
        if told != row[name]:
            return f"{name} is {told!r}, the index says {row[name]!r}"
    if len(stored.tracks) != row["tracks"]:
        return f"it holds {len(stored.tracks):,} tracks, the index says {row['tracks']:,}"
    own = stored.recording.embedding
    if own is None or not np.array_equal(own, row["embedding"]):
        return "its embedding is not that of the index"
    return ""


def _complaint(stored: RecordingTracks) -> str:
    """Return what is wrong with tracks, empty if nothing is."""
    tracks, duration = stored.tracks, stored.recording.duration
    times = (tracks.start, tracks.end, tracks.speech_seconds, tracks.clean_seconds, tracks.active.intervals)
    if not all(np.isfinite(one).all() for one in (*times, tracks.windows)):
        return "a time is not finite"
    if (tracks.start < 0).any() or (tracks.end < tracks.start).any():
        return "a track ends before it starts"
    if (tracks.start > duration).any():
        return f"a track starts after the end, {duration:.3f} s"
    if not np.isfinite(tracks.embedding).all():
        return "an embedding is not finite"
    norms = np.linalg.norm(tracks.embedding, axis=1)
    if (np.abs(norms - 1) > _UNIT).any():
        return f"an embedding has length {norms[np.argmax(np.abs(norms - 1))]:.4f}, not 1"
    return ""
