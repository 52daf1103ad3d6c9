"""One rank's work on the recordings of its shards: read → batch → embed → assemble → write.

`ChunkReader` reads. `Batches` and `PassPipeline` (diar/embedding/pipeline.py) batch and embed.
`OpenRecordings` collects the chunks of each recording. `Publisher` assembles the recording and writes it.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from diar.archive.recording import Recording
from diar.embedding.embedder import TrackEmbedder
from diar.embedding.pipeline import Batch, Batches, Embedded, PassPipeline
from diar.embedding.rows import ChunkEmbeddings
from diar.jobs.extract.decoding import ChunkReader
from diar.jobs.extract.memory import return_free_memory
from diar.jobs.extract.plan import Key
from diar.jobs.extract.profiling import Profiler
from diar.jobs.extract.publishing import EmbeddedRecording, OpenShards, Publisher
from diar.jobs.extract.resources import Sizes
from diar.jobs.progress.counters import Counters
from diar.reading import ReadSettings
from diar.records import OK, RecordingRow
from diar.store.writer import Writer

_WRITE_THREADS = 2
_TRIM_EVERY = 5.0  # seconds, after which free memory is given back


class ShardWorker:
    """Turns the recordings of shards into published tracks.

    It begins the next shard as soon as the last one is decoded, so that the device never runs dry.

    Args:
        reading: how recordings are read.
        embedder: the networks on this rank's device.
        writer: of this extraction.
        counters: of this rank, updated as the work goes on.
        profiler: told of every forward pass.
        sizes: how much is decoded and computed at once.
    """

    def __init__(
        self,
        reading: ReadSettings,
        embedder: TrackEmbedder,
        writer: Writer,
        counters: Counters,
        profiler: Profiler,
        sizes: Sizes,
    ) -> None:
        self._reading = reading
        self._writer = writer
        self._counters = counters
        self._profiler = profiler
        self._sizes = sizes
        full = round(sizes.batch_seconds * reading.chunks.rate)
        self._batches = Batches[Key](embedder.count_frames, full, sizes.passes_waiting)
        self._pipeline = PassPipeline[Key](embedder, self._use_smaller_batches)
        self._shards = OpenShards(writer, counters)
        self._recordings = OpenRecordings(counters)
        self._trimmed = time.monotonic()  # when free memory was given back

    def run(self, shards: Iterable[tuple[int, list[Recording]]]) -> None:
        """Do shards, without the recordings that an interrupted run has published.

        The decoding threads take from `shards`, one shard at a time.
        """
        reader = self._read(self._shards.unpublished(shards))
        with reader, ThreadPoolExecutor(_WRITE_THREADS, thread_name_prefix="write") as threads:
            publisher = Publisher(
                threads, self._writer, self._shards, self._reading.chunks.rate, self._counters
            )
            for recording in self._embed(reader):
                publisher.submit(recording)
            publisher.finish()

    def _read(self, recordings: Iterable[tuple[Key, Recording]]) -> ChunkReader:
        return ChunkReader(
            recordings,
            self._reading,
            threads=self._sizes.decode_threads,
            processes=self._sizes.decode_processes,
            ahead=round(self._sizes.passes_ahead * self._batches.full),
            counters=self._counters,
        )

    def _embed(self, reader: ChunkReader) -> Iterator[EmbeddedRecording]:
        """Yield recordings in the order in which their last chunk is embedded."""
        for key, item in self._counters.timed("decode_wait_seconds", reader):
            if isinstance(item, RecordingRow):
                yield from self._recordings.add_row(key, item)
                continue
            read = int(item.share * self._shards.recording(key).size)
            self._recordings.add_decoded(key, item.chunk.index, read)
            for batch in self._batches.add(key, item.chunk):
                yield from self._collect(self._push(batch))
        for batch in self._batches.rest():
            yield from self._collect(self._push(batch))
        yield from self._collect(self._flush())

    def _push(self, batch: Batch[Key]) -> list[Embedded[Key]]:
        """Start a forward pass; return the chunks that are embedded by now, which may be of earlier ones."""
        with self._counters.timing("compute_seconds"):
            ready = self._pipeline.push(batch)
        self._profiler.step()
        return ready

    def _flush(self) -> list[Embedded[Key]]:
        with self._counters.timing("compute_seconds"):
            return self._pipeline.flush()

    def _collect(self, embedded: list[Embedded[Key]]) -> Iterator[EmbeddedRecording]:
        """Keep embedded chunks; yield the recordings that are complete with them."""
        for _, chunk, _ in embedded:
            start, end = chunk.core
            self._counters.add("audio_seconds", (end - start) / self._reading.chunks.rate)
        self._trim_memory()
        yield from self._recordings.add_embedded(embedded)

    def _trim_memory(self) -> None:
        if time.monotonic() - self._trimmed > _TRIM_EVERY:
            return_free_memory()
            self._trimmed = time.monotonic()

    def _use_smaller_batches(self, chunks: int) -> None:
        self._batches.full = min(self._batches.full, chunks * self._reading.chunks.length)


@dataclass
class _OpenRecording:
    """A recording whose chunks are still coming."""

    chunks: dict[int, ChunkEmbeddings] = field(default_factory=dict)  # by index
    row: RecordingRow | None = None  # there once everything is decoded
    read_with: dict[int, int] = field(default_factory=dict)  # bytes read up to each decoded chunk, by index
    read: int = 0  # of its bytes
    counted: int = 0  # of its bytes, as they are embedded

    def complete(self, key: Key) -> EmbeddedRecording | None:
        """Return the recording for publishing; None while chunks or the row are missing."""
        if self.row is None or (self.row.status == OK and len(self.chunks) < len(self.read_with)):
            return None
        ordered = [self.chunks[index] for index in sorted(self.chunks)]
        return EmbeddedRecording(key, self.row, ordered, self.counted)


class OpenRecordings:
    """Collects the embedded chunks and the row of each recording until it is complete.

    Its bytes are counted as they are read, then as they are embedded; the publisher counts those that are
    then missing.

    Args:
        counters: of this rank.
    """

    def __init__(self, counters: Counters) -> None:
        self._counters = counters
        self._open: dict[Key, _OpenRecording] = {}

    def add_decoded(self, key: Key, index: int, read: int) -> None:
        """Expect one more chunk of a recording, whose first `read` bytes are read with it."""
        recording = self._open.setdefault(key, _OpenRecording())
        recording.read_with[index] = read
        self._counters.add("bytes_ahead", max(0, read - recording.read))
        recording.read = max(recording.read, read)

    def add_row(self, key: Key, row: RecordingRow) -> Iterator[EmbeddedRecording]:
        """Take the row, after the last decoded chunk; yield the recording if it is complete."""
        self._open.setdefault(key, _OpenRecording()).row = row
        yield from self._completed([key])

    def add_embedded(self, embedded: list[Embedded[Key]]) -> Iterator[EmbeddedRecording]:
        """Take embedded chunks; yield the recordings that are complete with them."""
        for key, chunk, made in embedded:
            if key in self._open:  # else its decoding failed further on
                self._open[key].chunks[chunk.index] = made
                self._count_embedded(self._open[key], chunk.index)
        yield from self._completed(dict.fromkeys(key for key, _, _ in embedded))

    def _count_embedded(self, recording: _OpenRecording, index: int) -> None:
        more = max(0, recording.read_with[index] - recording.counted)
        recording.counted += more
        self._counters.add("bytes", more)
        self._counters.add("bytes_ahead", -more)

    def _completed(self, keys: Iterable[Key]) -> Iterator[EmbeddedRecording]:
        for key in keys:
            complete = self._open[key].complete(key) if key in self._open else None
            if complete is not None:
                recording = self._open.pop(key)
                self._counters.add("bytes_ahead", recording.counted - recording.read)  # of one that failed
                yield complete
