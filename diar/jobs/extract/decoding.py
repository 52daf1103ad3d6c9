"""Decoding ahead of the networks: several recordings at a time, into a bounded queue."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import TracebackType

from diar.archive.decoders.decode import decoded_in_blocks
from diar.archive.recording import Recording
from diar.jobs.extract.decode_process import DecodeProcess
from diar.jobs.extract.plan import Key
from diar.jobs.extract.sections import RecordingSections, Sections
from diar.jobs.progress.counters import Counters
from diar.reading import ReadChunk, ReadSettings, read_recording
from diar.records import RecordingRow

_POLL = 0.2  # seconds, after which a waiting thread looks whether it is to stop


@dataclass(frozen=True)
class Decoded:
    """A chunk to embed, or after the last one the recording's row."""

    key: Key
    item: ReadChunk | RecordingRow
    sections: RecordingSections | None  # of a long recording
    share: float = 0.0  # of the recording that is this rank's to count, up to and with the chunk


@dataclass(frozen=True)
class _Failure:
    """The error that ended the list of recordings, or a decoding thread."""

    error: Exception


_Waiting = Decoded | _Failure | None


class _SampleQueue(queue.Queue[_Waiting]):
    """A queue whose size is counted in samples: `put` waits while it holds `maxsize` or more."""

    def _init(self, maxsize: int) -> None:
        super()._init(maxsize)
        self._samples = 0

    def _qsize(self) -> int:
        return self._samples

    def _put(self, item: _Waiting) -> None:
        super()._put(item)
        self._samples += _samples(item)

    def _get(self) -> _Waiting:
        item = super()._get()
        self._samples -= _samples(item)
        return item

    def wait_for_room(self, seconds: float) -> bool:
        """Wait until `put` would not; return whether it came to that within `seconds`."""
        with self.not_full:
            return self.not_full.wait_for(lambda: self._samples < self.maxsize, seconds)


def _samples(item: _Waiting) -> int:
    """Return the samples of a chunk; 1 for other items, since a queue of size 0 counts as empty."""
    return (
        len(item.item.chunk.samples) if isinstance(item, Decoded) and isinstance(item.item, ReadChunk) else 1
    )


class ChunkReader:
    """Iterates over several recordings: the chunks of each that are to be embedded, in order, then its row.

    Args:
        recordings: to decode; each decoding thread takes the next one as it gets free.
        settings: how to read them.
        sections: of long recordings; they say which chunks this rank embeds.
        threads: number of recordings decoded at the same time.
        processes: whether each thread has a process for files that are not decoded in large blocks.
        ahead: samples decoded and not yet taken, from which on decoding waits.
        counters: count the time of decoding.

    Iterating raises what `recordings` raises, and DiarError if a process cannot be started.
    """

    def __init__(
        self,
        recordings: Iterable[tuple[Key, Recording]],
        settings: ReadSettings,
        sections: Sections,
        *,
        threads: int,
        processes: bool,
        ahead: int,
        counters: Counters,
    ) -> None:
        self._recordings = iter(recordings)
        self._taking = threading.Lock()
        self._settings = settings
        self._sections = sections
        self._processes = processes
        self._counters = counters
        self._queue = _SampleQueue(ahead)
        self._stopped = threading.Event()
        self._threads = [
            threading.Thread(target=self._work, name=f"decode {number}", daemon=True)
            for number in range(threads)
        ]

    def __enter__(self) -> ChunkReader:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def __iter__(self) -> Iterator[Decoded]:
        working = len(self._threads)
        while working:
            item = self._queue.get()
            if isinstance(item, _Failure):
                raise item.error
            if item is None:
                working -= 1
            else:
                yield item

    def _work(self) -> None:
        try:
            with DecodeProcess(self._settings) as process:
                while not self._stopped.is_set() and (taken := self._take()) is not None:
                    self._read(process, *taken)
        except Exception as error:  # raised again where the chunks are iterated over
            self._put(_Failure(error))
        else:
            self._put(None)

    def _take(self) -> tuple[Key, Recording] | None:
        with self._taking:
            return next(self._recordings, None)

    def _read(self, process: DecodeProcess, key: Key, recording: Recording) -> None:
        apart = self._processes and not decoded_in_blocks(recording.url)
        items = process.read(recording) if apart else read_recording(recording, self._settings)
        sections, opened = None, False
        for item in self._counters.timed("decode_step", items):
            chunk = item if isinstance(item, ReadChunk) else None
            if not opened:
                sections, opened = self._sections.open(key, recording, chunk), True
            if chunk is None:
                self._put(Decoded(key, item, sections))
            elif sections is None:
                self._put(Decoded(key, chunk, None, chunk.share))
            elif self._wants(chunk, sections):
                self._put(Decoded(key, chunk, sections, sections.counted))
            if self._stopped.is_set():
                return

    def _wants(self, chunk: ReadChunk, sections: RecordingSections) -> bool:
        """Return whether this rank embeds a chunk; a shared one is claimed only when it is soon its turn."""
        while sections.shared and not self._queue.wait_for_room(_POLL):
            if self._stopped.is_set():
                return False
        return sections.wants(chunk)

    def _put(self, item: _Waiting) -> None:
        while not self._stopped.is_set():
            try:
                self._queue.put(item, timeout=_POLL)
            except queue.Full:
                continue
            return
