"""A lock that allows one run at a time for each local output directory.

The first rank of a run takes the lock exclusively, so that no second run begins. Then all ranks share it. So
no second run begins either while one of them, be it the first, is dead and about to be started again.
"""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from diar import storage
from diar.errors import DiarError

_LOCK_WAIT = 10.0  # seconds for the workers of a killed run to notice


class LockError(DiarError):
    """Another run is writing to the same place."""


@contextmanager
def run_lock(path: str, *, first: bool) -> Iterator[None]:
    """Keep a second run out of a local output directory while this rank works.

    Args:
        path: of the lock file; nothing is locked on an object store.
        first: whether this rank begins the run; the other ranks share its lock.

    Raises:
        LockError: another run holds it.
    """
    local = storage.local_path(path)
    if local is None:
        yield
        return
    local.parent.mkdir(parents=True, exist_ok=True)
    with local.open("a+") as file:
        if first:
            _take(file, fcntl.LOCK_EX)
        _take(file, fcntl.LOCK_SH)
        yield


def _take(file: IO[str], kind: int) -> None:
    deadline = time.monotonic() + _LOCK_WAIT
    while True:
        try:
            return fcntl.flock(file, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise LockError(
                    f"another run is writing here and holds {file.name}; wait for it or stop it"
                ) from None
            time.sleep(0.2)


def is_locked(path: str) -> bool:
    """Return whether a run on this machine holds the local lock file now."""
    local = storage.require_local(path)
    if not local.exists():
        return False
    with local.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
