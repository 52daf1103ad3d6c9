"""Reading, writing, listing and removing remote files; each request is repeated while its errors may pass."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any, BinaryIO, NamedTuple, cast

from diar.errors import DiarError, NoConditions
from diar.remote.errors import http_status
from diar.remote.filesystems import filesystem_of, is_object_store
from diar.remote.retries import patiently

_LISTING = 16  # folders at once
_DEEPEST = 4  # levels that are looked into one by one, until there are enough folders to share out


class RemoteFile(NamedTuple):
    """One remote file: path inside its store, bytes, seconds since the epoch (0.0 if unknown)."""

    path: str
    size: int
    mtime: float


@patiently
def exists(url: str) -> bool:
    """Return whether there is a file or folder."""
    filesystem, path = filesystem_of(url)
    return bool(filesystem.exists(path))


@patiently
def is_dir(url: str) -> bool:
    """Return whether `url` is a folder (in an object store: a prefix with something below it)."""
    filesystem, path = filesystem_of(url)
    try:
        return bool(filesystem.info(path)["type"] == "directory")  # s3fs's isdir lists all of it
    except FileNotFoundError:
        return False


@patiently
def read(url: str) -> bytes:
    """Read the whole content; raise OSError if it is missing or may not be read."""
    filesystem, path = filesystem_of(url)
    return cast(bytes, filesystem.cat_file(path))


@patiently
def read_range(url: str, start: int, stop: int) -> bytes:
    """Read bytes [start, stop), fewer at the end of the file, none beyond it."""
    filesystem, path = filesystem_of(url)
    try:
        return cast(bytes, filesystem.cat_file(path, start=start, end=stop))
    except Exception as error:  # not all drivers make an OSError of an answer
        if http_status(error) == 416:  # nothing there
            return b""
        raise


@patiently
def open_whole(url: str) -> BinaryIO:
    """Open a file of a store that cannot give parts of files."""
    filesystem, path = filesystem_of(url)
    return cast(BinaryIO, filesystem.open(path, "rb"))


@patiently
def look_at(url: str) -> RemoteFile | None:
    """Return one file, None if there is none."""
    filesystem, path = filesystem_of(url)
    try:
        details = filesystem.info(path)
    except FileNotFoundError:
        return None
    return _file(path, details) if details.get("type") == "file" else None


@patiently
def list_entries(folder: str) -> list[str]:
    """List the names of files and folders in `folder`; none if it does not exist."""
    filesystem, path = filesystem_of(folder)
    filesystem.invalidate_cache(path)
    try:
        found = filesystem.ls(path, detail=True)
    except (FileNotFoundError, NotADirectoryError):
        return []
    # A store may list a file as its own only entry, or a marker for the folder itself
    names = (entry["name"].rstrip("/") for entry in found)
    return [name.rpartition("/")[2] for name in names if name != path.rstrip("/")]


def find(url: str, pattern: bool = False) -> tuple[str, list[RemoteFile]]:
    """Find (root path, all files below it) of a folder; with `pattern`, the files of a glob."""
    path = filesystem_of(url)[1]
    if pattern:
        root = re.split(r"[*?\[]", path, maxsplit=1)[0].rpartition("/")[0]
        return root.rstrip("/"), _glob(url)
    return path.rstrip("/"), _find_in_parallel(url, path) if is_object_store(url) else _find(url)


def _find_in_parallel(url: str, path: str) -> list[RemoteFile]:
    """Find the files of many folders at once: a page of a thousand names comes after the page before it.

    Memory: drivers hold all details of what they list by one call, ten times as much as is kept.
    """
    scheme = url.partition("://")[0]
    files: list[RemoteFile] = []
    folders = [path.rstrip("/")]
    with ThreadPoolExecutor(_LISTING) as threads:
        for _ in range(_DEEPEST):
            if not 0 < len(folders) < 2 * _LISTING:
                break
            levels = list(threads.map(_look_into, [f"{scheme}://{folder}" for folder in folders]))
            files += [file for own, _ in levels for file in own]
            folders = [folder for _, below in levels for folder in below]
        for found in threads.map(_find, [f"{scheme}://{folder}" for folder in folders]):
            files += found
    return files


def list_files(folder: str) -> list[RemoteFile]:
    """List the files directly in a folder; none if it does not exist."""
    return _look_into(folder)[0]


@patiently
def _look_into(url: str) -> tuple[list[RemoteFile], list[str]]:
    """Return the files and the folders (paths) directly in a folder."""
    filesystem, path = filesystem_of(url)
    try:
        entries = filesystem.ls(path, detail=True)
    except FileNotFoundError:
        return [], []
    files = [
        _file(entry["name"], entry)
        for entry in entries
        if entry["type"] == "file" and entry["name"].rstrip("/") != path  # a marker of the folder itself
    ]
    return files, [entry["name"].rstrip("/") for entry in entries if entry["type"] == "directory"]


@patiently
def _find(url: str) -> list[RemoteFile]:
    filesystem, path = filesystem_of(url)
    return _files(filesystem.find(path, detail=True))


@patiently
def _glob(url: str) -> list[RemoteFile]:
    filesystem, path = filesystem_of(url)
    return _files(filesystem.glob(path, detail=True))


def _files(found: dict[str, dict[str, Any]]) -> list[RemoteFile]:
    return [
        _file(name, details)
        for name, details in found.items()
        if details.get("type") == "file" and not name.endswith("/")  # markers of folders
    ]


@patiently
def write(url: str, data: bytes) -> None:
    """Write a file by one upload; raise DiarError if its bucket does not exist: none is made."""
    filesystem, path = filesystem_of(url)
    try:
        filesystem.pipe_file(path, data)
    except FileNotFoundError as error:
        if is_object_store(url):
            bucket = path.partition("/")[0]
            raise DiarError(f"cannot write {url}: there is no bucket {bucket}; create it first") from error
        filesystem.makedirs(path.rpartition("/")[0], exist_ok=True)
        filesystem.pipe_file(path, data)


@patiently
def create(url: str, data: bytes) -> bool:
    """Write a file unless there is one; return whether it has this `data` now. One of several writers wins.

    Object stores do that by a conditional request (S3: `If-None-Match: *`). `data` must be the writer's own:
    by it a writer whose request was repeated knows that the first one had arrived.

    Raises:
        NoConditions: the store does not know such requests.
    """
    filesystem, path = filesystem_of(url)
    if not is_object_store(url):
        filesystem.makedirs(path.rpartition("/")[0], exist_ok=True)
    try:
        filesystem.pipe_file(path, data, mode="create")
    except (NotImplementedError, TypeError) as error:
        raise NoConditions(f"{url}: this store cannot create a file only if there is none") from error
    except OSError as error:
        if http_status(error) == 501:
            raise NoConditions(f"{url}: this store cannot create a file only if there is none") from error
        if not isinstance(error, FileExistsError) and http_status(error) not in (409, 412):
            raise
        try:
            return bool(filesystem.cat_file(path) == data)
        except FileNotFoundError:  # the other one was not done, or has removed it
            raise ConnectionAbortedError(f"{url} came and went: {error}") from None
    return True


@patiently
def remove(url: str) -> None:
    """Remove a file if it exists."""
    filesystem, path = filesystem_of(url)
    try:
        filesystem.rm_file(path)
    except FileNotFoundError:
        return


@patiently
def remove_folder(folder: str) -> None:
    """Remove a folder with all that is in it, if it exists."""
    filesystem, path = filesystem_of(folder)
    filesystem.invalidate_cache()  # others may have written there
    if filesystem.isdir(path):
        filesystem.rm(path, recursive=True)


def _file(path: str, details: dict[str, Any]) -> RemoteFile:
    return RemoteFile(path, int(details.get("size") or 0), _mtime(details))


def _mtime(details: dict[str, Any]) -> float:
    """Return the modification time in seconds; file systems of fsspec call it differently."""
    for key in ("mtime", "LastModified", "last_modified", "updated", "created"):
        value = details.get(key)
        if isinstance(value, int | float):
            return float(value)
        if isinstance(value, datetime):
            return value.timestamp()
    return 0.0
