"""The output directory: only what this program wrote there may be replaced.

A list (`_detection/written.csv`) names every file and link before it is made. A later run removes what the
list names if it is unchanged, then the folders left empty. A file that someone else made or changed stays.
Each task has a list of its own. A folder with very many files may hold its own list; the list above then
names only the folder.
"""

from __future__ import annotations

import csv
import io
import os
import stat
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from diar import storage
from diar.errors import DiarError
from diar.leases.alone import folder_of_runs

WRITTEN_NAME = "_detection/written.csv"
LOCK_NAME = "_detection/run.lock"  # there only while something writes to the output
_CLOCK_STEP = 2_000_000_000  # nanoseconds; the coarsest time stamps (FAT) count in 2 s

FOLDER_LIST = ".written.csv"  # in a folder that has a list of its own

Kind = Literal["file", "symlink", "hardlink", "copy", "folder"]


def lock_of(output_dir: str) -> str:
    """Return the lock file of an output, which keeps a second writer out."""
    return storage.join(output_dir, LOCK_NAME)


def is_of_lock(name: str) -> bool:
    """Return whether a file, relative to an output, says who writes to it now, or was killed doing so."""
    return name == LOCK_NAME or name.startswith(f"{folder_of_runs(LOCK_NAME)}/")


class OutputError(DiarError):
    """Something in the output directory is in the way, or it cannot be written."""


@dataclass(frozen=True)
class Entry:
    """One file, link or folder that was written; `name` is relative to the output directory."""

    kind: Kind
    name: str
    target: str = ""  # symlink: what it points to
    size: int = 0  # hardlink, copy: of the source
    mtime_ns: int = 0


