"""Results of jobs by what they depend on: in Redis where it is configured, else in a bounded folder."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import threading
from pathlib import Path

from diar.errors import explain
from diar.service.shared.store import Shared
from diar.storage import write_bytes_atomic

_LOG = logging.getLogger("diar.service")
_LEFT = 0.9  # of what the folder may hold, after the oldest have gone


class Results:
    """Keeps results.

    Args:
        shared: Redis, if there is any.
        folder: where results are without it.
        megabytes: that the folder holds; the results that were not asked for longest go.
        seconds: how long Redis keeps a result.
        suffix: of their files.
    """

    def __init__(
        self, shared: Shared, folder: Path, megabytes: float, seconds: float, suffix: str = ".json"
    ) -> None:
        self._shared, self._folder, self._seconds, self._suffix = shared, folder, seconds, suffix
        self._most = megabytes * 1e6
        self._size: int | None = None  # of all files; unknown before the first is written
        self._lock = threading.Lock()

    async def get(self, key: str) -> bytes | None:
        """Return a result, None if there is none."""
        found = await self._shared.try_remote(lambda store: store.get(f"result:{key}"))
        return found if found is not None else await asyncio.to_thread(self._read, self._file(key))

    async def put(self, key: str, content: bytes) -> None:
        """Keep a result; raises OSError where the folder takes none."""
        kept = await self._shared.try_remote(
            lambda store: _set(store, f"result:{key}", content, self._seconds)
        )
        if kept is None:
            await asyncio.to_thread(self._write, self._file(key), content)

    def _file(self, key: str) -> Path:
        return self._folder / f"{key}{self._suffix}"  # keys are made here: 64 hexadecimal digits

    def _read(self, file: Path) -> bytes | None:
        try:
            content = file.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            _LOG.warning("a kept result cannot be read: %s", explain(error))
            return None
        with contextlib.suppress(OSError):  # a folder that may only be read has its own order
            os.utime(file)
        return content

    def _write(self, file: Path, content: bytes) -> None:
        """Write a file, and make room."""
        with self._lock:
            self._folder.mkdir(parents=True, exist_ok=True)
            write_bytes_atomic(str(file), content)
            if self._size is not None:
                self._size += len(content)
            if self._size is None or self._size > self._most:
                self._shrink()

    def _shrink(self) -> None:
        """Count what there is; where it is too much, remove the oldest until there is room for some more."""
        found = []
        for file in self._folder.glob(f"*{self._suffix}"):
            with contextlib.suppress(FileNotFoundError):  # another process has removed it
                known = file.stat()
                found.append((known.st_mtime, known.st_size, file))
        size = sum(one[1] for one in found)
        if size > self._most:
            found.sort(key=lambda one: one[:2])
            for _, own, file in found[:-1]:
                if size <= _LEFT * self._most:
                    break
                file.unlink(missing_ok=True)
                size -= own
        self._size = size


async def _set(store, key: str, content: bytes, seconds: float) -> bool:  # type: ignore[no-untyped-def]
    await store.set(key, content, seconds)
    return True
