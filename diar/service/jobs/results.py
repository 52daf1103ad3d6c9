"""Results of jobs by what they depend on: in Redis where it is configured, else in a bounded folder."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from diar.service.shared.store import Shared
from diar.storage import write_bytes_atomic


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

    async def get(self, key: str) -> bytes | None:
        """Return a result, None if there is none."""
        found = await self._shared.try_remote(lambda store: store.get(f"result:{key}"))
        if found is not None:
            return found
        file = self._file(key)
        with contextlib.suppress(FileNotFoundError):
            content = file.read_bytes()
            os.utime(file)
            return content
        return None

    async def put(self, key: str, content: bytes) -> None:
        """Keep a result."""
        kept = await self._shared.try_remote(
            lambda store: _set(store, f"result:{key}", content, self._seconds)
        )
        if kept is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            write_bytes_atomic(str(self._file(key)), content)
            self._shrink()

    def _file(self, key: str) -> Path:
        return self._folder / f"{key}{self._suffix}"  # keys are made here: 64 hexadecimal digits

    def _shrink(self) -> None:
        files = sorted(self._folder.glob(f"*{self._suffix}"), key=lambda file: file.stat().st_mtime)
        size = sum(file.stat().st_size for file in files)
        while size > self._most and len(files) > 1:
            oldest = files.pop(0)
            size -= oldest.stat().st_size
            oldest.unlink()


async def _set(store, key: str, content: bytes, seconds: float) -> bool:  # type: ignore[no-untyped-def]
    await store.set(key, content, seconds)
    return True
