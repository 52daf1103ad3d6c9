"""The bytes of a remote file, read in blocks as they are wanted, with the next blocks fetched meanwhile."""

from __future__ import annotations

import functools
import io
import os
import threading
from collections import OrderedDict
from concurrent.futures import Future, ThreadPoolExecutor
from typing import BinaryIO, cast

from diar.errors import DiarError
from diar.remote import objects

BLOCK = 4 << 20  # bytes; smaller files take one request
_AHEAD = 2  # blocks fetched before they are wanted, once somebody reads on
_KEPT = 6  # blocks of a file in memory
_FETCHERS = 16  # threads of a process
_BUFFER = 1 << 16  # bytes, for readers that ask for little at a time


@functools.lru_cache(maxsize=1)
def _fetchers() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_FETCHERS, thread_name_prefix="fetch")


class RangedFile:
    """One remote file; several handles and threads may share it. Memory: at most `_KEPT` blocks.

    Args:
        url: of the file; its store gives ranges (`filesystems.has_ranges`).

    Attributes:
        size: bytes.
        failure: the error that ended a handle that was opened with `quiet`.

    Raises:
        OSError: it is missing or may not be read.
        StoreUnavailable: the store does not answer.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._lock = threading.Lock()
        self._blocks: OrderedDict[int, Future[bytes]] = OrderedDict()
        self._last = 0  # block that was wanted last
        self.failure: Exception | None = None
        first = objects.read_range(url, 0, BLOCK)
        self._whole = first if len(first) != BLOCK else None  # also from a server that ignores ranges
        self.size = len(first) if self._whole is not None else self._ask_size()
        self._blocks[0] = Future()
        self._blocks[0].set_result(first)

    def _ask_size(self) -> int:
        found = objects.look_at(self._url)
        if found is None:
            raise FileNotFoundError(2, "there was such a file, and it is gone", self._url)
        return found.size

    def open(self, quiet: bool = False) -> BinaryIO:
        """Return a handle; with `quiet` an error ends the file early, and is kept in `failure`.

        Libraries in C that call a handle cannot pass its errors on.
        """
        return cast(BinaryIO, io.BufferedReader(_Handle(self, quiet), _BUFFER))

    def read(self, start: int, count: int) -> bytes:
        """Read `count` bytes from `start`, fewer at the end of a block or of the file."""
        if start >= self.size:
            return b""
        if self._whole is not None:
            return self._whole[start : start + count]
        number, offset = divmod(start, BLOCK)
        return self._block(number)[offset : offset + count]

    def _block(self, number: int) -> bytes:
        with self._lock:
            wanted = self._fetching(number)
            if number == self._last + 1:
                for later in range(number + 1, number + 1 + _AHEAD):
                    if later * BLOCK < self.size:
                        self._fetching(later)
            self._last = number
            while len(self._blocks) > _KEPT:
                self._blocks.popitem(last=False)
        try:
            return wanted.result()
        except BaseException:
            with self._lock:
                self._blocks.pop(number, None)
            raise

    def _fetching(self, number: int) -> Future[bytes]:
        if number not in self._blocks:
            self._blocks[number] = _fetchers().submit(self._fetch, number)
        self._blocks.move_to_end(number)
        return self._blocks[number]

    def _fetch(self, number: int) -> bytes:
        start = number * BLOCK
        stop = min(start + BLOCK, self.size)
        data = objects.read_range(self._url, start, stop)
        if len(data) != stop - start:
            raise OSError(5, "the file became another while it was read", self._url)
        return data


class _Handle(io.RawIOBase):
    """A place in a `RangedFile`."""

    def __init__(self, file: RangedFile, quiet: bool) -> None:
        self._file, self._quiet = file, quiet
        self._position = 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return the place."""
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to a place, as in any file."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._file.size}[whence]
        if base + offset < 0:
            raise OSError(22, "a place before the file's start")
        self._position = base + offset
        return self._position

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fill `buffer`, across blocks; return the count of bytes, fewer only at the end."""
        filled = 0
        while filled < len(buffer) and (data := self._read(len(buffer) - filled)):
            buffer[filled : filled + len(data)] = data
            filled += len(data)
            self._position += len(data)
        return filled

    def _read(self, count: int) -> bytes:
        if self._quiet and self._file.failure is not None:
            return b""
        try:
            return self._file.read(self._position, count)
        except (OSError, DiarError) as error:
            if not self._quiet:
                raise
            self._file.failure = error
            return b""
