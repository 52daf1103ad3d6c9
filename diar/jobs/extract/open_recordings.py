"""The recordings whose chunks are still coming."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from diar.embedding.pipeline import Embedded
from diar.embedding.rows import ChunkEmbeddings
from diar.jobs.extract.plan import Key
from diar.jobs.extract.publishing import EmbeddedRecording, EmbeddedSection
from diar.jobs.extract.sections import RecordingSections, section_of
from diar.jobs.progress.counters import Counters
from diar.reading import ReadChunk
from diar.records import OK, RecordingRow

_WHOLE = 0  # the only section of a recording that has none


@dataclass
class _OpenRecording:
    """A recording whose chunks are still coming; one without sections has one, which is not stored."""

    sections: RecordingSections | None
    row: RecordingRow | None = None  # there once everything is decoded
    section: dict[int, int] = field(default_factory=dict)  # by index of a decoded chunk
    decoded: Counter[int] = field(default_factory=Counter)  # chunks that are to be embedded, by section
    chunks: dict[int, dict[int, ChunkEmbeddings]] = field(default_factory=lambda: defaultdict(dict))
    read_with: dict[int, int] = field(default_factory=dict)  # bytes read up to each decoded chunk, by index
    read: int = 0  # of its bytes
    counted: int = 0  # of its bytes, as they are embedded

    def complete_sections(self, key: Key) -> Iterator[EmbeddedSection]:
        """Yield the sections whose chunks are all embedded; they are no longer kept here."""
        if self.sections is None:
            return
        last = max(self.decoded, default=_WHOLE)
        for number in sorted(self.chunks):
            whole = self.row is not None or number < last  # no more of its chunks will be decoded
            if whole and len(self.chunks[number]) == self.decoded[number]:
                yield EmbeddedSection(key, self.sections, number, self.chunks.pop(number))
                del self.decoded[number]

    def complete(self, key: Key) -> EmbeddedRecording | None:
        """Return the recording for publishing; None while chunks or the row are missing."""
        if self.row is None:
            return None
        embedded = {index: chunk for chunks in self.chunks.values() for index, chunk in chunks.items()}
        if self.row.status == OK and len(embedded) < sum(self.decoded.values()):
            return None
        ordered = [embedded[index] for index in sorted(embedded)]
        return EmbeddedRecording(key, self.row, ordered, self.counted, self.sections)


class OpenRecordings:
    """Collects embedded chunks and the row of each recording until it, or a section of it, is complete.

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
        number = _WHOLE if sections is None else section_of(read)
        recording.section[read.chunk.index] = number
        recording.decoded[number] += 1
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
        """Take embedded chunks; yield the recordings and sections that are complete with them."""
        for key, chunk, made in embedded:
            if key in self._open:  # else its decoding failed further on
                recording = self._open[key]
                recording.chunks[recording.section[chunk.index]][chunk.index] = made
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
            yield from self._open[key].complete_sections(key)
            complete = self._open[key].complete(key)
            if complete is not None:
                recording = self._open.pop(key)
                self._counters.add("bytes_ahead", recording.counted - recording.read)  # of one that failed
                yield complete
