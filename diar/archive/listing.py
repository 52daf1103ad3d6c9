"""The recordings of an archive: a folder, a glob, one file, or a list; local or remote."""

from __future__ import annotations

import glob
import os
import re
import stat
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from diar import storage
from diar.archive.manifests import LIST_SUFFIXES, read_list
from diar.archive.recording import ListingError, Recording, has_audio_suffix
from diar.archive.recording_table import Recordings
from diar.remote.objects import RemoteFile

__all__ = ["Listing", "ListingError", "Recording", "Recordings", "list_recordings"]

# Only outputs of stage 1 and stage 2 hold these; links to audio in outputs are not new recordings
_OUTPUT_MARKS = ("_extraction", "_detection", "speaker_boundary_detection_result.json")
_MAGIC = re.compile(r"[*?\[]")


@dataclass(frozen=True)
class Listing:
    """The recordings of an archive.

    Attributes:
        recordings: in natural order of their ids, or in the order of a list that was given.
        ignored: files without an audio suffix.
        warnings: what was left out: unreadable folders, folders met twice, outputs of diar.
        ordered: whether the order is that of a list (wav.scp, manifest).
    """

    recordings: Recordings
    ignored: int = 0
    warnings: list[str] = field(default_factory=list)
    ordered: bool = False


def list_recordings(
    source: str, *, exclude_dir: str | None = None, protocols: Collection[str] = ()
) -> Listing:
    """List an archive.

    Args:
        source: folder (recursive; without hidden files and folders; links are followed), glob pattern, audio
            file, Kaldi `wav.scp` (`*.scp`), NeMo manifest (`*.json`, `*.jsonl`), or an fsspec URL of any of
            these.
        exclude_dir: a folder to leave out, because the output goes there.
        protocols: of URLs that a list may name, besides local files and the list's own protocol.

    Raises:
        ListingError: the source does not exist, or a list has a mistake (the message names the line).
    """
    local = storage.local_path(source)
    if local is None:
        return _list_remote(source, exclude_dir, protocols)
    path = local.expanduser()
    if path.is_dir():
        return _LocalLister(path, exclude_dir).folder()
    if path.is_file():
        return _list_local_file(path, protocols)
    if has_wildcard(str(path)):
        return _LocalLister(fixed_part(path), exclude_dir).pattern(path)
    raise ListingError(f"{source} does not exist; give a folder, a file, a glob pattern or a URL")


def _list_local_file(path: Path, protocols: Collection[str]) -> Listing:
    if path.suffix.lower() in LIST_SUFFIXES:
        recordings, warnings = read_list(str(path), protocols)
        return Listing(recordings, warnings=warnings, ordered=True)
    details = path.stat()
    return Listing(Recordings.of([_local_recording(path.name, storage.absolute(path), details)]))


def _local_recording(relative: str, path: str, details: os.stat_result | None) -> Recording:
    size, mtime = (details.st_size, details.st_mtime) if details else (0, 0.0)
    return Recording(_as_text(relative), storage.local_url(path), size, mtime)


def _as_text(path: str) -> str:
    """Return `path` as valid UTF-8, with other bytes as `\\xNN`."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def has_wildcard(text: str) -> bool:
    """Return whether a path or link is a glob pattern."""
    return _MAGIC.search(text) is not None


def fixed_link(pattern: str) -> str:
    """Return the part of a URL's link above the first component with a wildcard."""
    return _MAGIC.split(pattern, maxsplit=1)[0].rpartition("/")[0]


def fixed_part(pattern: Path) -> Path:
    """Return the folder above the first component with a wildcard."""
    parts = pattern.parts
    first = next(index for index, part in enumerate(parts) if _MAGIC.search(part))
    return Path(*parts[:first])


