"""Reading recordings in a process: it does not wait for the rank's interpreter lock, and can be killed.

FFmpeg gives a compressed file packet by packet, and each packet takes the lock several times: two threads
decode MP3 more slowly than one (docs/decisions/043-pipeline.md).
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from types import TracebackType
from typing import Any

import numpy as np

from diar.archive.recording import Recording
from diar.errors import DiarError, StoreUnavailable
from diar.jobs.stalls import LOOK, Patience
from diar.reading import ReadChunk, ReadSettings, failed_row, read_recording
from diar.records import RecordingRow
from diar.spawning import SPAWN

_TO_START = 300.0  # seconds; a slow network drive takes many
_TO_DIE = 5.0  # seconds from SIGKILL; a process in a read that cannot be interrupted is left to itself


class _StalledError(Exception):
    """Nothing came from the process for too long."""


class _StoppedError(Exception):
    """The rank wants no more."""


@dataclass(frozen=True)
class _InSlot:
    """A chunk whose samples lie in the shared memory."""

    read: ReadChunk  # without samples
    count: int


class DecodeProcess:
    """Reads one recording at a time; a context manager. The process starts with the first recording.

    Both processes share the memory of one chunk, and each chunk is copied out of it. Meanwhile the process
    decodes the next chunk, but no more.

    Args:
        settings: how recordings are read.
        stall_timeout: seconds without a chunk, after which the process is killed and the recording fails.
        stopped: set where nothing more is wanted.
    """

    def __init__(
        self, settings: ReadSettings, stall_timeout: float, stopped: threading.Event | None = None
    ) -> None:
        self._settings, self._stall_timeout = settings, stall_timeout
        self._stopped = stopped or threading.Event()
        self._process: SpawnProcess | None = None

    def __enter__(self) -> DecodeProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self._connection.close()
            self._kill(self._process)

    @staticmethod
    def _kill(process: SpawnProcess) -> None:
        process.kill()  # a stopped process would not hear of SIGTERM
        process.join(_TO_DIE)

    def read(self, recording: Recording) -> Iterator[ReadChunk | RecordingRow]:
        """Read a recording as `read_recording` does; iterate to the end before reading the next.

        If the process dies, most likely because memory ran out, a new one goes on where it was. If the new
        one dies of the same recording, the row says so. A process that hangs is killed, and the row says so
        at once. Nothing more comes once `stopped` is set.

        Raises:
            DiarError: a process could not be started, or a remote store does not answer.
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
            except _StalledError as error:
                assert self._process is not None
                self._kill(self._process)
                self._ended()
                yield failed_row(recording, "stalled", str(error))
                return
            except _StoppedError:
                return
        yield failed_row(recording, "error", f"the decoding process {how}, twice")

    def _ask_for(self, recording: Recording) -> Iterator[ReadChunk | RecordingRow]:
        """Yield what the process sends.

        Raises:
            EOFError, ConnectionError: the process died.
            StoreUnavailable: a remote store does not answer.
            _StalledError: it hangs.
            _StoppedError: nothing more is wanted.
        """
        if self._process is None:
            self._process = self._start()
        self._connection.send(recording)
        patience = Patience(self._stall_timeout, recording.size)
        while not isinstance(item := self._receive(patience), RecordingRow):
            if isinstance(item, StoreUnavailable):
                raise item
            samples = np.frombuffer(self._slot, np.float32, item.count).copy()
            self._connection.send(None)  # the slot is free
            yield replace(item.read, chunk=replace(item.read.chunk, samples=samples))
            patience.renew()
        yield item

    def _receive(self, patience: Patience) -> Any:
        while not self._connection.poll(LOOK):
            if self._stopped.is_set():
                raise _StoppedError
            if patience.wait():
                raise _StalledError(patience.reason)
        return self._connection.recv()

    def _ended(self) -> str:
        """Return how the process ended, in words; the next recording starts another process."""
        assert self._process is not None
        self._connection.close()
        self._process.join(_TO_DIE)
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
            if not self._connection.poll(_TO_START):
                self._kill(process)
                raise DiarError(f"a decoding process did not start in {_TO_START:.0f} s; is the disk stuck?")
            self._connection.recv()
        except EOFError:
            process.join()
            how = _describe(process.exitcode)
            raise DiarError(f"a decoding process {how} as it started; try --decode_in threads") from None
        return process


def _serve(connection: Connection, slot: Any, settings: ReadSettings) -> None:
    """Read what is asked for, in the new process, until the other side is gone."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1):
        signal.signal(number, signal.SIG_IGN)  # they reach the rank, too, which finishes what it is at
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
    except StoreUnavailable as error:
        connection.send(error)
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