class OutputDirectory:
    """A local directory to which one run writes what the list `list_name` names."""

    def __init__(self, root: str, list_name: str = WRITTEN_NAME) -> None:
        local = storage.local_path(root)
        if local is None:
            raise OutputError(
                f"`output_dir={root}` is not local; stage 2 writes folders to a local directory"
            )
        self.root = local
        self._list_name = list_name

    def folder(self, name: str) -> OutputDirectory:
        """Return the folder `name` as an output directory with a list of its own."""
        return OutputDirectory(str(self.root / name), FOLDER_LIST)

    def replace(self, entries: Iterable[Entry]) -> None:
        """Make room for `entries`: remove an earlier run's output, list the new one.

        A link that is planned as it is stays.

        Raises:
            OutputError: something that this program did not write, or that changed since, is in the way.
        """
        earlier = self._earlier()
        planned = {entry.name: entry for entry in (*entries, Entry("file", self._list_name))}
        if self.root.exists():
            self._check_room(planned, earlier)
        # the list names old and new while both may exist, so that an interrupted run can be cleaned up
        both = dict.fromkeys([*(entry for same in earlier.values() for entry in same), *planned.values()])
        self._write_list(both)
        self._remove({name: same for name, same in earlier.items() if not _stays(planned.get(name), same)})
        if len(both) > len(planned):
            self._write_list(planned.values())

    def _check_room(self, planned: Mapping[str, Entry], earlier: Mapping[str, list[Entry]]) -> None:
        root = str(self.root)
        for name, entry in planned.items():
            path = _join(root, name)
            if os.path.lexists(path) and not _may_be_replaced(path, entry, earlier.get(name, [])):
                raise OutputError(
                    f"{path} is in the way: diar did not write it, or it changed since; "
                    "move it away or give another `output_dir`"
                )

    def clear(self) -> None:
        """Remove an earlier run's output and its list, then this folder if that leaves it empty."""
        self._remove(self._earlier())
        if self.root.is_dir() and not any(self.root.iterdir()):
            self.root.rmdir()

    def entries(self) -> list[Entry]:
        """Return what the list names; nothing without a list.

        Raises:
            OutputError: the list is damaged.
        """
        return self._read_list()

    def is_as_written(self, entry: Entry) -> bool:
        """Return whether there is what an entry says."""
        return _is_as_written(_join(str(self.root), entry.name), entry)

    def forget(self, names: Collection[str]) -> None:
        """Remove the entries of these names, if they are as written, and take them off the list."""
        earlier = self._earlier()
        gone = {name: same for name, same in earlier.items() if name in names}
        if gone:
            self._remove(gone)
            self._write_list(entry for name, same in earlier.items() if name not in names for entry in same)

    def write(self, name: str, data: bytes) -> None:
        """Write one of the planned files."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        storage.write_bytes_atomic(str(path), data)

    def _remove(self, earlier: dict[str, list[Entry]]) -> None:
        root = str(self.root)
        folders: set[str] = set()
        for name, entries in earlier.items():
            path = _join(root, name)
            if _is_ours(path, entries):
                if any(entry.kind == "folder" for entry in entries) and _is_folder(path):
                    self.folder(name).clear()
                else:
                    os.unlink(path)  # noqa: PTH108 - strings: there may be ten million
            folder = name.rpartition("/")[0]
            while folder and folder not in folders:
                folders.add(folder)
                folder = folder.rpartition("/")[0]
        for folder in sorted(folders, key=lambda name: name.count("/"), reverse=True):
            path = _join(root, folder)
            if _is_folder(path) and not any(Path(path).iterdir()):
                Path(path).rmdir()

    def _earlier(self) -> dict[str, list[Entry]]:
        """Return the entries of the list, by name."""
        earlier: dict[str, list[Entry]] = {}
        for entry in self._read_list():
            earlier.setdefault(entry.name, []).append(entry)
        return earlier

    def _read_list(self) -> list[Entry]:
        path = self.root / self._list_name
        return read_entries(path.read_bytes(), str(path)) if path.exists() else []

    def _write_list(self, entries: Iterable[Entry]) -> None:
        text = io.StringIO(newline="")
        writer = csv.writer(text)
        writer.writerow(["kind", "name", "target", "size", "mtime_ns"])
        writer.writerows((e.kind, e.name, e.target, e.size, e.mtime_ns) for e in entries)
        self.write(self._list_name, text.getvalue().encode(errors="surrogateescape"))


def read_entries(data: bytes, source: str) -> list[Entry]:
    """Return the entries of a list; `source` is its name in errors.

    Raises:
        OutputError: it is damaged.
    """
    rows = list(csv.reader(io.StringIO(data.decode(errors="surrogateescape"), newline="")))
    try:
        return [
            Entry(kind, name, target, int(size), int(mtime))  # type: ignore[arg-type]
            for kind, name, target, size, mtime in rows[1:]
        ]
    except ValueError as error:
        raise OutputError(f"{source} is damaged ({error}); give another `output_dir`") from None


def _stays(entry: Entry | None, earlier: list[Entry]) -> bool:
    """Return whether what is there may stay until `entry` is written.

    A file is replaced atomically, a folder with its own list is emptied by that, a link may be right already.
    """
    if entry is None:
        return False
    return entry.kind in ("file", "folder") or (entry.kind == "symlink" and earlier == [entry])


def _may_be_replaced(path: str, entry: Entry, earlier: list[Entry]) -> bool:
    """Return whether `entry` may replace what exists at `path`."""
    if entry.kind == "folder" and _is_folder(path):
        return True  # its own list says what may be replaced
    return _is_ours(path, earlier)


def _is_ours(path: str, entries: list[Entry]) -> bool:
    """Return whether `path` still is what one of the entries of its name says."""
    return any(_is_as_written(path, entry) for entry in entries)


def _is_as_written(path: str, entry: Entry) -> bool:
    """Return whether there is what an entry says; strings and one look, for there may be ten million."""
    try:
        if entry.kind == "symlink":
            return os.readlink(path) == entry.target  # noqa: PTH115
        status = os.lstat(path)
    except OSError:  # not there, or no link
        return False
    if entry.kind == "folder":
        return stat.S_ISDIR(status.st_mode)
    if not stat.S_ISREG(status.st_mode):
        return False
    same_time = abs(status.st_mtime_ns - entry.mtime_ns) <= _CLOCK_STEP
    return entry.kind == "file" or (status.st_size == entry.size and same_time)


def _is_folder(path: str) -> bool:
    return _is_as_written(path, Entry("folder", ""))


def _join(root: str, name: str) -> str:
    return f"{root}/{name}"
