"""Keeping runs out of an output while it is mended or purged; what is written stays as private."""

from __future__ import annotations

import fcntl
import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from diar import storage
from diar.errors import DiarError
from diar.leases.alone import Waiting, folder_of_runs, lease_of_run
from diar.leases.lock_files import LEASE, only_writer
from diar.leases.places import anybody, somebody_at_work
from diar.options.sharing import umask
from diar.outputs.managed_directory import lock_of
from diar.store.layout import Layout
from diar.store.words import WordsLayout

logger = logging.getLogger(__name__)


@contextmanager
def kept_out(root: str) -> Iterator[None]:
    """Keep runs of stage 1 and of `diar words` out of `root` while the block works.

    Raises:
        DiarError: one is writing there.
    """
    locks = [layout.lock for layout in (Layout(root), WordsLayout(root))]
    local = [path for path in map(storage.local_path, locks) if path is not None and path.parent.is_dir()]
    with _locked(local), ExitStack() as leases:
        for lock in (lock for lock in locks if storage.local_path(lock) is None):
            leases.enter_context(_leased(lock))
        yield


@contextmanager
def _leased(lock: str) -> Iterator[None]:
    """Keep runs out of an output in an object store.

    Raises:
        DiarError: a run is writing there, or began to because this process was silent for too long.
    """
    lost: list[str] = []
    with lease_of_run(lock, True, LEASE, Waiting(0.0, logger.warning), lost.append):
        place = somebody_at_work(storage.join(lock.rpartition("/")[0], "joined"))
        if place is not None:
            raise DiarError(f"a run is writing here, {place}; wait for it or stop it, then ask again")
        yield
    if lost:
        raise _lost(lost[0])


@contextmanager
def kept_out_of_result(root: str) -> Iterator[None]:
    """Keep stage 2, and `diar words`, out of the result in `root` while the block works.

    Raises:
        DiarError: one is writing there, or began to because this process was silent for too long.
    """
    lost: list[str] = []
    with only_writer(lock_of(root), Waiting(0.0, logger.warning), lost.append):
        yield
    if lost:
        raise _lost(lost[0])


def _lost(reason: str) -> DiarError:
    return DiarError(f"this process was silent for too long, and {reason}; ask again when they are done")


def is_written_to(root: str) -> bool:
    """Return whether a run is writing to `root`, which may be read-only; on disks one of this machine."""
    for lock in (layout.lock for layout in (Layout(root), WordsLayout(root))):
        path = storage.local_path(lock)
        if path is None:
            beside = storage.join(lock.rpartition("/")[0], "joined")
            if anybody(folder_of_runs(lock)) or anybody(beside):
                return True
        elif path.exists():
            with path.open("rb") as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    return True
    return False


@contextmanager
def _locked(paths: list[Path]) -> Iterator[None]:
    if not paths:
        yield
        return
    with paths[0].open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DiarError(
                f"a run is writing here and holds {paths[0]}; wait for it or stop it, then ask again"
            ) from None
        with _locked(paths[1:]):
            yield


@contextmanager
def as_private_as(url: str) -> Iterator[None]:
    """Let those read what is written who may read a file that is there; only this user, if it is not."""
    path = storage.local_path(url)
    mode = path.stat().st_mode if path is not None and path.exists() else 0o600
    with umask(~mode & 0o077):
        yield
