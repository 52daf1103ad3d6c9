"""One long recording in stage 1's store: its chunks are stored one by one, then joined; no network runs.

Called by `scaling.py archive`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch.distributed as dist
from stand_in_store import DIMENSION, SEG_WINDOW, SPEAKER_STEP

from diar.embedding.rows import ChunkEmbeddings, TrackRows, assemble
from diar.intervals import IntervalLists
from diar.jobs.extract.sections import RecordingSections

RATE = 16_000
CHUNK = 30  # seconds
_WINDOWS, _LOCAL = 60, 12  # sliding windows of a chunk, and its local speakers in seg_windows


def store_chunks(folder: Path, hours: int) -> None:
    """Store the chunks of a recording, each as a pass of its own."""
    sections = _sections(folder, hours)
    for index in range(sections.total):
        sections.write({index: _chunk(index)})


def join_chunks(folder: Path, hours: int) -> None:
    """Read the chunks again and join them, as the rank does that stored the last one."""
    chunks = _sections(folder, hours).load()
    assert len(assemble(chunks, RATE).tracks) == len(chunks) * (_WINDOWS + _LOCAL)


def _sections(folder: Path, hours: int) -> RecordingSections:
    sections = RecordingSections(str(folder), dist.HashStore(), "0", False, frozenset())
    sections.total = hours * 3600 // CHUNK
    return sections


def _chunk(index: int) -> ChunkEmbeddings:
    """Return a chunk in which somebody speaks all the time."""
    begin, end = index * CHUNK * RATE, (index + 1) * CHUNK * RATE
    core = np.array([[begin, end]])
    windows = begin + np.arange(6)[:, None] * 5 * RATE + np.array([0, round(SEG_WINDOW * RATE)])
    return ChunkEmbeddings(
        local=_rows(index, begin, _LOCAL, round(SEG_WINDOW / SPEAKER_STEP)),
        windows=windows,
        sliding=_rows(index, begin, _WINDOWS, 0),
        spare=False,
        core_embedding=np.ones(DIMENSION, np.float32),
        core_frames=1500,
        speech=core,
        single=core,
    )


def _rows(seed: int, begin: int, count: int, frames: int) -> TrackRows:
    vectors = np.random.default_rng(seed).standard_normal((count, DIMENSION), dtype=np.float32)
    spans = begin + np.arange(count)[:, None] * RATE // 2 + np.array([0, RATE])
    return TrackRows(
        spans=spans,
        local_speaker=np.zeros(count, np.int16),
        active=IntervalLists(spans, np.ones(count, np.int64)),
        clean=np.full(count, RATE),
        activity=np.full((count, frames), 250, np.uint8),
        embedding=vectors / np.linalg.norm(vectors, axis=1, keepdims=True),
        norm=np.linalg.norm(vectors, axis=1),
    )