class _LocalLister:
    """Lists the recordings below one root.

    It enters each folder once, by device and inode, so links cannot lead in circles. Links to folders come
    last: a folder that also lies in the archive itself keeps its own path.
    """

    def __init__(self, root: Path, exclude_dir: str | None) -> None:
        self._root = storage.absolute(root)
        self._ignored = 0
        self._warnings: list[str] = []
        self._entered: dict[tuple[int, int], str] = {}
        self._linked: list[str] = []
        excluded = storage.local_path(exclude_dir) if exclude_dir is not None else None
        self._excluded = _identity(excluded) if excluded is not None else None

    def folder(self) -> Listing:
        """List everything below the root."""
        return self._listing(self._walk(self._root))

    def pattern(self, pattern: Path) -> Listing:
        """List what matches the glob, including everything in matching folders."""
        return self._listing(self._matches(pattern))

    def _listing(self, found: Iterator[Recording]) -> Listing:
        recordings = Recordings.of(chain(found, self._behind_links())).in_natural_order()
        return Listing(recordings, self._ignored, self._warnings)

    def _matches(self, pattern: Path) -> Iterator[Recording]:
        for match in sorted(glob.iglob(storage.absolute(pattern), recursive=True)):  # noqa: PTH207
            if os.path.isdir(match):  # noqa: PTH112
                yield from self._walk(match)
            elif not self._inside_excluded(match):
                yield from self._file(match)

    def _behind_links(self) -> Iterator[Recording]:
        while self._linked:
            linked, self._linked = sorted(self._linked), []
            for folder in linked:
                yield from self._walk(folder)

    def _walk(self, top: str) -> Iterator[Recording]:
        waiting = [top]
        while waiting:
            folder = waiting.pop()
            if self._enter(folder):
                files, below = self._scan(folder)
                waiting.extend(below)
                for path in files:
                    yield from self._file(path)

    def _enter(self, folder: str) -> bool:
        identity = _identity(Path(folder))
        if identity is None:
            self._warnings.append(f"{folder}: cannot be read")
            return False
        if identity == self._excluded:
            return False
        earlier = self._entered.setdefault(identity, folder)
        if earlier is not folder and os.path.islink(folder):  # noqa: PTH114
            self._warnings.append(f"{folder}: links to a folder already listed as {earlier}")
        return earlier is folder

    def _scan(self, folder: str) -> tuple[list[str], list[str]]:
        """Return files and sub-folders of one folder; note links to folders for later."""
        files: list[str] = []
        below: list[str] = []
        try:
            with os.scandir(folder) as scanned:
                entries = list(scanned)
            made = next((entry.name for entry in entries if entry.name in _OUTPUT_MARKS), None)
            if made and folder != self._root:
                self._warnings.append(f"{folder}: left out, it is an output of diar ({made})")
                return [], []
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    below.append(entry.path)
                elif entry.is_dir():
                    self._linked.append(entry.path)
                else:
                    files.append(entry.path)
        except OSError as error:
            self._warnings.append(f"{folder}: cannot be read ({error.strerror})")
        return files, below

    def _file(self, path: str) -> Iterator[Recording]:
        """Yield the recording at `path`, if it is one."""
        if not has_audio_suffix(path.rpartition("/")[2]):
            self._ignored += 1
            return
        try:
            details = os.stat(path)  # noqa: PTH116 - called a million times
        except OSError:  # a dangling link, say: decoding will fail and give the reason
            details = None
        if details is not None and not stat.S_ISREG(details.st_mode):
            details = None  # a pipe, say: the same
        yield _local_recording(path[len(self._root) :].lstrip("/"), path, details)

    def _inside_excluded(self, path: str) -> bool:
        return self._excluded is not None and any(
            _identity(parent) == self._excluded for parent in _parents_below(path, self._root)
        )


def _parents_below(path: str, root: str) -> Iterator[Path]:
    for parent in Path(path).parents:
        yield parent
        if str(parent) == root:
            return


def _identity(path: Path) -> tuple[int, int] | None:
    """Return (device, inode) of the target of `path`, None if it is missing or may not be read."""
    try:
        details = path.stat()
    except OSError:
        return None
    return details.st_dev, details.st_ino


def _list_remote(source: str, exclude_dir: str | None, protocols: Collection[str]) -> Listing:
    found = storage.remote_file(source)
    if found is not None:
        name = found.path.rpartition("/")[2]
        if Path(name).suffix.lower() in LIST_SUFFIXES:
            recordings, warnings = read_list(source, protocols)
            return Listing(recordings, warnings=warnings, ordered=True)
        return Listing(Recordings.of([Recording(name, source, found.size, found.mtime)]))
    link, chained, rest = source.partition("::")
    if has_wildcard(link):
        base = fixed_link(link) + "/"
        return _select(base + chained + rest, *storage.find_remote(source, pattern=True), exclude_dir)
    if not storage.is_dir(source):
        raise ListingError(f"{source} does not exist; give a folder, a file, a glob pattern or a URL")
    return _select(source, *storage.find_remote(source), exclude_dir)


def _select(base: str, root: str, files: list[RemoteFile], exclude_dir: str | None) -> Listing:
    """List the recordings among `files`, whose paths start with `root`, the path of the URL `base`."""
    recordings, ignored = [], 0
    excluded = None if exclude_dir is None else exclude_dir.rstrip("/") + "/"
    for file in files:
        relative = file.path[len(root) :].lstrip("/")
        url = storage.join(base, relative)
        hidden = any(part.startswith(".") for part in relative.split("/"))
        if hidden or (excluded and url.startswith(excluded)):
            continue
        if has_audio_suffix(relative.rpartition("/")[2]):
            recordings.append(Recording(relative, url, file.size, file.mtime))
        else:
            ignored += 1
    return Listing(Recordings.of(recordings).in_natural_order(), ignored)
