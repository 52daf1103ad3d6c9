"""A lock that allows one run at a time for each output.

The first rank of a run takes the lock exclusively, so that no second run begins. Then all ranks share it. So
no second run begins either while one of them, be it the first, is dead and about to be started again. The
processes of a run that others may join share it among themselves. On a disk it is a lock of the file system,
in an object store a lease (`diar.leases.alone`).
"""

from __future__ import annotations

import fcntl
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from diar import storage
from diar.errors import EXIT_ERROR
from diar.leases.alone import Waiting, lease_of_run, refuse_beside_run
from diar.leases.lock_files import LEASE, only_writer, refusal, sign, signed_by

_LOCK_WAIT = 10.0  # seconds for the workers of a killed run to notice
_JOINED = ", whose work can be shared with `join`"


@contextmanager
def run_lock(path: str, *, first: bool, joined: bool = False, lease: float = LEASE) -> Iterator[None]:
    """Keep a second run out of an output while this rank works.

    Args:
        path: of the lock file, or URL.
        first: whether this rank begins the run; the other ranks share its lock.
        joined: whether this is a process of a run that others may join; they share the lock.
        lease: in an object store, seconds of silence after which this process is taken for dead.

    Raises:
        LockError: another run holds it.
    """
    local = storage.local_path(path)
    if local is None:
        waiting = Waiting(_LOCK_WAIT, _tell)
        if joined:
            refuse_beside_run(path, waiting)
            yield
        else:
            with lease_of_run(path, first, lease, waiting, _end_as_lost):
                yield
        return
    local.parent.mkdir(parents=True, exist_ok=True)
    with local.open("a+") as file:
        if first or joined:
            _begin(file, joined)
        _take(file, fcntl.LOCK_SH)
        if not joined:
            sign(file)
        yield


def _begin(file: IO[str], joined: bool) -> None:
    """Wait until no run is at work, but one to join; sign while nobody else can."""
    deadline = time.monotonic() + _LOCK_WAIT
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if joined and signed_by(file).endswith(_JOINED):
                return
            if time.monotonic() > deadline:
                raise refusal(file) from None
            time.sleep(0.2)
        else:
            sign(file, _JOINED if joined else "")
            return


def _take(file: IO[str], kind: int) -> None:
    deadline = time.monotonic() + _LOCK_WAIT
    while True:
        try:
            return fcntl.flock(file, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise refusal(file) from None
            time.sleep(0.2)


@contextmanager
def output_lock(path: str, seconds: float = 0.0) -> Iterator[None]:
    """Keep other writers out of an output that is no run's, such as stage 2's, while the block works.

    Args:
        path: of its lock file, or URL.
        seconds: to wait for another one.

    Raises:
        LockError: another one is at work.
    """
    with only_writer(path, Waiting(seconds, _tell), _end_as_lost):
        yield


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _end_as_lost(reason: str) -> None:
    """End this process at once, and the run with it: another one has its output."""
    _tell(f"error: process {os.getpid()} was silent for too long, and {reason}; this run ends here")
    os._exit(EXIT_ERROR)


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
