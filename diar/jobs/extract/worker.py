"""One rank's work on the recordings of its shards: read → batch → embed → assemble → write.

`ChunkReader` reads. `Batches` and `PassPipeline` (diar/embedding/pipeline.py) batch and embed.
`OpenRecordings` collects the chunks of each recording. `Publisher` assembles the recording and writes it.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

from diar.archive.recording import Recording
from diar.embedding.embedder import TrackEmbedder
from diar.embedding.pipeline import Batch, Batches, Embedded, PassPipeline
from diar.jobs.extract.decoding.ahead import ChunkReader
from diar.jobs.extract.open_recordings import OpenRecordings
from diar.jobs.extract.plan import Key
from diar.jobs.extract.profiling import Profiler
from diar.jobs.extract.publishing import EmbeddedRecording, EmbeddedSection, OpenShards, Publisher
from diar.jobs.extract.resources import Sizes
from diar.jobs.extract.sections import Sections
from diar.jobs.progress.counters import Counters
from diar.jobs.progress.events import RETRY, EventLog
from diar.jobs.ranks.stopping import Stopping
from diar.models.memory import return_free_memory
from diar.reading import ReadSettings
from diar.records import RecordingRow
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
        sections: of long recordings.
        counters: of this rank, updated as the work goes on.
        profiler: told of every forward pass.
        events: of this rank.
        sizes: how much is decoded and computed at once.
        stall_timeout: seconds without anything new, after which a recording fails.
        stopping: tells when no further recording is begun.
    """

    def __init__(
        self,
        reading: ReadSettings,
        embedder: TrackEmbedder,
        writer: Writer,
        sections: Sections,
        counters: Counters,
        profiler: Profiler,
        events: EventLog,
        sizes: Sizes,
        stall_timeout: float,
        stopping: Stopping,
    ) -> None:
        self._reading = reading
        self._writer = writer
        self._sections = sections
        self._counters = counters
        self._profiler, self._events = profiler, events
        self._sizes = sizes
        self._stall_timeout, self._stopping = stall_timeout, stopping
        full = round(sizes.batch_seconds * reading.chunks.rate)
        self._batches = Batches[Key](reading.chunks.length, full)
        self._pipeline = PassPipeline[Key](embedder, self._use_smaller_batches)
        self._shards = OpenShards(writer, sections, counters)
        self._recordings = OpenRecordings(counters)
        self._trimmed = time.monotonic()  # when free memory was given back

    def run(self, shards: Iterable[tuple[int, list[Recording]]]) -> None:
        """Do shards, without the recordings that an interrupted run has published.

        The decoding threads take from `shards`, one shard at a time.
        """
        reader = self._read(self._shards.unpublished(shards))
        with reader, ThreadPoolExecutor(_WRITE_THREADS, thread_name_prefix="write") as threads:
            rate = self._reading.chunks.rate
            publisher = Publisher(threads, self._writer, self._shards, rate, self._counters, self._events)
            for done in self._embed(reader):
                if done is None:
                    publisher.enter_written()
                elif isinstance(done, EmbeddedSection):
                    publisher.store(done)
                else:
                    publisher.submit(done)
            publisher.finish()

    def _read(self, recordings: Iterable[tuple[Key, Recording]]) -> ChunkReader:
        return ChunkReader(
            recordings,
            self._reading,
            self._sections,
            threads=self._sizes.decode_threads,
            processes=self._sizes.decode_processes,
            ahead=round(self._sizes.passes_ahead * self._batches.full),
            counters=self._counters,
            stall_timeout=self._stall_timeout,
            stopping=self._stopping,
        )

    def _embed(self, reader: ChunkReader) -> Iterator[EmbeddedRecording | EmbeddedSection | None]:
        """Yield chunks of long recordings at once, and recordings as their last chunk is embedded.

        Where nothing more is decoded for a while, yield what waits for a full batch, then None.
        """
        for decoded in self._counters.timed("decode_wait_seconds", reader):
            if decoded is None:
                yield from self._embed_rest()
                yield None
                continue
            key, item, sections = decoded.key, decoded.item, decoded.sections
            if isinstance(item, RecordingRow):
                yield from self._recordings.add_row(key, item, sections)
                continue
            read = int(decoded.share * self._shards.recording(key).size)
            self._recordings.add_decoded(key, item, read, sections)
            for batch in self._batches.add(key, item.chunk):
                yield from self._collect(self._push(batch))
        yield from self._embed_rest()

    def _embed_rest(self) -> Iterator[EmbeddedRecording | EmbeddedSection]:
        """Embed what waits for a full batch; yield all that is complete with it."""
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

    def _collect(self, embedded: list[Embedded[Key]]) -> Iterator[EmbeddedRecording | EmbeddedSection]:
        """Count the chunks of a pass; yield what is complete with them."""
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
        self._events.add(RETRY, reason=f"too little memory; passes of {chunks} chunks from now on")
        self._batches.full = min(self._batches.full, chunks * self._reading.chunks.length)
