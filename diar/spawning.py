"""Processes that run functions of diar and never import the script that called diar.

`multiprocessing` makes each new process import the caller's script, which starts diar again unless the script
is guarded by `if __name__ == "__main__":`. Our processes need nothing of it: what they run is in modules.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import spawn
from multiprocessing.context import SpawnContext, SpawnProcess
from typing import Any

_PATCHING = threading.Lock()


@contextmanager
def caller_not_imported() -> Iterator[None]:
    """Let processes that this thread starts inside leave the caller's script alone.

    What they run, and its arguments, must not be defined in that script.
    """
    thread = threading.get_ident()

    def without_caller(name: str) -> dict[str, Any]:
        data = prepare(name)
        if threading.get_ident() != thread:  # a process that the caller starts meanwhile, in another thread
            return data
        return {key: value for key, value in data.items() if not key.startswith("init_main_from_")}

    with _PATCHING:
        prepare = spawn.get_preparation_data
        spawn.get_preparation_data = without_caller
        try:
            yield
        finally:
            spawn.get_preparation_data = prepare


class _SpawnedProcess(SpawnProcess):
    """A new interpreter that does not import the caller's script."""

    def start(self) -> None:
        """Start it."""
        with caller_not_imported():
            super().start()


class _Spawning(SpawnContext):
    """The `spawn` context of multiprocessing with such processes."""

    Process = _SpawnedProcess


SPAWN = _Spawning()


def usable_cores() -> frozenset[int]:
    """Return the numbers of the cores that this process may use; empty where the system does not say."""
    return frozenset(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else frozenset()
