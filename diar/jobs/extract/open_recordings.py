"""The recordings whose chunks are still coming."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from diar.embedding.pipeline import Embedded
from diar.embedding.rows import ChunkEmbeddings
from diar.jobs.extract.plan import Key
from diar.jobs.extract.publishing import EmbeddedRecording, EmbeddedSection
from diar.jobs.extract.sections import RecordingSections
from diar.jobs.progress.counters import Counters
from diar.reading import ReadChunk
from diar.records import OK, RecordingRow


@dataclass
class _OpenRecording:
    """A recording whose chunks are still coming."""

    sections: RecordingSections | None
    row: RecordingRow | None = None  # there once everything is decoded
    missing: int = 0  # chunks that are decoded and not yet embedded
    chunks: dict[int, ChunkEmbeddings] = field(default_factory=dict)  # by index, without those of sections
    read_with: dict[int, int] = field(default_factory=dict)  # bytes read up to each decoded chunk, by index
    read: int = 0  # of its bytes
    counted: int = 0  # of its bytes, as they are embedded

    def take_section(self, key: Key) -> EmbeddedSection | None:
        """Return the chunks that are to be stored, which are no longer kept here; None if there are none."""
        if self.sections is None or not self.chunks:
            return None
        chunks, self.chunks = self.chunks, {}
        return EmbeddedSection(key, self.sections, chunks)

    def complete(self, key: Key) -> EmbeddedRecording | None:
        """Return the recording for publishing; None while chunks or the row are missing."""
        if self.row is None:
            return None
        if self.row.status == OK and self.missing:
            return None
        ordered = [self.chunks[index] for index in sorted(self.chunks)]
        return EmbeddedRecording(key, self.row, ordered, self.counted, self.sections)


class OpenRecordings:
    """Collects embedded chunks and the row of each recording until it is complete.

    Chunks of a long recording are given on at once, to be stored.

    Its bytes are counted as they are read, then as they are embedded; the publisher counts those that are
    then missing.

    Args:
        counters: of this rank.
    """

    def __init__(self, counters: Counters) -> None:
        self._counters = counters
        self._open: dict[Key, _OpenRecording] = {}

    def add_decoded(
        self, key: Key, read: ReadChunk, size: int, sections: RecordingSections | None = None
    ) -> None:
        """Expect one more chunk of a recording, of which this rank has read `size` bytes with it."""
        recording = self._open.setdefault(key, _OpenRecording(sections))
        recording.missing += 1
        recording.read_with[read.chunk.index] = size
        self._counters.add("bytes_ahead", max(0, size - recording.read))
        recording.read = max(recording.read, size)

    def add_row(
        self, key: Key, row: RecordingRow, sections: RecordingSections | None = None
    ) -> Iterator[EmbeddedRecording | EmbeddedSection]:
        """Take the row, after the last decoded chunk; yield what is complete with it."""
        self._open.setdefault(key, _OpenRecording(sections)).row = row
        yield from self._completed([key])

    def add_embedded(self, embedded: list[Embedded[Key]]) -> Iterator[EmbeddedRecording | EmbeddedSection]:
        """Take the chunks of one pass; yield what is to be stored, and the recordings that are complete."""
        for key, chunk, made in embedded:
            if key in self._open:  # else its decoding failed further on
                recording = self._open[key]
                recording.chunks[chunk.index] = made
                recording.missing -= 1
                self._count_embedded(recording, chunk.index)
        yield from self._completed(dict.fromkeys(key for key, _, _ in embedded))

    def _count_embedded(self, recording: _OpenRecording, index: int) -> None:
        more = max(0, recording.read_with[index] - recording.counted)
        recording.counted += more
        self._counters.add("bytes", more)
        self._counters.add("bytes_ahead", -more)

    def _completed(self, keys: Iterable[Key]) -> Iterator[EmbeddedRecording | EmbeddedSection]:
        for key in keys:
            if key not in self._open:
                continue
            section = self._open[key].take_section(key)
            if section is not None:
                yield section
            complete = self._open[key].complete(key)
            if complete is not None:
                recording = self._open.pop(key)
                self._counters.add("bytes_ahead", recording.counted - recording.read)  # of one that failed
                yield complete
