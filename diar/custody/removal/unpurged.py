"""Recordings that were purged from a result stay out of it (docs/custody.md)."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
import pyarrow as pa

from diar import storage
from diar.custody.removal.tombstone import Tombstone, of_result
from diar.store.layout import Layout
from diar.store.reader import RecordingIndex, finished_rows, load_index
from diar.wording import counted, plural

logger = logging.getLogger(__name__)


def load_unpurged(embeddings_dir: str, output_dir: str) -> RecordingIndex:
    """Load an index without what was purged from the result in `output_dir`.

    Raises:
        DiarError: as `load_index`, or the tombstone is damaged.
    """
    index = load_index(embeddings_dir)
    if storage.local_path(output_dir) is None:
        return index  # refused later, with the reason
    tombstone = Tombstone.read(of_result(output_dir))
    stays = tombstone.lets_in(index.recording_id)
    if stays.all():
        return index
    count = int((~stays).sum())
    logger.info(
        "%s %s purged from this result and left out", counted(count, "recording"), plural(count, "was")
    )
    return _take(index, np.flatnonzero(stays))


def unpurged_names(embeddings_dir: str, output_dir: str) -> list[tuple[str, str]]:
    """Return id and URL of every recording that `load_unpurged` loads, without their embeddings.

    Raises:
        DiarError: not stage 1's output, or the tombstone is damaged.
    """
    rows = finished_rows(Layout(embeddings_dir), ["recording_id", "path"])
    names = list(zip(rows["recording_id"].to_pylist(), rows["path"].to_pylist(), strict=True))
    if storage.local_path(output_dir) is None:
        return names
    tombstone = Tombstone.read(of_result(output_dir))
    return [(recording_id, url) for recording_id, url in names if not tombstone.holds(recording_id)]


def _take(index: RecordingIndex, rows: np.ndarray) -> RecordingIndex:
    def chosen(values: list[str]) -> list[str]:
        return [values[row] for row in rows.tolist()]

    return replace(
        index,
        recording_id=chosen(index.recording_id),
        path=chosen(index.path),
        status=chosen(index.status),
        error=chosen(index.error),
        duration=index.duration[rows],
        speech_seconds=index.speech_seconds[rows],
        embedding=index.embedding[rows],
        shard=index.shard[rows],
        details=index.details.take(pa.array(rows)).combine_chunks(),
    )
