"""SHA-256 of weights."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path


def file_sha256(file: Path) -> str:
    """Return the hexadecimal SHA-256 of a file's content; a file that has not changed is read once."""
    now = file.stat()
    return _sha256(file, now.st_ino, now.st_size, now.st_mtime_ns)


@lru_cache
def _sha256(file: Path, inode: int, size: int, mtime: int) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
