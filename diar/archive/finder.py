"""The files that a list of recordings names, wherever they are meant to lie."""

from __future__ import annotations

import math
import os
import stat
from collections.abc import Iterator
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from diar import storage
from diar.archive.recording import Recording

_PCM_BYTES = 32_000  # a second of 16 kHz PCM
_MISSING_SHOWN = 3
_REMEMBERED = 16_384  # files


class Entry(NamedTuple):
    """A recording as a list gives it."""

    recording_id: str
    path: str  # as the list gives it
    offset: float = 0.0
    duration: float | None = None
    num_speakers: int | None = None
    label: str | None = None
    reference: str | None = None  # path of an RTTM file, as the list gives it


class Finder:
    """Finds the files of a list; looks each up once if its parts are listed together."""

    def __init__(self, folder: str, current_first: bool) -> None:
        """Look in `folder`, that of the list, and in the current directory; the latter first if so asked."""
        self._folder = folder
        self._current_first = current_first
        self._find = lru_cache(_REMEMBERED)(self._look_up)
        self._missing: dict[str, dict[str, None]] = {"files": {}, "RTTM files": {}}

    def recording(self, entry: Entry) -> Recording:
        """Return the recording of an entry; a file that is missing has size 0."""
        url, size, mtime = self._find(entry.path, "files")
        if entry.duration is not None:
            size = min(size, math.ceil(entry.duration * _PCM_BYTES))
        reference = None if entry.reference is None else self._find(entry.reference, "RTTM files")[0]
        return Recording(
            entry.recording_id,
            url,
            size,
            mtime,
            entry.offset,
            entry.duration,
            num_speakers=entry.num_speakers,
            label=entry.label,
            reference=reference,
        )

    def warnings(self) -> list[str]:
        """Say which files were not found."""
        return [
            f"{len(missing)} {kind} of the list do not exist, such as "
            + ", ".join(islice(missing, _MISSING_SHOWN))
            for kind, missing in self._missing.items()
            if missing
        ]

    def _look_up(self, path: str, kind: str) -> tuple[str, int, float]:
        """Return (url, bytes, mtime); zeros if nothing is found."""
        candidates = list(self._candidates(path))
        for url in candidates:
            local = storage.local_path(url)
            if local is None:
                found = storage.remote_file(url)
                if found is not None:
                    return url, found.size, found.mtime
            elif (details := _details(local)) is not None:
                return url, details.st_size, details.st_mtime
        self._missing[kind][candidates[0]] = None
        return candidates[0], 0, 0.0

    def _candidates(self, path: str) -> Iterator[str]:
        local = storage.local_path(path)
        if local is None or path.startswith("file://"):
            yield path
            return
        if local.is_absolute():
            yield path
            return
        beside = storage.join(self._folder, path) if self._folder else path
        if storage.local_path(self._folder) is not None:
            beside = storage.absolute(beside)
        here = storage.absolute(path)
        yield from (here, beside) if self._current_first else (beside, here)


def _details(path: Path) -> os.stat_result | None:
    """Return size and time of a file; None if there is none, or none that can be looked at (a long name)."""
    try:
        details = path.stat()
    except OSError:
        return None
    return details if stat.S_ISREG(details.st_mode) else None
