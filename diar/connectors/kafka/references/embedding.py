"""Several recordings → their voices; chunks of all of them share forward passes, as in stage 1."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from queue import Queue

from diar.api.encoder import Encoder, Segmentation
from diar.api.errors import AudioError
from diar.api.voice import Voice, as_stored, find, read_settings
from diar.connectors.kafka.references.jobs import Job
from diar.embedding.pipeline import Batches, Embedded, PassPipeline
from diar.embedding.rows import ChunkEmbeddings, assemble
from diar.errors import DiarError
from diar.models.inference import tensor_float_32
from diar.reading import ReadChunk, embedded_row, read_recording
from diar.records import OK, RecordingRow, RecordingTracks

_BATCH_SECONDS = {"cpu": 32.0, "cuda": 480.0}  # of audio in a forward pass, as in diar.embedding.recording
_AHEAD = 8  # chunks that are decoded before they are needed
_READERS = 2  # recordings that are decoded at once

Outcome = Voice | DiarError


@dataclass
class _Open:
    """A recording whose chunks are still coming."""

    row: RecordingRow | None = None
    missing: int = 0
    error: DiarError | None = None
    chunks: dict[int, ChunkEmbeddings] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        failed = self.error is not None or (self.row is not None and self.row.status != OK)
        return failed or (self.row is not None and not self.missing)


Read = tuple[int, ReadChunk | RecordingRow | DiarError]


class Together:
    """Embeds the recordings of one batch.

    Args:
        encoder, segmentation: the networks.
    """

    def __init__(self, encoder: Encoder, segmentation: Segmentation) -> None:
        self._encoder, self._segmentation = encoder, segmentation
        self._embedder = encoder.embedder(segmentation)
        full = round(_BATCH_SECONDS[self._embedder.device.type] * self._embedder.settings.rate)
        self._batches = Batches[int](self._embedder.settings.length, full)
        self._pipeline = PassPipeline[int](self._embedder, self._shrink)
        self._open: dict[int, _Open] = {}

    def embed(self, jobs: Sequence[Job]) -> Iterator[tuple[Job, Outcome]]:
        """Yield each job with its voice, or with what is wrong with its audio, as they become ready."""
        by_number = {job.number: job for job in jobs}
        self._open = {number: _Open() for number in by_number}
        for number, item in self._read(jobs):
            self._take(number, item)
            yield from self._complete(by_number)
        with tensor_float_32(False):
            for batch in self._batches.rest():
                self._keep(self._pipeline.push(batch))
            self._keep(self._pipeline.flush())
        yield from self._complete(by_number)

    def _read(self, jobs: Sequence[Job]) -> Iterator[Read]:
        """Yield what is read of all recordings; threads read ahead, but not far."""
        queue: Queue[Read | None] = Queue(_AHEAD)
        stopped = threading.Event()

        def read(job: Job) -> None:
            try:
                if not stopped.is_set():
                    self._read_one(job, queue)
            finally:
                queue.put(None)

        with ThreadPoolExecutor(_READERS, "diar-read") as threads:
            for job in jobs:
                threads.submit(read, job)
            left = len(jobs)
            try:
                while left:
                    item = queue.get()
                    if item is None:
                        left -= 1
                    else:
                        yield item
            finally:
                stopped.set()
                while left:
                    left -= queue.get() is None

    def _read_one(self, job: Job, queue: Queue[Read | None]) -> None:
        reading = job.reference.of_reading
        try:
            settings = read_settings(
                self._encoder, reading.get("channel", "auto"), reading.get("track", "auto")
            )
            source = find(job.reference.audio, None, "audio")
            recording = replace(source.recording, recording_id=job.reference.id)
            for item in read_recording(recording, settings, source.file):
                queue.put((job.number, item))
        except DiarError as error:
            queue.put((job.number, error))
        except MemoryError:
            queue.put((job.number, AudioError("too_long", "the recording does not fit into memory")))

    def _take(self, number: int, item: ReadChunk | RecordingRow | DiarError) -> None:
        opened = self._open[number]
        if isinstance(item, DiarError):
            opened.error = item
        elif isinstance(item, RecordingRow):
            opened.row = item
        else:
            opened.missing += 1
            with tensor_float_32(False):
                for batch in self._batches.add(number, item.chunk):
                    self._keep(self._pipeline.push(batch))

    def _keep(self, ready: list[Embedded[int]]) -> None:
        for number, chunk, made in ready:
            if number in self._open:
                self._open[number].chunks[chunk.index] = made
                self._open[number].missing -= 1

    def _complete(self, jobs: dict[int, Job]) -> Iterator[tuple[Job, Outcome]]:
        for number in [number for number, opened in self._open.items() if opened.complete]:
            yield jobs[number], self._outcome(jobs[number], self._open.pop(number))

    def _outcome(self, job: Job, opened: _Open) -> Outcome:
        if opened.error is not None:
            return opened.error
        row = opened.row
        assert row is not None
        made = None
        if row.status == OK:
            ordered = [opened.chunks[index] for index in sorted(opened.chunks)]
            made = assemble(ordered, self._embedder.settings.rate)
            row = embedded_row(row, made)
        if made is None or row.status != OK:
            return AudioError(row.status, row.error)
        tracks = as_stored(row.recording_id, made.tracks)
        return Voice(RecordingTracks.of(row, tracks, self._encoder.metadata(self._segmentation)))

    def _shrink(self, count: int) -> None:
        self._batches.full = min(self._batches.full, count * self._embedder.settings.length)
