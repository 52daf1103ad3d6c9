"""Publishing tracks and shard indexes: a reader never sees half a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from diar import storage
from diar.records import OK, RecordingRow, Tracks
from diar.store.layout import PACKED, Layout
from diar.store.mirrored import published, write_mirrored
from diar.store.packed import PackedFiles
from diar.store.parquet import with_prefix, write_table
from diar.store.schema import SCHEMA_VERSION, index_table


@dataclass(frozen=True)
class Writer:
    """Writes the files of one extraction, tracks in a file a recording. Threads may share a writer.

    Attributes:
        layout: where they go.
        dimension: length of the embeddings.
        metadata: model, settings and fingerprint; goes into every footer under `diar.` keys.
    """

    layout: Layout
    dimension: int
    metadata: dict[str, str]
    _sha256: dict[str, str] = field(default_factory=dict, init=False, repr=False, compare=False)

    def write_tracks(self, shard: int, row: RecordingRow, tracks: Tracks) -> None:
        """Write one recording of a shard; it is published at once."""
        self._sha256[row.recording_id] = write_mirrored(self.layout, row, tracks, self.footer)

    def write_shard(self, shard: int, rows: list[RecordingRow]) -> None:
        """Publish a shard's index, which marks the shard as done."""
        known = {row.recording_id: self._sha256.pop(row.recording_id, "") for row in rows}
        self._write_index(shard, rows, known)

    def _write_index(self, shard: int, rows: list[RecordingRow], sha256: Mapping[str, str]) -> None:
        """Write the index; `sha256` is that of each recording's file, empty where there is none."""
        table = index_table(rows, self.dimension, sha256)
        write_table(self.layout.shard(shard), table, with_prefix(self.footer))

    def published(self, recording_id: str) -> RecordingRow | None:
        """Return the index row of a recording that an interrupted run has published, else None."""
        found = published(self.layout, recording_id, self.metadata["fingerprint"])
        if found is None:
            return None
        self._sha256[recording_id] = found[1]
        return found[0]

    def remove_tracks(self, recording_id: str) -> None:
        """Delete what an earlier run published of a recording that fails now."""
        storage.remove(self.layout.tracks(recording_id))

    @property
    def footer(self) -> dict[str, str]:
        """What every file says of the extraction."""
        return {"schema_version": SCHEMA_VERSION, **self.metadata}


class PackedWriter(Writer):
    """Writes tracks in a file a folder and shard, when the shard is finished."""

    def __init__(self, layout: Layout, dimension: int, metadata: dict[str, str]) -> None:
        super().__init__(layout, dimension, metadata)
        self._files = PackedFiles(layout, dimension, self.footer)

    def write_tracks(self, shard: int, row: RecordingRow, tracks: Tracks) -> None:
        """Add one recording of a shard; several shards may be open at a time."""
        self._files.add(shard, row.recording_id, tracks)

    def write_shard(self, shard: int, rows: list[RecordingRow]) -> None:
        """Publish a shard's tracks, then its index."""
        files = self._files.publish(shard, [row.recording_id for row in rows])
        with_tracks = (row.recording_id for row in rows if row.status == OK)
        self._write_index(shard, rows, {id_: files.get(self.layout.folder(id_), "") for id_ in with_tracks})

    def published(self, recording_id: str) -> RecordingRow | None:
        """Return None: only whole shards are published."""
        return None

    def remove_tracks(self, recording_id: str) -> None:
        """Do nothing: the index decides which of a packed file's recordings count."""


def make_writer(arrangement: str, layout: Layout, dimension: int, metadata: dict[str, str]) -> Writer:
    """Return the writer for MIRROR or PACKED."""
    return (PackedWriter if arrangement == PACKED else Writer)(layout, dimension, metadata)
