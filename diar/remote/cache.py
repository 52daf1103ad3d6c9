"""Copies of remote files on a local disk, for archives that are read more than once."""

from __future__ import annotations

import fcntl
import hashlib
import os
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from diar.remote import objects
from diar.remote.ranged import BLOCK, RangedFile

_ENDING, _PARTIAL = ".audio", ".partial"
_GIVEN_UP = 3_600_000_000_000  # nanoseconds without a byte, after which a download is taken for broken off


@dataclass(frozen=True)
class FileCache:
    """A folder of copies, shared by all processes that name it.

    The copies that were used least recently make room for new ones; one that is in use stays. A file that
    changed in its store (size or time) is another file.

    Attributes:
        folder: of the copies; made where it does not exist.
        limit: most bytes that they take together. A larger file is not kept.
    """

    folder: Path
    limit: int

    @classmethod
    def of_options(cls, cache_dir: str | None, cache_gigabytes: float) -> FileCache | None:
        """Return the cache that a command's options ask for."""
        return None if cache_dir is None else cls(Path(cache_dir), round(cache_gigabytes * 1e9))

    @contextmanager
    def copy_of(self, url: str) -> Iterator[Path | None]:
        """Give the local copy of a remote file, made now if there is none; None if it may not be kept.

        Raises:
            OSError: there is no such file, or it may not be read; or the disk fails.
            StoreUnavailable: the store does not answer.
        """
        found = objects.look_at(url)
        if found is None:
            raise FileNotFoundError(2, "there is no such file", url)
        if found.size > self.limit:
            yield None
            return
        name = hashlib.sha256(f"{url}\n{found.size}\n{found.mtime}".encode()).hexdigest()
        path = self.folder / f"{name}{_ENDING}"
        with self._held(path, url, found.size) as held:
            os.utime(held.fileno())
            yield path

    @contextmanager
    def _held(self, path: Path, url: str, size: int) -> Iterator[BinaryIO]:
        """Open the copy, and keep it from being removed meanwhile."""
        while True:
            if not path.exists():
                self._make_room(size)
                self._fetch(path, url)
            try:
                file = path.open("rb")
            except FileNotFoundError:  # another process has just made room
                continue
            with file:
                fcntl.flock(file, fcntl.LOCK_SH)
                if os.fstat(file.fileno()).st_nlink:
                    yield file
                    return

    def _fetch(self, path: Path, url: str) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        partial = self.folder / f"{uuid.uuid4().hex}{_PARTIAL}"
        try:
            with partial.open("xb") as copy, RangedFile(url).open() as source:
                while block := source.read(BLOCK):
                    copy.write(block)
            partial.replace(path)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise

    def _make_room(self, size: int) -> None:
        """Remove copies, those first that were used least recently, until `size` bytes more are allowed."""
        copies = sorted(self._copies())
        excess = sum(bytes_ for _, bytes_, _ in copies) + size - self.limit
        given_up = time.time_ns() - _GIVEN_UP
        for used, bytes_, path in copies:
            if excess <= 0:
                return
            if path.endswith(_PARTIAL) and used > given_up:
                continue
            if _remove_unused(path):
                excess -= bytes_

    def _copies(self) -> Iterator[tuple[int, int, str]]:
        """Yield (nanoseconds of the last use, bytes, path) of each copy, and of broken-off downloads."""
        if not self.folder.is_dir():
            return
        for entry in os.scandir(self.folder):
            if entry.name.endswith((_ENDING, _PARTIAL)):
                try:
                    details = entry.stat()
                except FileNotFoundError:
                    continue
                yield details.st_mtime_ns, details.st_size, entry.path


def _remove_unused(path: str) -> bool:
    """Remove a copy unless a process holds it; return whether it is gone."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.unlink(path)  # noqa: PTH108
    except FileNotFoundError:
        return True
    except BlockingIOError:
        return False
    return True
