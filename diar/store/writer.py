"""Publishing tracks and shard indexes: a reader never sees half a file."""

from __future__ import annotations

from dataclasses import dataclass

from diar import storage
from diar.records import RecordingRow, Tracks
from diar.store.layout import PACKED, Layout
from diar.store.mirrored import published_row, write_mirrored
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

    def write_tracks(self, shard: int, row: RecordingRow, tracks: Tracks) -> None:
        """Write one recording of a shard; it is published at once."""
        write_mirrored(self.layout, row, tracks, self.footer)

    def write_shard(self, shard: int, rows: list[RecordingRow]) -> None:
        """Publish a shard's index, which marks the shard as done."""
        write_table(self.layout.shard(shard), index_table(rows, self.dimension), with_prefix(self.footer))

    def published(self, recording_id: str) -> RecordingRow | None:
        """Return the index row of a recording that an interrupted run has published, else None."""
        return published_row(self.layout, recording_id, self.metadata["fingerprint"])

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
        self._files.publish(shard, [row.recording_id for row in rows])
        super().write_shard(shard, rows)

    def published(self, recording_id: str) -> RecordingRow | None:
        """Return None: only whole shards are published."""
        return None

    def remove_tracks(self, recording_id: str) -> None:
        """Do nothing: the index decides which of a packed file's recordings count."""


def make_writer(arrangement: str, layout: Layout, dimension: int, metadata: dict[str, str]) -> Writer:
    """Return the writer for MIRROR or PACKED."""
    return (PackedWriter if arrangement == PACKED else Writer)(layout, dimension, metadata)
