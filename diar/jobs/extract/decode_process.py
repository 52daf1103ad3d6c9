"""Reading recordings in a separate process, which does not wait for the rank's interpreter lock.

FFmpeg gives a compressed file packet by packet, and each packet takes the lock several times: two threads
decode MP3 more slowly than one (docs/decisions/043-pipeline.md).
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from types import TracebackType
from typing import Any

import numpy as np

from diar.archive.recording import Recording
from diar.errors import DiarError
from diar.reading import ReadChunk, ReadSettings, failed_row, read_recording
from diar.records import RecordingRow
from diar.spawning import SPAWN


@dataclass(frozen=True)
class _InSlot:
    """A chunk whose samples lie in the shared memory."""

    read: ReadChunk  # without samples
    count: int


class DecodeProcess:
    """Reads one recording at a time; a context manager. The process starts with the first recording.

    Both processes share the memory of one chunk, and each chunk is copied out of it. Meanwhile the process
    decodes the next chunk, but no more.
    """

    def __init__(self, settings: ReadSettings) -> None:
        self._settings = settings
        self._process: SpawnProcess | None = None

    def __enter__(self) -> DecodeProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self._connection.close()
            self._process.terminate()
            self._process.join()

    def read(self, recording: Recording) -> Iterator[ReadChunk | RecordingRow]:
        """Read a recording as `read_recording` does; iterate to the end before reading the next.

        If the process dies, most likely because memory ran out, a new one goes on where it was. If the new
        one dies of the same recording, the row says so.

        Raises:
            DiarError: a process could not be started.
        """
        given, how = 0, ""
        for _ in range(2):
            try:
                for item in islice(self._ask_for(recording), given, None):
                    given += 1
                    yield item
                return
            except (EOFError, ConnectionError):
                how = self._ended()
        yield failed_row(recording, "error", f"the decoding process {how}, twice")

    def _ask_for(self, recording: Recording) -> Iterator[ReadChunk | RecordingRow]:
        """Yield what the process sends.

        Raises:
            EOFError, ConnectionError: the process died.
        """
        if self._process is None:
            self._process = self._start()
        self._connection.send(recording)
        while not isinstance(item := self._connection.recv(), RecordingRow):
            samples = np.frombuffer(self._slot, np.float32, item.count).copy()
            self._connection.send(None)  # the slot is free
            yield replace(item.read, chunk=replace(item.read.chunk, samples=samples))
        yield item

    def _ended(self) -> str:
        """Return how the process ended, in words; the next recording starts another process."""
        assert self._process is not None
        self._connection.close()
        self._process.join()
        code, self._process = self._process.exitcode, None
        return _describe(code)

    def _start(self) -> SpawnProcess:
        # Segments of multiprocessing.shared_memory would outlive a process that is killed
        self._slot = SPAWN.RawArray("f", self._settings.chunks.length)
        self._connection, theirs = SPAWN.Pipe()
        process = SPAWN.Process(
            target=_serve, args=(theirs, self._slot, self._settings), name="decode", daemon=True
        )
        process.start()
        theirs.close()
        try:
            self._connection.recv()
        except EOFError:
            process.join()
            how = _describe(process.exitcode)
            raise DiarError(f"a decoding process {how} as it started; try --decode_in threads") from None
        return process


def _serve(connection: Connection, slot: Any, settings: ReadSettings) -> None:
    """Read what is asked for, in the new process, until the other side is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the rank, too, which ends this process
    shared = np.frombuffer(slot, np.float32)
    try:
        connection.send("ready")
        while True:
            taken = False
            for item in read_recording(connection.recv(), settings):
                if taken:
                    connection.recv()  # the last chunk is copied
                taken = isinstance(item, ReadChunk)
                connection.send(_in_slot(item, shared) if isinstance(item, ReadChunk) else item)
    except (EOFError, ConnectionError):
        return  # the rank has ended, or leaves out the rest


def _in_slot(read: ReadChunk, shared: np.ndarray) -> _InSlot:
    samples = read.chunk.samples
    shared[: len(samples)] = samples
    return _InSlot(replace(read, chunk=replace(read.chunk, samples=samples[:0].copy())), len(samples))


def _describe(code: int | None) -> str:
    if code is not None and code < 0:
        return f"was killed by {signal.Signals(-code).name}"
    return f"ended with code {code}"
