"""The output directory: what this program wrote there, and nothing else, may be replaced.

`_detection/written.csv` lists every file and link before it is made. A second run removes what that list
names if it is still what was written, then the folders left empty; a file that someone else put there, or
changed, stays.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from diar.archive import storage
from diar.errors import DiarError

WRITTEN_NAME = "_detection/written.csv"
_CLOCK_STEP = 2_000_000_000  # nanoseconds; the coarsest time stamps (FAT) count in 2 s

Kind = Literal["file", "symlink", "hardlink", "copy"]


class OutputError(DiarError):
    """Something in the output directory is in the way, or it cannot be written."""


@dataclass(frozen=True)
class Entry:
    """One thing written; `name` is relative to the output directory."""

    kind: Kind
    name: str
    target: str = ""  # symlink: what it points to
    size: int = 0  # hardlink, copy: of the source
    mtime_ns: int = 0


class OutputDirectory:
    """A local directory to which one run writes."""

    def __init__(self, root: str) -> None:
        local = storage.local_path(root)
        if local is None:
            raise OutputError(
                f"--output_dir {root} is not local; stage 2 writes folders to a local directory"
            )
        self.root = local

    def replace(self, entries: Iterable[Entry]) -> None:
        """Make room for `entries`: remove an earlier run's output, list the new one.

        Raises:
            OutputError: something that this program did not write, or that changed since, is in the way.
        """
        earlier: dict[str, list[Entry]] = {}
        for entry in self._read_list():
            earlier.setdefault(entry.name, []).append(entry)
        planned = {entry.name: entry for entry in entries}
        for name in planned:
            path = self.root / name
            if os.path.lexists(path) and not _is_ours(path, earlier.get(name, [])):
                raise OutputError(
                    f"{path} is in the way: diar did not write it, or it changed since; "
                    "move it away or give another --output_dir"
                )
        # the list names old and new while both may exist, so that an interrupted run is cleaned up too
        self._write_list([*(entry for same in earlier.values() for entry in same), *planned.values()])
        self._remove({name: same for name, same in earlier.items() if not _is_rewritten(planned.get(name))})
        self._write_list(list(planned.values()))

    def write(self, name: str, data: bytes) -> None:
        """Write one of the planned files."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        storage.write_bytes_atomic(str(path), data)

    def _remove(self, earlier: dict[str, list[Entry]]) -> None:
        folders: set[Path] = set()
        for name, entries in earlier.items():
            path = self.root / name
            if os.path.lexists(path) and _is_ours(path, entries):
                path.unlink()
            folders.update(parent for parent in Path(name).parents if parent != Path())
        for folder in sorted(folders, key=lambda folder: len(folder.parts), reverse=True):
            path = self.root / folder
            if path.is_dir() and not path.is_symlink() and not any(path.iterdir()):
                path.rmdir()

    def _read_list(self) -> list[Entry]:
        path = self.root / WRITTEN_NAME
        if not path.exists():
            return []
        rows = list(csv.reader(io.StringIO(path.read_bytes().decode(errors="surrogateescape"), newline="")))
        try:
            return [
                Entry(kind, name, target, int(size), int(mtime))  # type: ignore[arg-type]
                for kind, name, target, size, mtime in rows[1:]
            ]
        except ValueError as error:
            raise OutputError(f"{path} is damaged ({error}); give another --output_dir") from None

    def _write_list(self, entries: list[Entry]) -> None:
        text = io.StringIO(newline="")
        writer = csv.writer(text)
        writer.writerow(["kind", "name", "target", "size", "mtime_ns"])
        writer.writerows((e.kind, e.name, e.target, e.size, e.mtime_ns) for e in entries)
        self.write(WRITTEN_NAME, text.getvalue().encode(errors="surrogateescape"))


def _is_rewritten(entry: Entry | None) -> bool:
    """Whether a planned entry replaces its file atomically, so that the old one may stay until then."""
    return entry is not None and entry.kind == "file"


def _is_ours(path: Path, entries: list[Entry]) -> bool:
    """Whether `path` still is what one of the entries of its name says."""
    return any(_is_as_written(path, entry) for entry in entries)


def _is_as_written(path: Path, entry: Entry) -> bool:
    if entry.kind == "symlink":
        return path.is_symlink() and str(path.readlink()) == entry.target
    if path.is_symlink() or not path.is_file():
        return False
    if entry.kind == "file":
        return True
    status = path.stat()
    return status.st_size == entry.size and abs(status.st_mtime_ns - entry.mtime_ns) <= _CLOCK_STEP
