"""Opening, publishing and naming files on local disks and in object stores.

A URL is a local path, a `file://` URL, or any other URL that fsspec opens (`s3://…`, `memory://…`,
`zip://inner::outer.zip`). Local files take the fast way through the operating system, others `diar.remote`.
"""

from __future__ import annotations

import errno
import hashlib
import io
import os
import re
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import quote, unquote_to_bytes

from diar.errors import DiarError

if TYPE_CHECKING:
    from diar.remote.objects import RemoteFile
    from diar.remote.ranged import RangedFile

_MAX_NAME = 255  # bytes of one path component on nearly every file system
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*(://|::\S*://)")
PACKED_NAME = "shard_{:05d}.parquet"  # of diar.store.layout; kept free of recordings' outputs
PACKED_PATTERN = re.compile(r"shard_\d+\.parquet")
_OWN = ("_extraction", "_words")  # folders of an output
_READ_AT_ONCE = 16  # remote files
_TEMPORARY = ".diar-"  # hidden, so that listings leave out a file that is being written
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)


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

    A component that no file system holds (over 255 bytes in UTF-8, empty, `.`, `..`) or that outputs have (a
    packed file, a folder `*.parquet`, `_extraction`, `_words`) becomes what fits, `~`, 12 digits of SHA-256.
    """
    *folders, name = recording_id.split("/")
    own = [one.endswith(".parquet") or (not at and one in _OWN) for at, one in enumerate(folders)]
    return "/".join([*map(_storable, folders, own), _storable(name, False, suffix)])


def _storable(component: str, taken: bool, suffix: str = "") -> str:
    encoded = component.encode()
    taken |= component in ("", ".", "..") or PACKED_PATTERN.fullmatch(component + suffix) is not None
    if len(encoded) + len(suffix.encode()) <= _MAX_NAME and not taken:
        return component + suffix
    ending = "~" + hashlib.sha256(encoded).hexdigest()[:12] + suffix
    return encoded[: _MAX_NAME - len(ending.encode())].decode(errors="ignore") + ending


def exists(url: str) -> bool:
    """Return whether there is a file or folder."""
    path = local_path(url)
    if path is not None:
        return path.exists()
    return _objects().exists(url)


def is_dir(url: str) -> bool:
    """Return whether `url` is a folder (in an object store: a prefix with something below it)."""
    path = local_path(url)
    if path is not None:
        return path.is_dir()
    return _objects().is_dir(url)


def open_binary(url: str) -> BinaryIO:
    """Open for reading; a remote file is read in blocks, as they are wanted.

    Raises:
        OSError: it is missing or may not be read.
    """
    path = local_path(url)
    if path is not None:
        return path.open("rb")
    ranged = open_ranged(url)
    return _objects().open_whole(url) if ranged is None else ranged.open()


def open_ranged(url: str) -> RangedFile | None:
    """Return a remote file whose blocks handles share; None where its store gives only whole files."""
    from diar.remote.filesystems import has_ranges
    from diar.remote.ranged import RangedFile

    return RangedFile(url) if has_ranges(url) else None


def read_bytes(url: str) -> bytes:
    """Read the whole content; raise OSError as `open_binary` does."""
    path = local_path(url)
    return _objects().read(url) if path is None else path.read_bytes()


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
        names = _objects().list_entries(folder)
    return sorted(name for name in names if not name.startswith("."))


def find_remote(url: str, pattern: bool = False) -> tuple[str, list[RemoteFile]]:
    """Find (root path, all files below it) of a remote folder; with `pattern`, the files of a glob."""
    return _objects().find(url, pattern)


def list_remote(folder: str) -> list[RemoteFile]:
    """List the files directly in a remote folder, with sizes and times; none if it does not exist."""
    return _objects().list_files(folder)


def remote_file(url: str) -> RemoteFile | None:
    """Return one remote file, None if there is none."""
    return _objects().look_at(url)


def remove(url: str) -> None:
    """Remove a file if it exists."""
    path = local_path(url)
    if path is not None:
        path.unlink(missing_ok=True)
        return
    _objects().remove(url)


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
        _objects().write(url, buffer.getvalue())
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


def create(url: str, data: bytes) -> bool:
    """Make a new file, complete; return False, and change nothing, if there is one. One of several succeeds.

    On a disk that is a hard link, where there are none exclusive creation; in an object store a conditional
    request. `data` must be the writer's own: by it a writer knows that its repeated request had arrived.

    Raises:
        NoConditions: the store does not know such requests.
    """
    path = local_path(url)
    if path is None:
        return _objects().create(url, data)
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f"{_TEMPORARY}{uuid.uuid4().hex}.tmp")
    try:
        beside.write_bytes(data)
        linked = _link(beside, path)
    finally:
        beside.unlink(missing_ok=True)
    if linked is not None:
        return linked
    try:
        with path.open("xb") as file:  # a reader may see it empty for a moment
            file.write(data)
    except FileExistsError:
        return False
    return True


def may_keep_apart(url: str) -> bool:
    """Return whether `create` lets one of several succeed there: on disks, and in object stores."""
    from diar.remote.filesystems import is_object_store

    return local_path(url) is not None or is_object_store(url)


def _link(beside: Path, path: Path) -> bool | None:
    """Link a file; return whether this process was the first, None if the file system has no links."""
    try:
        path.hardlink_to(beside)
    except FileExistsError:
        return beside.stat().st_nlink == 2  # NFS may do it, lose the answer and try again
    except OSError as error:
        if error.errno in _NO_LINKS:
            return None
        raise
    return True


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
    _objects().remove_folder(folder)


def _objects() -> ModuleType:
    from diar.remote import objects  # takes 0.01 s to import, which local files need not pay

    return objects
