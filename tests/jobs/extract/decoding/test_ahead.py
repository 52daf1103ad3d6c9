"""What is decoded ahead is bounded, and what goes wrong outside of a file reaches whoever iterates."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch.distributed as dist

from diar.archive.recording import Recording
from diar.embedding.chunks import ChunkSettings
from diar.errors import DiarError
from diar.jobs.extract.decoding.ahead import ChunkReader
from diar.jobs.extract.plan import Key
from diar.jobs.extract.sections import Sections
from diar.jobs.progress.counters import Counters
from diar.jobs.ranks.stopping import Stopping
from diar.reading import ReadChunk, ReadSettings
from diar.store.layout import Layout
from tests.commands import RATE, write_noise

SETTINGS = ReadSettings(ChunkSettings.from_seconds(RATE, chunk=2.0, window=1.0, hop=0.5), "mix", 0.1)


class Source:
    """The same second again and again; knows how often it was asked."""

    def __init__(self, path: Path, count: int) -> None:
        write_noise(path, 1.0, 1)
        self.recording = Recording(path.name, str(path), path.stat().st_size, 1.0)
        self.count, self.taken = count, 0

    def __iter__(self) -> Iterator[tuple[Key, Recording]]:
        for number in range(self.count):
            self.taken += 1
            yield Key(0, number), self.recording


def reader(source: Source, ahead: int, threads: int) -> ChunkReader:
    sections = Sections(Layout("none"), dist.HashStore(), 0, frozenset(), RATE, "a fingerprint")
    counters = Counters()
    return ChunkReader(
        source,
        SETTINGS,
        sections,
        threads=threads,
        processes=False,
        ahead=ahead,
        counters=counters,
        stall_timeout=60.0,
        stopping=Stopping(0.0),
    )


@pytest.mark.parametrize(("seconds", "threads"), [(0.5, 1), (3.0, 1), (3.0, 2)])
def test_so_much_is_decoded_ahead_and_no_more(tmp_path: Path, seconds: float, threads: int) -> None:
    source = Source(tmp_path / "a.wav", 40)
    with reader(source, round(seconds * RATE), threads) as chunks:
        items = iter(chunks)
        next(items)
        time.sleep(0.5)
        # one is taken, the queue is full, each thread holds one that does not fit
        assert max(1, seconds) <= source.taken <= 1 + max(1, seconds) + threads
        kinds = [isinstance(decoded.item, ReadChunk) for decoded in items if decoded is not None]
    assert source.taken == 40
    assert (kinds.count(True), kinds.count(False)) == (39, 40)


def test_an_error_in_the_list_is_raised_where_the_chunks_are_taken(tmp_path: Path) -> None:
    class Broken(Source):
        def __iter__(self) -> Iterator[tuple[Key, Recording]]:
            yield from super().__iter__()
            raise DiarError("the list ends in the middle")

    with (
        reader(Broken(tmp_path / "a.wav", 3), RATE, 2) as chunks,
        pytest.raises(DiarError, match="ends in the middle"),
    ):
        list(chunks)


def test_where_nothing_comes_for_a_while_it_says_so_so_that_nothing_waits_for_more(tmp_path: Path) -> None:
    class Slow(Source):
        def __iter__(self) -> Iterator[tuple[Key, Recording]]:
            yield from super().__iter__()
            time.sleep(3.0)

    with reader(Slow(tmp_path / "a.wav", 2), 10 * RATE, 1) as chunks:
        items = list(chunks)
    assert [item is None for item in items[:4]] == [False] * 4
    assert items[4:] and not any(items[4:])
