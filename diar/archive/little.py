"""Whether an archive is so small that one process is enough, found without listing all of it."""

from __future__ import annotations

import os
from pathlib import Path

from diar import storage
from diar.archive.manifests import LIST_SUFFIXES
from diar.archive.recording import has_audio_suffix

LITTLE = 16_000_000  # bytes that are embedded before workers have started and opened their networks
_MOST_NAMES = 1_000  # of files and folders; an archive with more takes long to look through


def is_little(source: str) -> bool:
    """Return whether a local file or folder holds at most `LITTLE` bytes of audio.

    Looks at no more than it needs to. Lists, globs and remote archives count as large.
    """
    local = storage.local_path(source)
    if local is None:
        return False
    path = local.expanduser()
    if path.is_file():
        return path.suffix.lower() not in LIST_SUFFIXES and path.stat().st_size <= LITTLE
    return path.is_dir() and _holds_little(path)


def _holds_little(top: Path) -> bool:
    size = names = 0
    for folder, below, files in os.walk(top, followlinks=True):  # circles of links end at the most names
        names += len(below) + len(files)
        size += sum(_size(Path(folder, file)) for file in files if has_audio_suffix(file))
        if names > _MOST_NAMES or size > LITTLE:
            return False
    return True


def _size(file: Path) -> int:
    """Return the bytes of a file; 0 if it cannot be read, which stage 1 will say."""
    try:
        return file.stat().st_size
    except OSError:
        return 0
