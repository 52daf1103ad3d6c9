"""Results in an object store: they are made in a local folder, then put there, what one opens first at last.

The lists of `managed_directory` hold there, too: only what this program wrote may be replaced or removed.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from diar import storage
from diar.outputs.managed_directory import FOLDER_LIST, WRITTEN_NAME, OutputError, is_of_lock, read_entries

_LISTS = "_detection/"
_AT_ONCE = 16  # files on their way
_NOT_READ = frozenset((".wav", ".flac", ".mp3", ".m4a", ".ogg", ".opus", ".png"))  # sound and pictures


@contextmanager
def local_output(output_dir: str) -> Iterator[str]:
    """Give the folder to write the results of `output_dir` to: itself, if it is local.

    If it is remote, that folder is a temporary one, with the lists and top files of an earlier run's results.
    At the end of the block all of it goes to `output_dir`; nothing if the block raises.

    Raises:
        OutputError: something that this program did not write is in the way.
        StoreUnavailable: the store does not answer.
    """
    if storage.local_path(output_dir) is not None:
        yield output_dir
        return
    with tempfile.TemporaryDirectory(prefix="diar-result-") as folder:
        local = Path(folder, output_dir.rstrip("/").rpartition("/")[2])  # which the page has as its title
        there = _names(output_dir)
        _run(lambda name: _fetch(output_dir, local, name), filter(_is_wanted, there))
        lists = _lists(local)
        try:
            yield str(local)
        except OutputError as error:
            raise OutputError(str(error).replace(str(local), output_dir.rstrip("/"))) from error
        _send(local, output_dir, there, lists)


def _names(output_dir: str) -> set[str]:
    if not storage.exists(output_dir):
        return set()
    root, files = storage.find_remote(output_dir)
    names = (file.path[len(root) :].lstrip("/") for file in files)
    return {name for name in names if not is_of_lock(name)}


def _is_wanted(name: str) -> bool:
    return "/" not in name or name.startswith(_LISTS)


def _fetch(output_dir: str, local: Path, name: str) -> None:
    storage.write_bytes_atomic(str(local / name), storage.read_bytes(storage.join(output_dir, name)))


def _lists(local: Path) -> dict[str, bytes]:
    """Return the lists of what was written, by name."""
    paths = sorted(local.glob(f"{_LISTS}written*.csv"))
    return {path.relative_to(local).as_posix(): path.read_bytes() for path in paths}


def _send(local: Path, output_dir: str, there: set[str], earlier: Mapping[str, bytes]) -> None:
    """Put the new files in place of the earlier ones.

    While both may be there, the lists name both, so that a run that is interrupted can be cleaned up.
    """
    new = {path.relative_to(local).as_posix() for path in local.rglob("*") if path.is_file()}
    written = _written(output_dir, there, earlier)
    foreign = sorted((new & there) - written - set(earlier))
    if foreign:
        raise OutputError(
            f"{storage.join(output_dir, foreign[0])} is in the way: diar did not write it; "
            "move it away or give another `output_dir`"
        )
    lists = _lists(local)
    for name in {**earlier, **lists}:
        _, _, added = lists.get(name, b"").partition(b"\n")  # without the head
        both = earlier[name] + added if name in earlier else lists[name]
        storage.write_bytes_atomic(storage.join(output_dir, name), both)
    last = {name for name in new if _is_wanted(name)}
    _run(lambda name: _put(local, output_dir, name), sorted(new - last))
    _run(lambda name: _put(local, output_dir, name), sorted(last - set(lists)))
    _run(lambda name: storage.remove(storage.join(output_dir, name)), sorted((written & there) - new))
    _run(lambda name: _put(local, output_dir, name), sorted(lists))


def _written(output_dir: str, there: set[str], lists: Mapping[str, bytes]) -> set[str]:
    """Return the names of all files there that earlier runs wrote."""
    written: set[str] = set(lists)
    for name, data in lists.items():
        for entry in read_entries(data, storage.join(output_dir, name)):
            written.add(entry.name)
            own = f"{entry.name}/{FOLDER_LIST}"
            if entry.kind == "folder" and own in there:
                url = storage.join(output_dir, own)
                inside = read_entries(storage.read_bytes(url), url)
                written |= {own, *(f"{entry.name}/{one.name}" for one in inside)}
    return written


@contextmanager
def working_copy(output_dir: str, *, change: bool) -> Iterator[str]:
    """Give a local folder with the results in `output_dir`: itself, if it is local.

    Sound and pictures of a remote result are empty in its copy, but have their size.

    Args:
        output_dir: of stage 2.
        change: whether what the block makes, changes and removes goes to `output_dir`; nothing if it raises.

    Raises:
        StoreUnavailable: the store does not answer.
    """
    if storage.local_path(output_dir) is not None:
        yield output_dir
        return
    with tempfile.TemporaryDirectory(prefix="diar-result-") as folder:
        local = Path(folder, output_dir.rstrip("/").rpartition("/")[2])
        _copy(output_dir, local)
        before = _states(local)
        yield str(local)
        if not change:
            return
        after = _states(local)
        changed = sorted(name for name, state in after.items() if before.get(name) != state)
        _run(lambda name: _put(local, output_dir, name), [name for name in changed if not _is_wanted(name)])
        _run(lambda name: _put(local, output_dir, name), filter(_is_wanted, changed))
        gone = sorted(before.keys() - after.keys())
        _run(lambda name: storage.remove(storage.join(output_dir, name)), gone)


def _copy(output_dir: str, local: Path) -> None:
    root, found = storage.find_remote(output_dir)
    files = {file.path[len(root) :].lstrip("/"): file for file in found}
    # Others' files may have names that no folder holds; nobody here reads or changes them
    names = [name for name in files if not {"", ".", ".."} & set(name.split("/")) and not is_of_lock(name)]
    read = [name for name in names if Path(name).suffix.lower() not in _NOT_READ]
    _run(lambda name: _fetch(output_dir, local, name), read)
    times = _times_of_copies(local / WRITTEN_NAME)
    for name in names:
        path, size = local / name, files[name].size
        if name not in read:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("xb") as file:
                file.truncate(size)
        time = times.get((name, size), round(files[name].mtime * 1e9))
        os.utime(path, ns=(time, time))


def _times_of_copies(path: Path) -> dict[tuple[str, int], int]:
    """Return the times (ns) that a list tells of copies of audio, by name and size: stores keep no times."""
    entries = read_entries(path.read_bytes(), str(path)) if path.exists() else []
    return {(one.name, one.size): one.mtime_ns for one in entries if one.kind == "copy"}


def _states(local: Path) -> dict[str, tuple[int, int, int]]:
    """Return what changes when a file does, by name."""
    found = {}
    for path in local.rglob("*"):
        if path.is_file():
            status = path.stat()
            state = status.st_ino, status.st_size, status.st_mtime_ns
            found[path.relative_to(local).as_posix()] = state
    return found


def _put(local: Path, output_dir: str, name: str) -> None:
    storage.write_bytes_atomic(storage.join(output_dir, name), (local / name).read_bytes())


def _run(work: Callable[[str], None], names: Iterable[str]) -> None:
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        for _ in threads.map(work, names):
            pass
