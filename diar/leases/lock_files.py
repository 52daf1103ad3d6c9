"""Lock files that say who holds them; and one writer at a time in an output that is made in minutes.

The lock itself is the file system's, so it ends with the process that holds it, however that ends.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from diar import storage
from diar.leases.alone import LockError, Waiting, lease_of_run

LEASE = 60.0  # seconds of silence after which another machine may take a process for dead
_LOOK = 0.2  # seconds


def sign(file: IO[str], how: str = "") -> None:
    """Write who holds a lock, for whoever is refused; of several the last."""
    file.truncate(0)
    file.write(f"process {os.getpid()} on {socket.gethostname()}{how}")
    file.flush()


def signed_by(file: IO[str]) -> str:
    """Return who holds a lock, in words; nothing where that is not written."""
    file.seek(0)
    return file.read()


def refusal(file: IO[str]) -> LockError:
    """Return the error that names the holder of a lock, and its file."""
    who = signed_by(file)
    told = f", {who}," if who else ""
    return LockError(f"another run is writing here{told} and holds {file.name}; wait for it or stop it")


@contextmanager
def only_writer(lock: str, waiting: Waiting, on_lost: Callable[[str], None]) -> Iterator[None]:
    """Keep other writers out of an output while the block works. On a disk, no lock file is left at its end.

    Args:
        lock: of the output's lock file, a path or URL; in an object store, a lease lies beside it.
        waiting: for another writer.
        on_lost: called in a thread with a reason if this process was silent for too long in an object store.

    Raises:
        LockError: another one is at work.
        OSError: the lock file cannot be made.
    """
    local = storage.local_path(lock)
    if local is None:
        with lease_of_run(lock, True, LEASE, waiting, on_lost):
            yield
        return
    made = [folder for folder in (local.parent, *local.parent.parents) if not folder.exists()]
    with _locked(local, waiting):
        try:
            yield
        finally:
            _remove(local, made)


def _locked(path: Path, waiting: Waiting) -> IO[str]:
    """Return the file at `path`, open and locked; whoever held it before may have removed it meanwhile."""
    deadline, told = time.monotonic() + waiting.seconds, False
    while True:
        file = _opened(path)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            with file:
                if time.monotonic() >= deadline:
                    raise refusal(file) from None
                if not told:
                    waiting.tell(f"waiting for {signed_by(file)}, which holds {path}")
            told = True
            time.sleep(_LOOK)
            continue
        if _lies_at(path, file):
            sign(file)
            return file
        file.close()


def _opened(path: Path) -> IO[str]:
    """Open a lock file, which may not be there yet."""
    while True:
        with contextlib.suppress(FileNotFoundError):  # its folder was removed meanwhile
            path.parent.mkdir(parents=True, exist_ok=True)
            return path.open("a+")


def _lies_at(path: Path, file: IO[str]) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _remove(path: Path, folders: list[Path]) -> None:
    """Remove a lock file that is held, and folders that were made for it, if nothing else is in them."""
    with contextlib.suppress(OSError):  # a disk that fails: the file keeps nobody out
        path.unlink()
        for folder in folders:
            folder.rmdir()
