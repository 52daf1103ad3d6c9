"""How workers are started: forked from a process that has imported torch, once for all of them.

Importing torch takes seconds of a core. The server imports it while the launcher does the same,
and its forks share it. It uses no GPU and starts no thread, so that forking it is safe.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import forkserver, resource_tracker
from multiprocessing.context import ForkServerContext, SpawnContext

_SHARED = ["torch"]  # of diar itself nothing: the server may not look for it where the command's script lies
_LONGEST_FOLDER = 70  # bytes of the path of temporary files: the server's socket there may have 108


def started_by_torchrun() -> bool:
    """Whether this process is already one of torchrun's ranks."""
    return "LOCAL_RANK" in os.environ and "WORLD_SIZE" in os.environ


def worker_context() -> SpawnContext | ForkServerContext:
    """What workers are made with; the first call begins with it, so call it before you import torch.

    Ctrl-C does not reach the workers: it is the launcher that ends them.
    """
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # read at torch's import; each rank sets its own number
    if sys.platform != "linux" or len(os.fsencode(tempfile.gettempdir())) > _LONGEST_FOLDER:
        return multiprocessing.get_context("spawn")  # the same, only slower to start
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_SHARED)
    with sigint_blocked():
        forkserver.ensure_running()
    return context


@contextmanager
def sigint_blocked() -> Iterator[None]:
    """Processes that are started meanwhile never see Ctrl-C."""
    resource_tracker.ensure_running()  # else it is started with them, and lets SIGINT through again
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
