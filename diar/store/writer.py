"""Publishing tracks and shard indexes: a reader never sees half a file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from diar.archive import storage
from diar.store.layout import Layout
from diar.store.schema import (
    SCHEMA_VERSION,
    RecordingRow,
    Tracks,
    index_table,
    row_to_json,
    tracks_table,
    windows_to_json,
)


@dataclass(frozen=True)
class Writer:
    """Writes one extraction's files.

    Attributes:
        layout: where they go.
        dimension: length of the embeddings.
        metadata: model, settings and fingerprint; goes into every footer under `diar.` keys.
    """

    layout: Layout
    dimension: int
    metadata: dict[str, str]

    def write_tracks(self, row: RecordingRow, tracks: Tracks) -> None:
        """Publish one recording's tracks with its index row in the footer."""
        footer = {
            **self._footer(),
            "diar.recording": row_to_json(row),
            "diar.segmentation_windows": windows_to_json(tracks.windows),
        }
        # Bytes of equal weight side by side, and no dictionary of values that do not repeat: docs/on-disk.md
        write_table(
            self.layout.tracks(row.recording_id),
            tracks_table(row.recording_id, tracks),
            footer,
            use_dictionary=["recording_id"],
            column_encoding={"embedding.list.element": "BYTE_STREAM_SPLIT"},
        )

    def write_shard(self, shard: int, rows: list[RecordingRow]) -> None:
        """Publish a shard's index, which marks the shard as done."""
        write_table(self.layout.shard(shard), index_table(rows, self.dimension), self._footer())

    def _footer(self) -> dict[str, str]:
        items = {"schema_version": SCHEMA_VERSION, **self.metadata}
        return {f"diar.{key}": value for key, value in items.items()}


def write_table(
    url: str, table: pa.Table, footer: dict[str, str], row_group_size: int = 65_536, **encoding: Any
) -> None:
    """Write `table` with `footer` metadata to `url`, atomically; `encoding` are options of Parquet."""
    with storage.open_atomic(url) as file:
        pq.write_table(
            table.replace_schema_metadata(footer),
            file,
            compression="zstd",
            row_group_size=row_group_size,
            **encoding,
        )
