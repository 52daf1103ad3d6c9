"""How workers are started: forked from a server process that has imported torch once for all of them.

Importing torch takes seconds of a core. The server imports it while the launcher does other things, and its
forks share the import. Forking the server is safe, because it uses no GPU and starts no thread; Arrow, which
starts one at its import, and all that imports Arrow are therefore imported by each worker.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from multiprocessing import forkserver, resource_tracker
from multiprocessing.context import ForkServerContext, ForkServerProcess, SpawnContext

from diar.spawning import SPAWN, caller_not_imported

_IMPORTED = ["diar.jobs.ranks.growing", "torch", "diar.jobs.ranks.frozen"]  # by the server
_LONGEST_FOLDER = 70  # bytes of the temporary folder's path; that of the server's socket in it may have 108


class _ForkedProcess(ForkServerProcess):
    """A fork of the server that does not import the caller's script."""

    def start(self) -> None:
        """Start it."""
        with caller_not_imported():
            super().start()


class _ForkServer(ForkServerContext):
    """The `forkserver` context of multiprocessing with such processes."""

    Process = _ForkedProcess


_FORK_SERVER = _ForkServer()


def started_by_torchrun() -> bool:
    """Return whether this process is already one of torchrun's ranks."""
    return "LOCAL_RANK" in os.environ and "WORLD_SIZE" in os.environ


def worker_context() -> SpawnContext | ForkServerContext:
    """Return the context that starts workers. The first call starts the server: call it early.

    Ctrl-C does not reach the workers; the launcher ends them.
    """
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # torch reads it at import; each rank sets its own
    if sys.platform != "linux" or len(os.fsencode(tempfile.gettempdir())) > _LONGEST_FOLDER:
        return SPAWN  # does the same, but starts more slowly
    context = _FORK_SERVER
    context.set_forkserver_preload(_IMPORTED)
    with sigint_blocked(), _script_folder_in_path():
        forkserver.ensure_running()
    return context


@contextmanager
def _script_folder_in_path() -> Iterator[None]:
    """Let a new Python find what lies beside this one's script, as diar may; this one looks there, too."""
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [sys.path[0], before]))
    try:
        yield
    finally:
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before


@contextmanager
def garbage_left() -> Iterator[None]:
    """Do not look for garbage in the block, which imports much: that takes 0.1 s and finds none."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def enter_run(environment: Mapping[str, str], cores: frozenset[int]) -> None:
    """Take over a run's environment and cores, in a new process.

    It may be forked from a server that was started for an earlier run, in another environment.

    Args:
        environment: all of it.
        cores: numbers of the cores that the process may use; empty = all.
    """
    server = sys.modules.get("diar.jobs.ranks.frozen")  # of a fork
    for number in server.IGNORED if server is not None else ():
        signal.signal(number, signal.SIG_DFL)
    os.environ.clear()
    os.environ.update(environment)
    if cores:
        os.sched_setaffinity(0, cores)


@contextmanager
def sigint_blocked() -> Iterator[None]:
    """Block SIGINT, so that processes started inside never see Ctrl-C."""
    resource_tracker.ensure_running()  # it would be started inside otherwise, and unblock SIGINT
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
