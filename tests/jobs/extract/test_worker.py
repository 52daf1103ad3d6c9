"""A recording is handed on once, when its row and all its chunks are there, in whatever order they come."""

from typing import Any

import numpy as np
import torch.distributed as dist
from hypothesis import given
from hypothesis import strategies as st

from diar.embedding.chunks import Chunk
from diar.jobs.extract.open_recordings import OpenRecordings
from diar.jobs.extract.plan import Key
from diar.jobs.extract.publishing import EmbeddedRecording, EmbeddedSection
from diar.jobs.extract.sections import RecordingSections
from diar.jobs.progress.counters import Counters
from diar.reading import ReadChunk
from diar.records import RecordingRow

ROW = RecordingRow("a.wav", "/a.wav")


def read(index: int) -> ReadChunk:
    return ReadChunk(Chunk(index, 0, np.zeros(1, np.float32), (0, 1), last=False), 0.0)


def embedded(key: Key, index: int) -> tuple[Key, Chunk, Any]:
    """A chunk with a name in the place of its embeddings."""
    return key, Chunk(index, 0, np.zeros(1, np.float32), (0, 1), last=False), f"chunk {index}"


@given(counts=st.lists(st.integers(1, 4), min_size=1, max_size=4), data=st.data())
def test_each_recording_comes_out_once_with_its_chunks_in_order(
    counts: list[int], data: st.DataObject
) -> None:
    recordings, out = OpenRecordings(Counters()), list[EmbeddedRecording]()
    keys = [Key(0, position) for position in range(len(counts))]
    events = [(key, index) for key, count in zip(keys, counts, strict=True) for index in range(count)]
    for key, index in events:
        recordings.add_decoded(key, read(index), 0)
    events += [(key, None) for key in keys]
    for key, index in data.draw(st.permutations(events)):
        if index is None:
            out += recordings.add_row(key, ROW)
        else:
            out += recordings.add_embedded([embedded(key, index)])
    assert sorted(done.key.position for done in out) == list(range(len(counts)))
    for done in out:
        assert list(done.chunks) == [f"chunk {index}" for index in range(counts[done.key.position])]


def test_chunks_of_a_long_recording_come_out_with_each_pass() -> None:
    recordings, key = OpenRecordings(Counters()), Key(0, 0)
    sections = RecordingSections("", dist.HashStore(), "0", False, frozenset())
    for index in range(3):
        recordings.add_decoded(key, read(index), 0, sections)
    (section,) = recordings.add_embedded([embedded(key, 0), embedded(key, 1)])
    assert section == EmbeddedSection(key, sections, {0: "chunk 0", 1: "chunk 1"})
    assert list(recordings.add_row(key, ROW, sections)) == [], "a chunk is missing"
    last, done = recordings.add_embedded([embedded(key, 2)])
    assert isinstance(last, EmbeddedSection) and list(last.chunks) == [2]
    assert isinstance(done, EmbeddedRecording) and done.sections is sections and not done.chunks


def test_a_recording_that_fails_further_on_does_not_wait_for_its_chunks() -> None:
    counters = Counters()
    recordings, key = OpenRecordings(counters), Key(3, 1)
    recordings.add_decoded(key, read(0), 10)
    assert (counters.read_bytes(), counters.done_bytes()) == (10, 0)
    failed = RecordingRow("a.wav", "/a.wav", status="undecodable")
    (done,) = recordings.add_row(key, failed)
    assert (done.key, done.row) == (key, failed)
    assert list(recordings.add_embedded([embedded(key, 0)])) == []
    assert (counters.read_bytes(), counters.done_bytes(), done.counted) == (0, 0, 0)


def test_bytes_are_counted_as_they_are_read_then_as_they_are_embedded_and_never_twice() -> None:
    """A rank claims by what it has read; the remaining time goes by what is embedded."""
    counters = Counters()
    recordings, key, seen = OpenRecordings(counters), Key(0, 0), []

    def note() -> None:
        seen.append((counters.read_bytes(), counters.done_bytes(), counters.snapshot().read_bytes()))

    for index, size in enumerate((10, 25, 20)):
        recordings.add_decoded(key, read(index), size)
        note()
    for index in (2, 0, 1):
        assert list(recordings.add_embedded([embedded(key, index)])) == []
        note()
    assert seen == [(10, 0, 0), (25, 0, 0), (25, 0, 0), (25, 20, 20), (25, 20, 20), (25, 25, 25)]
    (done,) = recordings.add_row(key, ROW)
    assert done.counted == 25
    assert (counters.bytes, counters.bytes_ahead) == (25, 0)
