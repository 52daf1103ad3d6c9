"""Publishing embedded recordings: tracks are made of chunks and written, then the indexes of shards."""

from __future__ import annotations

import logging
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field

from diar.archive.recording import Recording
from diar.embedding.rows import ChunkEmbeddings, assemble
from diar.jobs.extract.plan import Key
from diar.jobs.extract.sections import RecordingSections, Sections, remove_sections
from diar.jobs.progress.counters import Counters
from diar.jobs.progress.events import EventLog
from diar.reading import embedded_row
from diar.records import OK, RecordingRow
from diar.store.writer import Writer

log = logging.getLogger(__name__)

_MOST_WAITING = 64  # recordings being written, before the loop waits for the first


@dataclass(frozen=True)
class EmbeddedRecording:
    """A recording to be published: all its chunks are embedded, or its row says why it failed."""

    key: Key
    row: RecordingRow
    chunks: Sequence[ChunkEmbeddings]  # in order; complete if the status is ok and it has no sections
    counted: int  # bytes of it that the counters have already
    sections: RecordingSections | None = None  # which hold its chunks


@dataclass(frozen=True)
class EmbeddedSection:
    """Chunks of a long recording that were embedded in one pass, to be stored."""

    key: Key
    sections: RecordingSections
    chunks: dict[int, ChunkEmbeddings]  # by index


@dataclass
class _OpenShard:
    """A shard that is being worked on."""

    recordings: list[Recording]
    rows: dict[int, RecordingRow] = field(default_factory=dict)  # by position, of what is finished


class OpenShards:
    """The shards that a rank is working on, with the rows of their finished recordings.

    The last row of a shard completes its index, which is written then.

    Args:
        writer: of this extraction.
        sections: of long recordings, deleted when their shard is done.
        counters: of this rank.
    """

    def __init__(self, writer: Writer, sections: Sections, counters: Counters) -> None:
        self._writer = writer
        self._sections = sections
        self._counters = counters
        self._open: dict[int, _OpenShard] = {}

    def unpublished(self, shards: Iterable[tuple[int, list[Recording]]]) -> Iterator[tuple[Key, Recording]]:
        """Yield the recordings of shards that an interrupted run has not published."""
        for number, recordings in shards:
            shard = _OpenShard(recordings)
            for position, recording in enumerate(recordings):
                row = self._published(recording)
                if row is not None:
                    shard.rows[position] = row
                    self._counters.add("skipped_files", 1)
                    self._counters.add("skipped_bytes", recording.size)
            todo = [position for position in range(len(recordings)) if position not in shard.rows]
            self._open[number] = shard
            if not todo:
                self._close(number)
            for position in todo:
                yield Key(number, position), recordings[position]

    def recording(self, key: Key) -> Recording:
        """Return the recording that a key stands for."""
        return self._open[key.shard].recordings[key.position]

    def add(self, key: Key, row: RecordingRow) -> None:
        """Take the row of a finished recording; write the index if it was the last of its shard."""
        shard = self._open[key.shard]
        shard.rows[key.position] = row
        if len(shard.rows) == len(shard.recordings):
            self._close(key.shard)

    def _published(self, recording: Recording) -> RecordingRow | None:
        """Return the row of a recording whose tracks lie in the output, unless its audio has changed."""
        row = self._writer.published(recording.recording_id)
        if row is None or (row.size, row.mtime) != (recording.size, recording.mtime):
            return None
        same_part = (row.offset, row.part_seconds) == (recording.offset, recording.duration)
        return row if same_part else None

    def _close(self, number: int) -> None:
        shard = self._open.pop(number)
        with self._counters.timing("write_step"):
            rows = [shard.rows[position] for position in range(len(shard.recordings))]
            self._writer.write_shard(number, rows)
            remove_sections(self._sections.layout, number)

    def leave(self, key: Key) -> None:
        """Forget a shard of one recording, which another rank finishes."""
        del self._open[key.shard]


class Publisher:
    """Assembles and writes recordings in threads, and enters their rows in the shards, in order.

    Args:
        threads: that assemble and write.
        writer: of this extraction.
        shards: which the recordings belong to.
        rate: Hz of the chunks.
        counters: of this rank.
        events: of this rank.
    """

    def __init__(
        self,
        threads: Executor,
        writer: Writer,
        shards: OpenShards,
        rate: int,
        counters: Counters,
        events: EventLog,
    ) -> None:
        self._threads = threads
        self._writer = writer
        self._shards = shards
        self._rate = rate
        self._counters, self._events = counters, events
        self._waiting: deque[tuple[EmbeddedRecording, Future[RecordingRow | None]]] = deque()
        self._stored: dict[Key, list[Future[None]]] = defaultdict(list)

    def store(self, section: EmbeddedSection) -> None:
        """Store chunks of a long recording in another thread."""
        self._stored[section.key].append(self._threads.submit(self._store, section))

    def submit(self, recording: EmbeddedRecording) -> None:
        """Publish a recording in another thread; enter those that are written by now."""
        stored = self._stored.pop(recording.key, [])
        self._waiting.append((recording, self._threads.submit(self._publish, recording, stored)))
        while len(self._waiting) > _MOST_WAITING:
            self._enter(*self._waiting.popleft())
        self.enter_written()

    def enter_written(self) -> None:
        """Enter the recordings that are written by now."""
        while self._waiting and self._waiting[0][1].done():
            self._enter(*self._waiting.popleft())

    def finish(self) -> None:
        """Wait for all recordings and enter them."""
        while self._waiting:
            self._enter(*self._waiting.popleft())

    def _store(self, section: EmbeddedSection) -> None:
        with self._counters.timing("write_step"):
            section.sections.write(section.chunks)

    def _publish(self, recording: EmbeddedRecording, stored: list[Future[None]]) -> RecordingRow | None:
        """Assemble and write one recording; return its row, which says what went wrong if something did.

        None if another rank has to, because it is at a chunk or was faster.
        """
        sections, row = recording.sections, recording.row
        for section in stored:  # handed to the threads earlier, so they are done or being done
            section.result()
        if sections is not None and not (
            sections.to_assemble() if row.status == OK else sections.to_publish()
        ):
            return None
        if row.status != OK:
            return row
        with self._counters.timing("rows_step"):
            made = assemble(recording.chunks if sections is None else sections.load(), self._rate)
        row = embedded_row(recording.row, made)
        if row.status != OK:
            return row
        with self._counters.timing("write_step"):
            self._writer.write_tracks(recording.key.shard, row, made.tracks)
        return row

    def _enter(self, recording: EmbeddedRecording, published: Future[RecordingRow | None]) -> None:
        """Wait until a recording is published, count it, and add its row to the shard."""
        with self._counters.timing("write_wait_seconds"):
            row = published.result()
        if row is None:
            self._shards.leave(recording.key)
            return
        size, sections = self._shards.recording(recording.key).size, recording.sections
        if sections is not None and sections.shared:  # each rank has counted its part
            self._counters.add("bytes", sections.uncounted(size))
        else:
            self._counters.add("bytes", size - recording.counted)
        self._counters.add("files", 1)
        if row.status != OK:
            self._writer.remove_tracks(row.recording_id)  # of an earlier, better version
            self._counters.add("failed", 1)
            told = {"facts": {"recording": row.recording_id, "status": row.status}}
            log.warning("%s: %s: %s", row.status, row.recording_id, row.error, extra=told)
        self._events.recording(recording.key.shard, row)
        self._shards.add(recording.key, row)
