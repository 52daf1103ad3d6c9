"""Decoding ahead of the networks: several recordings at a time, into a bounded queue.

A read that never returns cannot be interrupted. Its recording has failed, its thread is left to itself, and
from then on this rank reads in processes, which can be killed. So no more threads are ever left than read at
the same time.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import TracebackType

from diar.archive.decoders.decode import decoded_in_blocks
from diar.archive.recording import Recording
from diar.jobs.extract.decoding.process import DecodeProcess
from diar.jobs.extract.plan import Key
from diar.jobs.extract.sections import RecordingSections, Sections
from diar.jobs.progress.counters import Counters
from diar.jobs.ranks.stopping import Stopping
from diar.jobs.stalls import LOOK, Patience
from diar.reading import ReadChunk, ReadSettings, failed_row, read_recording
from diar.records import RecordingRow

_POLL = 0.2  # seconds, after which a waiting thread looks whether it is to stop
_LULL = 2.0  # seconds without anything decoded, after which what was decoded shall not wait any longer
_TO_END = 5.0  # seconds that a thread has to end; one whose read never returns is left to itself


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


@dataclass
class _Reading:
    """One recording in one decoding thread."""

    key: Key
    recording: Recording
    patience: Patience
    sections: RecordingSections | None = None
    waiting: bool = False  # for the next item
    given_up: bool = False


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

    Where nothing comes for a while, None does: what waits for more is to be finished, because one recording
    that hangs would hold up the others. It comes at once where the run was asked to stop.

    Args:
        recordings: to decode; each decoding thread takes the next one as it gets free.
        settings: how to read them.
        sections: of long recordings; they say which chunks this rank embeds.
        threads: number of recordings decoded at the same time.
        processes: whether each thread has a process for files that are not decoded in large blocks.
        ahead: samples decoded and not yet taken, from which on decoding waits.
        counters: count the time of decoding.
        stall_timeout: seconds without a chunk, after which a recording is given up.
        stopping: tells when no further recording is begun, and when those begun are left.

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
        stall_timeout: float,
        stopping: Stopping,
    ) -> None:
        self._recordings = iter(recordings)
        self._taking = threading.Lock()
        self._settings, self._stall_timeout = settings, stall_timeout
        self._sections = sections
        self._processes = processes
        self._counters = counters
        self._stopping = stopping
        self._queue = _SampleQueue(ahead)
        self._stopped = threading.Event()
        self._wanted = threads
        self._left = False  # whether any thread was left to itself
        self._readings: dict[threading.Thread, _Reading | None] = {}  # of the threads that work
        self._deciding = threading.Lock()  # whether a reading goes on or is given up

    def __enter__(self) -> ChunkReader:
        for _ in range(self._wanted):
            self._start_thread()
        threading.Thread(target=self._watch, name="stalls", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        for thread in list(self._readings):
            thread.join(_TO_END)

    def __iter__(self) -> Iterator[Decoded | None]:
        working, waited = self._wanted, 0.0
        while working:
            try:
                item = self._queue.get(timeout=_POLL)
            except queue.Empty:
                if self._stopping.late:
                    return  # the threads that are left hang
                waited += _POLL
                if waited >= _LULL or self._stopping.requested:
                    yield None
                continue
            waited = 0.0
            if isinstance(item, _Failure):
                raise item.error
            if item is None:
                working -= 1
            else:
                yield item

    def _start_thread(self) -> None:
        thread = threading.Thread(target=self._work, name=f"decode {len(self._readings)}", daemon=True)
        self._readings[thread] = None
        thread.start()

    def _watch(self) -> None:
        """Give up recordings that hang, until reading ends."""
        while not self._stopped.wait(LOOK):
            for thread, reading in list(self._readings.items()):
                if reading is not None and reading.waiting and reading.patience.wait():
                    self._give_up(thread, reading)

    def _give_up(self, thread: threading.Thread, reading: _Reading) -> None:
        """Let a recording fail, leave its thread to itself, and start another one in its place."""
        with self._deciding:
            if not reading.waiting:
                return
            reading.given_up = self._left = True
            del self._readings[thread]
        row = failed_row(reading.recording, "stalled", reading.patience.reason)
        sections = reading.sections or self._sections.open(reading.key, reading.recording, None)
        self._put(Decoded(reading.key, row, sections))
        self._start_thread()

    def _work(self) -> None:
        given_up = False
        try:
            with DecodeProcess(self._settings, self._stall_timeout, self._stopped) as process:
                while not given_up and not self._stopped.is_set() and (taken := self._take()) is not None:
                    given_up = self._read(process, *taken)
        except Exception as error:  # raised again where the chunks are iterated over
            self._put(_Failure(error))
        else:
            if not given_up:  # else another thread is at it in this one's place
                self._put(None)

    def _take(self) -> tuple[Key, Recording] | None:
        with self._taking:
            taken = None if self._stopping.requested else next(self._recordings, None)
            return None if self._stopping.requested else taken  # claiming may have waited for other ranks

    def _read(self, process: DecodeProcess, key: Key, recording: Recording) -> bool:
        """Read one recording; return whether it was given up meanwhile."""
        reading = _Reading(key, recording, Patience(self._stall_timeout, recording.size))
        opened = False
        for item in self._counters.timed("decode_step", self._items(process, reading)):
            chunk = item if isinstance(item, ReadChunk) else None
            if not opened:
                reading.sections, opened = self._sections.open(key, recording, chunk), True
            sections = reading.sections
            if chunk is None:
                self._put(Decoded(key, item, sections))
            elif sections is None:
                self._put(Decoded(key, chunk, None, chunk.share))
            elif self._wants(chunk, sections):
                self._put(Decoded(key, chunk, sections, sections.counted))
            if self._stopped.is_set() or self._stopping.late:
                break
        return reading.given_up

    def _items(self, process: DecodeProcess, reading: _Reading) -> Iterator[ReadChunk | RecordingRow]:
        """Yield what is read of a recording until it ends or is given up."""
        if self._left or (self._processes and not decoded_in_blocks(reading.recording.url)):
            yield from process.read(reading.recording)
            return
        items = read_recording(reading.recording, self._settings)
        self._readings[threading.current_thread()] = reading
        while True:
            reading.waiting = True
            item = next(items, None)
            with self._deciding:
                reading.waiting = False
            if reading.given_up or item is None:
                return
            reading.patience.renew()
            yield item

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
