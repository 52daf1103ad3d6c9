"""All files of an output, hidden ones too, and which of them are left of killed runs."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from diar import storage

TEMPORARY = re.compile(r"\.diar-[0-9a-f]{32}\.tmp")  # as `storage.open_atomic` names them


def all_files(root: str) -> dict[str, int]:
    """Return the bytes of every file below `root`, by path relative to it; links are files of 0 bytes."""
    local = storage.local_path(root)
    if local is None:
        base, found = storage.find_remote(root)
        return {file.path[len(base) :].lstrip("/"): file.size for file in found}
    return dict(_local_files(local))


def _local_files(root: Path) -> Iterator[tuple[str, int]]:
    start = len(str(root).rstrip("/")) + 1
    for folder, folders, names in os.walk(root):
        linked = [name for name in folders if os.path.islink(f"{folder}/{name}")]  # noqa: PTH114
        for name in (*names, *linked):
            path = f"{folder}/{name}"
            status = os.lstat(path)
            yield path[start:], 0 if name in linked or os.path.islink(path) else status.st_size  # noqa: PTH114


def relative(root: str, url: str) -> str:
    """Return a file's path relative to `root`."""
    return url[len(root.rstrip("/")) + 1 :]


def is_temporary(path: str) -> bool:
    """Return whether a killed run, or one that is at work, left the file."""
    return TEMPORARY.fullmatch(path.rpartition("/")[2]) is not None
