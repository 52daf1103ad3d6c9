"""Reading that comes to no end: a mount that is stuck, a decoder that hangs."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Generic, TypeVar

from diar import storage
from diar.archive.audio_file import DecodeError
from diar.archive.listing import Listing, list_recordings
from diar.errors import DiarError

T = TypeVar("T")

LOOK = 0.5  # seconds between two looks at what is being waited for
_SLOWEST = 1e6  # bytes a second at which a file may come that has to be fetched before its first chunk


class Patience:
    """How long a recording is waited for.

    Seconds are those between looks, at most twice as many as meant: a process that was stopped or a machine
    that slept has not waited.

    Args:
        seconds: without anything new, after which it is given up.
        size: of the file, bytes; until the first chunk, each megabyte gets one second more.
    """

    def __init__(self, seconds: float, size: int = 0) -> None:
        self.seconds = seconds
        self._left = seconds + size / _SLOWEST

    def renew(self) -> None:
        """Begin again: something has come."""
        self._left = self.seconds

    def wait(self, seconds: float = LOOK) -> bool:
        """Count one look in vain; return whether that is the end."""
        self._left -= seconds
        return self._left <= 0

    @property
    def reason(self) -> str:
        """What the failed recording says."""
        return (
            f"nothing came of it for {self.seconds:g} s (--stall_timeout): its disk is stuck or its decoder "
            "hangs; it was given up"
        )


class _Reader(Generic[T]):
    """A thread that opens something, iterates over it, and hands on what comes."""

    def __init__(self, make: Callable[[], AbstractContextManager[Iterable[T]]]) -> None:
        self._make = make
        self._ready: queue.Queue[tuple[bool, T | Exception | None]] = queue.Queue(1)
        self._left = threading.Event()
        threading.Thread(target=self._run, name="read", daemon=True).start()

    def leave(self) -> None:
        """Let the thread end as soon as it can."""
        self._left.set()

    def items(self, patience: Patience, name: str) -> Iterator[T]:
        """Yield what comes.

        Raises:
            DecodeError: `stalled`; or what the thread met.
        """
        while True:
            try:
                more, item = self._ready.get(timeout=LOOK)
            except queue.Empty:
                if patience.wait():
                    raise DecodeError("stalled", f"{name}: {patience.reason}") from None
                continue
            patience.renew()
            if isinstance(item, Exception):
                raise item
            if not more:
                return
            yield item  # type: ignore[misc]

    def _run(self) -> None:
        try:
            with self._make() as items:
                for item in items:
                    if not self._put(True, item):
                        return
        except Exception as error:  # raised again where the items are taken
            self._put(False, error)
        else:
            self._put(False, None)

    def _put(self, more: bool, item: T | Exception | None) -> bool:
        while not self._left.is_set():
            try:
                self._ready.put((more, item), timeout=LOOK)
            except queue.Full:
                continue
            return True
        return False


@contextmanager
def watched(
    make: Callable[[], AbstractContextManager[Iterable[T]]], patience: Patience, name: str
) -> Iterator[Iterator[T]]:
    """Open something in another thread and iterate over it here, with an end to waiting.

    A thread that hangs is left to itself; it ends with the process.

    Args:
        make: opens it.
        patience: how long it is waited for.
        name: of the recording, for messages.
    """
    reader = _Reader(make)
    try:
        yield reader.items(patience, name)
    finally:
        reader.leave()


def unless_stuck(work: Callable[[], T], seconds: float, what: str) -> T:
    """Do something with local files in another thread; return what comes of it.

    The thread moves on as long as it uses a processor. Inside one call of the system, for a file of a mount
    that hangs, it does not. It is then left to itself, and ends with the process.

    Args:
        work: done in the thread; its errors are raised here.
        seconds: within one call, after which it is given up.
        what: is done, for messages.

    Raises:
        DiarError: it was given up.
    """
    done: queue.Queue[tuple[T | None, Exception | None]] = queue.Queue()
    clocks: queue.Queue[int] = queue.Queue()

    def run() -> None:
        clocks.put(time.pthread_getcpuclockid(threading.get_ident()))
        try:
            done.put((work(), None))
        except Exception as error:  # raised again where the result is taken
            done.put((None, error))

    threading.Thread(target=run, name="list", daemon=True).start()
    clock, patience, before = clocks.get(), Patience(seconds), -1.0
    while True:
        try:
            result, error = done.get(timeout=LOOK)
        except queue.Empty:
            used = _used(clock)
            if used != before:
                patience.renew()
            elif patience.wait():
                told = f"{what} has not moved on for {seconds:g} s (`stall_timeout`)"
                raise DiarError(f"{told}: its disk or mount is stuck") from None
            before = used
            continue
        if error is not None:
            raise error
        return result  # type: ignore[return-value]


def _used(clock: int) -> float:
    """Return the seconds that a thread has computed; 0 once it has ended."""
    try:
        return time.clock_gettime(clock)
    except OSError:
        return 0.0


def list_in_time(
    input_dir: str, exclude_dir: str, protocols: Collection[str], stall_timeout: float
) -> Listing:
    """List an archive, as `list_recordings` does; requests to remote stores have an end of their own.

    Raises:
        DiarError: nothing moves; or as `list_recordings`.
    """
    work = partial(list_recordings, input_dir, exclude_dir=exclude_dir, protocols=protocols)
    if storage.local_path(input_dir) is None:
        return work()
    return unless_stuck(work, stall_timeout, f"the listing of `input_dir={input_dir}`")
