"""Whether an archive is so small that one process is enough, found without listing all of it."""

from __future__ import annotations

import os
from pathlib import Path

from diar import storage
from diar.archive.manifests import LIST_SUFFIXES
from diar.archive.recording import has_audio_suffix

LITTLE = 2_000_000  # bytes of PCM, a minute, which one process has done before workers would have started
_PLAIN = (".wav", ".wave", ".w64", ".rf64", ".bwf", ".aiff", ".aif", ".au", ".snd")  # PCM, nearly always
_COMPRESSED = 8  # times as many seconds as in PCM are in as many bytes of other files, or fewer
_MOST_NAMES = 1_000  # of files and folders; an archive with more takes long to look through


def is_little(source: str) -> bool:
    """Return whether a local file or folder holds about a minute of audio at most, by the size of its files.

    Looks at no more than it needs to. Lists, globs and remote archives count as large.
    """
    local = storage.local_path(source)
    if local is None:
        return False
    path = local.expanduser()
    if path.is_file():
        return path.suffix.lower() not in LIST_SUFFIXES and _pcm_bytes(path) <= LITTLE
    return path.is_dir() and _holds_little(path)


def _holds_little(top: Path) -> bool:
    size = names = 0
    for folder, below, files in os.walk(top, followlinks=True):  # circles of links end at the most names
        names += len(below) + len(files)
        size += sum(_pcm_bytes(Path(folder, file)) for file in files if has_audio_suffix(file))
        if names > _MOST_NAMES or size > LITTLE:
            return False
    return True


def pcm_bytes(name: str, size: int) -> int:
    """Return about how many bytes the audio of a file of `size` bytes takes as PCM."""
    return size if name.lower().endswith(_PLAIN) else _COMPRESSED * size


def _pcm_bytes(file: Path) -> int:
    """Do the same for a local file; 0 if nobody can read it: stage 1 will tell."""
    try:
        return pcm_bytes(file.name, file.stat().st_size)
    except OSError:
        return 0
