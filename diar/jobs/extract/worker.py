"""One rank's work: decoded chunks in, published recordings and shard indexes out."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import numpy as np

from diar.archive.listing import Recording
from diar.embed.chunks import ChunkSettings
from diar.embed.embedder import TrackEmbedder
from diar.embed.pipeline import Batch, Batches, Embedded, Key, PassPipeline
from diar.embed.rows import ChunkEmbeddings, assemble
from diar.jobs.extract.config import ExtractConfig
from diar.jobs.extract.decoding import ChunkReader
from diar.jobs.extract.memory import return_free_memory
from diar.jobs.extract.profiling import Profiler
from diar.jobs.extract.resources import Sizes
from diar.jobs.progress.counters import Counters
from diar.reading import ReadChunk, ReadSettings
from diar.records import OK, RecordingRow
from diar.store.writer import Writer

log = logging.getLogger(__name__)

_WRITE_THREADS = 2
_WAITING_WRITES = 64  # recordings, before the loop waits for them
_SECONDS_TO_TRIM = 600.0  # of audio, after which free memory is given back


@dataclass
class _OpenShard:
    """A shard that is being worked on."""

    recordings: list[Recording]
    rows: dict[int, RecordingRow]  # by position, of what is finished

    @property
    def complete(self) -> bool:
        return len(self.rows) == len(self.recordings)


@dataclass
class _Unfinished:
    """A recording whose chunks are still coming."""

    chunks: dict[int, ChunkEmbeddings] = field(default_factory=dict)
    row: RecordingRow | None = None  # there once everything is decoded
    num_chunks: int = 0  # decoded so far
    counted: int = 0  # of its bytes

    @property
    def complete(self) -> bool:
        if self.row is None:
            return False
        return self.row.status != OK or len(self.chunks) == self.num_chunks


class ShardWorker:
    """Turns the recordings of shards into published tracks.

    The next shard is begun as soon as the last one is decoded, so that the device never runs dry; an index is
    written when the last recording of its shard is published.

    Args:
        config: the run's options.
        settings: chunk lengths in samples.
        embedder: the model on this rank's device.
        writer: of this extraction.
        counters: updated as the work goes on.
        profiler: told of every forward pass.
        sizes: how much is decoded and computed at once.
    """

    def __init__(
        self,
        config: ExtractConfig,
        settings: ChunkSettings,
        embedder: TrackEmbedder,
        writer: Writer,
        counters: Counters,
        profiler: Profiler,
        sizes: Sizes,
    ) -> None:
        self._config = config
        self._settings = settings
        self._writer = writer
        self._counters = counters
        self._profiler = profiler
        self._sizes = sizes
        full = round(sizes.batch_seconds * settings.rate)
        self._batches = Batches[Key](embedder.count_frames, full, sizes.passes_waiting)
        self._pipeline = PassPipeline[Key](embedder, self._use_smaller_batches)
        self._shards: dict[int, _OpenShard] = {}
        self._recordings: dict[Key, _Unfinished] = {}
        self._trimmed = 0.0

    def run(self, shards: Iterable[tuple[int, list[Recording]]]) -> None:
        """Do shards; recordings that an interrupted run has published are not computed again.

        `shards` is taken from in the decoding threads, one shard at a time.
        """
        reader = ChunkReader(
            self._todo(shards),
            ReadSettings(self._settings, self._config.channel, self._config.min_duration, self._config.track),
            threads=self._sizes.decode_threads,
            processes=self._sizes.decode_processes,
            ahead=round(self._sizes.passes_ahead * self._batches.full),
            counters=self._counters,
        )
        with reader, ThreadPoolExecutor(_WRITE_THREADS, thread_name_prefix="write") as pool:
            written: list[tuple[Key, _Unfinished, Future[RecordingRow]]] = []
            for key, unfinished in self._embed(reader):
                written.append((key, unfinished, pool.submit(self._publish, key.shard, unfinished)))
                while len(written) > _WAITING_WRITES or (written and written[0][2].done()):
                    self._settle(*written.pop(0))
            for waiting in written:
                self._settle(*waiting)

    def _todo(self, shards: Iterable[tuple[int, list[Recording]]]) -> Iterator[tuple[Key, Recording]]:
        """What is not published yet."""
        for number, recordings in shards:
            shard = _OpenShard(recordings, {})
            for position, recording in enumerate(recordings):
                row = self._published(recording)
                if row is not None:
                    shard.rows[position] = row
                    self._counters.add("skipped_files", 1)
                    self._counters.add("skipped_bytes", recording.size)
            todo = [position for position in range(len(recordings)) if position not in shard.rows]
            self._shards[number] = shard
            if not todo:
                self._close_shard(number)
            for position in todo:
                yield Key(number, position), recordings[position]

    def _published(self, recording: Recording) -> RecordingRow | None:
        row = self._writer.published(recording.recording_id)
        if row is None or (row.size, row.mtime) != (recording.size, recording.mtime):
            return None
        same_part = (row.offset, row.part_seconds) == (recording.offset, recording.duration)
        return row if same_part else None

    def _embed(self, reader: ChunkReader) -> Iterator[tuple[Key, _Unfinished]]:
        """Recordings in the order in which they get complete."""
        for key, item in self._counters.timed("decode_wait_seconds", reader):
            unfinished = self._recordings.setdefault(key, _Unfinished())
            if isinstance(item, RecordingRow):
                unfinished.row = item
                yield from self._completed([key])
                continue
            unfinished.num_chunks += 1
            for batch in self._batches.add(key, item.chunk):
                yield from self._take_in(self._push(batch))
            self._note_share(key, item, unfinished)
        for batch in self._batches.rest():
            yield from self._take_in(self._push(batch))
        with self._counters.timing("compute_seconds"):
            ready = self._pipeline.flush()
        yield from self._take_in(ready)

    def _push(self, batch: Batch[Key]) -> list[Embedded[Key]]:
        """One forward pass; returns what is finished by now, which may be of an earlier one."""
        with self._counters.timing("compute_seconds"):
            ready = self._pipeline.push(batch)
        self._profiler.step()
        return ready

    def _take_in(self, embedded: list[Embedded[Key]]) -> Iterator[tuple[Key, _Unfinished]]:
        """Keep embedded chunks; yields the recordings that are complete with them."""
        for key, chunk, made in embedded:
            start, end = chunk.core
            self._counters.add("audio_seconds", (end - start) / self._settings.rate)
            if key in self._recordings:  # else its decoding failed further on
                self._recordings[key].chunks[chunk.index] = made
        if self._counters.audio_seconds - self._trimmed > _SECONDS_TO_TRIM:
            self._trimmed = self._counters.audio_seconds
            return_free_memory()
        yield from self._completed(dict.fromkeys(key for key, _, _ in embedded))

    def _completed(self, keys: Iterable[Key]) -> Iterator[tuple[Key, _Unfinished]]:
        for key in keys:
            if key in self._recordings and self._recordings[key].complete:
                yield key, self._recordings.pop(key)

    def _note_share(self, key: Key, item: ReadChunk, unfinished: _Unfinished) -> None:
        """Count a recording's bytes as it is read; what is then missing is counted when it is published."""
        size = self._shards[key.shard].recordings[key.position].size
        counted = int(item.share * size)
        if counted > unfinished.counted:
            self._counters.add("bytes", counted - unfinished.counted)
            unfinished.counted = counted

    def _use_smaller_batches(self, chunks: int) -> None:
        self._batches.full = min(self._batches.full, chunks * self._settings.length)

    def _publish(self, shard: int, recording: _Unfinished) -> RecordingRow:
        assert recording.row is not None
        if recording.row.status != OK:
            return recording.row
        with self._counters.timing("rows_step"):
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
        with self._counters.timing("write_step"):
            self._writer.write_tracks(shard, row, made.tracks)
        return row

    def _settle(self, key: Key, unfinished: _Unfinished, future: Future[RecordingRow]) -> None:
        """Wait for a recording to be published, and close its shard if it was the last."""
        with self._counters.timing("write_wait_seconds"):
            row = future.result()
        shard = self._shards[key.shard]
        self._counters.add("bytes", shard.recordings[key.position].size - unfinished.counted)
        self._count(row)
        shard.rows[key.position] = row
        if shard.complete:
            self._close_shard(key.shard)

    def _close_shard(self, number: int) -> None:
        shard = self._shards.pop(number)
        with self._counters.timing("write_step"):
            rows = [shard.rows[position] for position in range(len(shard.recordings))]
            self._writer.write_shard(number, rows)

    def _count(self, row: RecordingRow) -> None:
        self._counters.add("files", 1)
        if row.status != OK:
            self._writer.remove_tracks(row.recording_id)  # of an earlier, better version
            self._counters.add("failed", 1)
            log.warning("%s: %s: %s", row.status, row.recording_id, row.error)
