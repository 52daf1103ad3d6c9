"""One rank's work on one shard: decoded chunks in, published recordings and a shard index out."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import numpy as np

from diar.archive import storage
from diar.archive.listing import Recording
from diar.config import ExtractConfig
from diar.extract.chunks import Chunk, ChunkSettings
from diar.extract.decoding import ChunkReader, DecodedChunk
from diar.extract.devices import DEFAULT_BATCH_SECONDS
from diar.extract.memory import return_free_memory
from diar.extract.progress import Counters
from diar.extract.rows import ChunkEmbeddings, assemble
from diar.extract.tracks import TrackEmbedder
from diar.store.reader import published_row
from diar.store.schema import OK, RecordingRow
from diar.store.writer import Writer

log = logging.getLogger(__name__)

# How much waits for chunks of equal length, in forward passes: more fills batches better, but costs memory
_WAITING_BATCHES = 8
_WRITE_THREADS = 2
_PASSES_TO_TRIM = 16  # forward passes after which free memory is given back


@dataclass
class _Unfinished:
    """A recording whose chunks are still coming."""

    chunks: dict[int, ChunkEmbeddings] = field(default_factory=dict)
    row: RecordingRow | None = None  # there once everything is decoded
    num_chunks: int = 0

    @property
    def complete(self) -> bool:
        if self.row is None:
            return False
        return self.row.status != OK or len(self.chunks) == self.num_chunks


class Batches:
    """Collects chunks of several recordings into forward passes of one length each.

    Args:
        count_frames: fbank frames of so many samples; chunks with the same number fit together.
        full: samples of a full forward pass.
    """

    def __init__(self, count_frames: Callable[[int], int], full: int) -> None:
        self._count_frames = count_frames
        self._full = full
        self._waiting: dict[int, list[tuple[int, Chunk]]] = defaultdict(list)  # number of frames → chunks
        self._samples = 0

    def add(self, position: int, chunk: Chunk) -> Iterator[list[tuple[int, Chunk]]]:
        """Take one chunk in; yields the batches that are now due."""
        frames = self._count_frames(len(chunk.samples))
        group = self._waiting[frames]
        group.append((position, chunk))
        self._samples += len(chunk.samples)
        if len(group) * len(chunk.samples) >= self._full:
            yield self._take(frames)
        while self._samples > _WAITING_BATCHES * self._full:
            yield self._take(max(self._waiting, key=lambda n: n * len(self._waiting[n])))

    def rest(self) -> Iterator[list[tuple[int, Chunk]]]:
        """Everything that still waits."""
        while self._waiting:
            yield self._take(next(iter(self._waiting)))

    def _take(self, frames: int) -> list[tuple[int, Chunk]]:
        group = self._waiting.pop(frames)
        self._samples -= sum(len(chunk.samples) for _, chunk in group)
        return group


class ShardWorker:
    """Turns the recordings of a shard into published tracks.

    Args:
        config: the run's options.
        settings: chunk lengths in samples.
        embedder: the model on this rank's device.
        writer: of this extraction.
        counters: updated as the work goes on.
    """

    def __init__(
        self,
        config: ExtractConfig,
        settings: ChunkSettings,
        embedder: TrackEmbedder,
        writer: Writer,
        counters: Counters,
    ) -> None:
        self._config = config
        self._settings = settings
        self._embedder = embedder
        self._writer = writer
        self._counters = counters
        self._passes = 0
        batch_seconds = config.batch_seconds or DEFAULT_BATCH_SECONDS[embedder.device.type]
        self._full_batch = round(batch_seconds * settings.rate)  # samples

    def run(self, shard: int, recordings: list[Recording]) -> None:
        """Do one shard; recordings that an interrupted run has published are not computed again."""
        rows: dict[int, RecordingRow] = {}
        for position, recording in enumerate(recordings):
            row = self._published(recording)
            if row is not None:
                rows[position] = row
                self._counters.skipped_files += 1
                self._counters.skipped_bytes += recording.size
        todo = [(position, r) for position, r in enumerate(recordings) if position not in rows]
        for position, row in self._compute(todo):
            rows[position] = row
            self._count(row, recordings[position])
        self._writer.write_shard(shard, [rows[position] for position in range(len(recordings))])

    def _published(self, recording: Recording) -> RecordingRow | None:
        row = published_row(self._writer.layout, recording.recording_id, self._writer.metadata["fingerprint"])
        unchanged = row is not None and (row.size, row.mtime) == (recording.size, recording.mtime)
        return row if unchanged else None

    def _compute(self, todo: list[tuple[int, Recording]]) -> Iterator[tuple[int, RecordingRow]]:
        """Decode, embed and publish; yields each recording's row once it is on disk."""
        reader = ChunkReader(
            todo,
            self._settings,
            channel=self._config.channel,
            min_duration=self._config.min_duration,
            threads=self._config.decode_threads,
            ahead=max(8, 2 * self._full_batch // self._settings.length),
        )
        with reader, ThreadPoolExecutor(_WRITE_THREADS, thread_name_prefix="write") as pool:
            written: list[tuple[int, Future[RecordingRow]]] = []
            for position, unfinished in self._embed(reader):
                assert unfinished.row is not None
                if unfinished.row.status != OK:
                    yield position, unfinished.row
                    continue
                written.append((position, pool.submit(self._publish, unfinished)))
                while len(written) > 64 or (written and written[0][1].done()):
                    yield written[0][0], self._wait(written.pop(0)[1])
            for position, future in written:
                yield position, self._wait(future)

    def _embed(self, reader: ChunkReader) -> Iterator[tuple[int, _Unfinished]]:
        """Recordings in the order in which they get complete."""
        batches = Batches(self._embedder.count_frames, self._full_batch)
        open_recordings: dict[int, _Unfinished] = {}

        def completed(positions: set[int]) -> Iterator[tuple[int, _Unfinished]]:
            for position in sorted(positions & open_recordings.keys()):
                if open_recordings[position].complete:
                    yield position, open_recordings.pop(position)

        for item in self._counters.timed("decode_wait_seconds", reader):
            unfinished = open_recordings.setdefault(item.position, _Unfinished())
            if isinstance(item, DecodedChunk):
                for batch in batches.add(item.position, item.chunk):
                    yield from completed(self._forward(batch, open_recordings))
            else:
                unfinished.row, unfinished.num_chunks = item.row, item.num_chunks
                yield from completed({item.position})
        for batch in batches.rest():
            yield from completed(self._forward(batch, open_recordings))

    def _forward(self, batch: list[tuple[int, Chunk]], open_recordings: dict[int, _Unfinished]) -> set[int]:
        """Embed one batch; returns the recordings that it belongs to."""
        with self._counters.timing("compute_seconds"):
            embeddings = self._embedder.embed([chunk for _, chunk in batch])
        self._passes += 1
        if self._passes % _PASSES_TO_TRIM == 0:
            return_free_memory()
        for (position, chunk), embedded in zip(batch, embeddings, strict=True):
            if position in open_recordings:  # else its decoding failed further on
                open_recordings[position].chunks[chunk.index] = embedded
        return {position for position, _ in batch}

    def _publish(self, recording: _Unfinished) -> RecordingRow:
        assert recording.row is not None
        ordered = [recording.chunks[index] for index in range(recording.num_chunks)]
        made = assemble(ordered, self._settings.rate)
        if not (np.isfinite(made.embedding).all() and np.isfinite(made.tracks.embedding).all()):
            message = "the encoder gave values that are not finite"
            return replace(recording.row, status="not_finite", error=message)
        row = replace(
            recording.row,
            embedding=made.embedding,
            tracks=len(made.tracks),
            speech_seconds=made.speech_seconds,
            overlap_seconds=made.overlap_seconds,
        )
        self._writer.write_tracks(row, made.tracks)
        return row

    def _wait(self, future: Future[RecordingRow]) -> RecordingRow:
        with self._counters.timing("write_wait_seconds"):
            return future.result()

    def _count(self, row: RecordingRow, recording: Recording) -> None:
        self._counters.files += 1
        self._counters.bytes += recording.size
        self._counters.audio_seconds += row.duration
        if row.status != OK:
            storage.remove(self._writer.layout.tracks(row.recording_id))  # of an earlier, better version
            self._counters.failed += 1
            log.warning("%s: %s: %s", row.status, row.recording_id, row.error)
