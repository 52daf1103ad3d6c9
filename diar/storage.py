"""The only user of fsspec: opening, publishing and naming files on local disks and in object stores.

A URL is a local path, a `file://` URL, or any other URL that fsspec opens (`s3://…`, `memory://…`,
`zip://inner::outer.zip`). Local files take the fast way through the operating system.
"""

from __future__ import annotations

import functools
import hashlib
import io
import os
import re
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast
from urllib.parse import quote, unquote_to_bytes

from diar.errors import DiarError

_MAX_NAME = 255  # bytes of one path component on nearly every file system
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*(://|::\S*://)")
PACKED_NAME = "shard_{:05d}.parquet"  # of diar.store.layout; kept free of recordings' outputs
PACKED_PATTERN = re.compile(r"shard_\d+\.parquet")
_READ_AT_ONCE = 16  # remote files
_TEMPORARY = ".diar-"  # hidden, so that listings leave out a file that is being written


class RemoteFile(NamedTuple):
    """One remote file: path inside its store, bytes, seconds since the epoch (0.0 if unknown)."""

    path: str
    size: int
    mtime: float


def local_path(url: str) -> Path | None:
    """Return the path of a local file, None if `url` lies elsewhere."""
    if url.startswith("file://"):
        return Path(os.fsdecode(unquote_to_bytes(url.removeprefix("file://"))))
    return None if _URL.match(url) else Path(url)


def require_local(url: str) -> Path:
    """Return the path of a local file.

    Raises:
        DiarError: `url` lies elsewhere.
    """
    path = local_path(url)
    if path is None:
        raise DiarError(f"{url} must be on a local disk; copy it there and give that path")
    return path


def local_url(path: str) -> str:
    """Return what to store for a local path: itself, or a `file://` URL if it is not valid UTF-8."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return "file://" + quote(os.fsencode(path))
    return path


def absolute(path: str | Path) -> str:
    """Return an absolute local path without `.` and `..`; links are not followed."""
    return os.path.abspath(path)  # noqa: PTH100 - resolve() would follow links


def join(base: str, *parts: str) -> str:
    """Join `base` and `parts`; in a chained URL they go into the first link."""
    if local_path(base) is not None and not base.startswith("file://"):
        return os.path.join(base, *parts)  # noqa: PTH118 - a Path would drop "./" and double slashes
    link, chained, rest = base.partition("::")
    for part in parts:
        link = f"{link}{'' if link.endswith('/') else '/'}{part}"
    return link + chained + rest


def output_name(recording_id: str, suffix: str) -> str:
    """Return the relative path of a recording's output: `recording_id` + `suffix`.

    A component that no file system holds (over 255 bytes in UTF-8, empty, `.` or `..`) or that looks like a
    packed file becomes as much of its beginning as fits, `~`, and 12 hexadecimal digits of its SHA-256.
    (It may use all 255 bytes: the temporary file of `open_atomic` has a name of its own.)
    """
    *folders, name = recording_id.split("/")
    return "/".join([*(_storable(folder) for folder in folders), _storable(name, suffix)])


def _storable(component: str, suffix: str = "") -> str:
    encoded = component.encode()
    taken = component in ("", ".", "..") or PACKED_PATTERN.fullmatch(component + suffix)
    if len(encoded) + len(suffix.encode()) <= _MAX_NAME and not taken:
        return component + suffix
    ending = "~" + hashlib.sha256(encoded).hexdigest()[:12] + suffix
    return encoded[: _MAX_NAME - len(ending.encode())].decode(errors="ignore") + ending


def exists(url: str) -> bool:
    """Return whether there is a file or folder."""
    path = local_path(url)
    if path is not None:
        return path.exists()
    filesystem, remote = _filesystem(url)
    return bool(filesystem.exists(remote))


def is_dir(url: str) -> bool:
    """Return whether `url` is a folder (in an object store: a prefix with something below it)."""
    path = local_path(url)
    if path is not None:
        return path.is_dir()
    filesystem, remote = _filesystem(url)
    return bool(filesystem.isdir(remote))


def open_binary(url: str) -> BinaryIO:
    """Open for reading.

    Raises:
        OSError: it is missing or may not be read.
    """
    path = local_path(url)
    if path is not None:
        return path.open("rb")
    filesystem, remote = _filesystem(url)
    return cast(BinaryIO, filesystem.open(remote, "rb"))


def read_bytes(url: str) -> bytes:
    """Read the whole content; raise OSError as `open_binary` does."""
    with open_binary(url) as file:
        return file.read()


def read_all(urls: Iterable[str]) -> Iterator[bytes]:
    """Yield the whole content of files, in order; remote ones are read several at a time.

    Raises:
        OSError: one is missing or may not be read.
    """
    from concurrent.futures import ThreadPoolExecutor  # brings logging along; few commands come here

    waiting = iter(urls)
    with ThreadPoolExecutor(_READ_AT_ONCE) as threads:
        while some := list(islice(waiting, _READ_AT_ONCE)):
            remote = any(local_path(url) is None for url in some)
            yield from threads.map(read_bytes, some) if remote else map(read_bytes, some)


def list_names(folder: str) -> list[str]:
    """List files and folders in `folder`, sorted, without hidden ones; none if it does not exist."""
    path = local_path(folder)
    if path is not None:
        names = os.listdir(path) if path.is_dir() else []  # noqa: PTH208 - names only, without a Path each
    else:
        filesystem, remote = _filesystem(folder)
        filesystem.invalidate_cache(remote)
        found = filesystem.ls(remote, detail=False) if filesystem.isdir(remote) else []
        names = [entry.rstrip("/").rpartition("/")[2] for entry in found]
    return sorted(name for name in names if not name.startswith("."))


def find_remote(url: str, pattern: bool = False) -> tuple[str, list[RemoteFile]]:
    """Find (root path, all files below it) of a remote folder; with `pattern`, the files of a glob."""
    filesystem, remote = _filesystem(url)
    if pattern:
        matches = filesystem.glob(remote, detail=True)
        root = re.split(r"[*?\[]", remote, maxsplit=1)[0].rpartition("/")[0]
    else:
        matches, root = filesystem.find(remote, detail=True), remote
    files = [
        RemoteFile(path, int(details.get("size") or 0), _mtime(details))
        for path, details in matches.items()
        if details.get("type") == "file"
    ]
    return root.rstrip("/"), files


def remote_file(url: str) -> RemoteFile | None:
    """Return one remote file, None if there is none."""
    filesystem, remote = _filesystem(url)
    if not filesystem.isfile(remote):
        return None
    details = filesystem.info(remote)
    return RemoteFile(remote, int(details.get("size") or 0), _mtime(details))


def remove(url: str) -> None:
    """Remove a file if it exists."""
    path = local_path(url)
    if path is not None:
        path.unlink(missing_ok=True)
        return
    filesystem, remote = _filesystem(url)
    if filesystem.exists(remote):
        filesystem.rm_file(remote)


def write_bytes_atomic(url: str, data: bytes) -> None:
    """Write `data` so that readers see the old content or all of the new one."""
    with open_atomic(url) as file:
        file.write(data)


@contextmanager
def open_atomic(url: str) -> Iterator[BinaryIO]:
    """Open a file that appears under `url`, complete, when the block ends; not at all if the block raises.

    A local file is written under a hidden name beside it, synced and renamed. A remote one is one upload.
    """
    path = local_path(url)
    if path is None:
        buffer = io.BytesIO()
        yield buffer
        _upload(url, buffer.getvalue())
        return
    beside = path.with_name(f"{_TEMPORARY}{uuid.uuid4().hex}.tmp")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with beside.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def remove_temporaries(folder: str) -> None:
    """Remove temporary files that killed processes left in a local folder; nobody may be writing there."""
    path = local_path(folder)
    if path is not None and path.is_dir():
        for left in path.glob(f"{_TEMPORARY}*.tmp"):
            left.unlink(missing_ok=True)


def remove_folder(folder: str) -> None:
    """Remove a folder with all that is in it, hidden files too, if it exists."""
    import shutil  # brings compression along

    path = local_path(folder)
    if path is not None:
        if path.is_dir():
            shutil.rmtree(path)
        return
    filesystem, remote = _filesystem(folder)
    filesystem.invalidate_cache()  # others may have written there
    if filesystem.isdir(remote):
        filesystem.rm(remote, recursive=True)


def _upload(url: str, data: bytes) -> None:
    filesystem, remote = _filesystem(url)
    try:
        filesystem.pipe_file(remote, data)
    except FileNotFoundError:  # stores with real folders need them first; buckets must not be created
        filesystem.makedirs(remote.rpartition("/")[0], exist_ok=True)
        filesystem.pipe_file(remote, data)


def _filesystem(url: str) -> tuple[Any, str]:
    """Return the fsspec file system of a URL, and the path inside it."""
    import fsspec  # takes 0.1 s to import, which local files need not pay

    link, chained, rest = url.partition("::")
    protocol, has_path, _ = link.partition("://")
    try:
        if chained and has_path:
            filesystem = _container(f"{protocol}://::{rest}")
            return filesystem, filesystem._strip_protocol(link)
        filesystem, path = fsspec.core.url_to_fs(url)
    except (ImportError, ValueError) as error:  # a protocol without its package, or unknown
        raise DiarError(f"cannot open {url}: {error}") from error
    return filesystem, path


@functools.lru_cache(maxsize=8)
def _container(url: str) -> Any:
    """Open a zip file or the like once: fsspec closes it as soon as nobody holds it."""
    import fsspec

    return fsspec.core.url_to_fs(url)[0]


def _mtime(details: dict[str, Any]) -> float:
    """Return the modification time in seconds; file systems of fsspec call it differently."""
    for key in ("mtime", "LastModified", "last_modified", "updated", "created"):
        value = details.get(key)
        if isinstance(value, int | float):
            return float(value)
        if isinstance(value, datetime):
            return value.timestamp()
    return 0.0
