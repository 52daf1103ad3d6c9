"""Starting the ranks, and ending them when their launcher is gone."""

from __future__ import annotations

import multiprocessing
import os
import socket
import sys
import threading
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from typing import TypeVar

import torch.distributed as dist

from diar.errors import EXIT_UNFINISHED, DiarError
from diar.jobs.ranks.processes import worker_context
from diar.jobs.ranks.supervisor import Supervisor

ArgumentT = TypeVar("ArgumentT")

_HOST = "127.0.0.1"
_PARENT_POLL = 0.2  # seconds


def launch(
    run_rank: Callable[[ArgumentT], int],
    argument: ArgumentT,
    *,
    workers: int,
    cores: frozenset[int],
    max_restarts: int,
    port: int = 0,
) -> int:
    """Run `run_rank(argument)` in several processes; return the exit code.

    A worker that dies is started again and goes on where it was, while the others work on; that happens up to
    `max_restarts` times in all. The store of the ranks lives in this process, so that it outlives them.

    Args:
        run_rank: from a module that a new process can import; returns the exit code of the whole run.
        argument: must be picklable.
        workers: number of processes.
        cores: numbers of the cores that the processes may use; empty = all.
        max_restarts: of dead workers, all together.
        port: TCP port of the store; 0 = any free one.

    Raises:
        DiarError: the port is taken, or not allowed.
    """
    store = _host_store(port)
    context = worker_context()

    def make(rank: int) -> BaseProcess:
        environment = {
            **os.environ,
            "RANK": str(rank),
            "LOCAL_RANK": str(rank),
            "WORLD_SIZE": str(workers),
            "LOCAL_WORLD_SIZE": str(workers),
            "MASTER_ADDR": _HOST,
            "MASTER_PORT": str(store.port),
            "TORCHELASTIC_USE_AGENT_STORE": "True",  # rank 0 does not start another store
        }
        arguments = (environment, cores, run_rank, argument)
        return context.Process(target=_work, args=arguments, name=f"worker {rank}")

    return Supervisor(make, workers, max_restarts).run()


def _work(
    environment: dict[str, str],
    cores: frozenset[int],
    run_rank: Callable[[ArgumentT], int],
    argument: ArgumentT,
) -> None:
    """Run a rank in its new process, with the environment that torchrun would give it.

    The process may be forked from a server that was started for an earlier run, in another environment.
    """
    os.environ.clear()
    os.environ.update(environment)
    if cores:
        os.sched_setaffinity(0, cores)
    sys.exit(run_rank(argument))


def _host_store(port: int) -> dist.TCPStore:
    """Start a store that only this machine can reach; port 0 = any free one."""
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((_HOST, port))
    except OSError as error:
        raise DiarError(f"`port={port}`: {error.strerror}; `port=0` takes any free one") from None
    port = listening.getsockname()[1]
    return dist.TCPStore(
        _HOST, port, is_master=True, wait_for_workers=False, master_listen_fd=listening.detach()
    )


def check_restarts() -> None:
    """Refuse restarts by torchrun over several machines.

    Each agent counts restarts on its own, so the ranks of two machines would wait for each other forever, in
    different rounds.

    Raises:
        DiarError: there are several machines and `--max-restarts` is not 0.
    """
    machines = int(os.environ.get("GROUP_WORLD_SIZE", "1"))
    if machines > 1 and os.environ.get("TORCHELASTIC_MAX_RESTARTS", "0") != "0":
        raise DiarError(
            f"{machines} machines: start torchrun with --max-restarts 0, and let the scheduler start it again"
        )


def end_with_parent() -> None:
    """End this rank as soon as its launcher is killed, so that no orphan writes beside a new run."""
    launcher, parent = multiprocessing.parent_process(), os.getppid()

    def watch() -> None:
        if launcher is not None:
            launcher.join()
        while launcher is None and os.getppid() == parent:  # nothing else shows the end of torchrun
            time.sleep(_PARENT_POLL)
        os._exit(EXIT_UNFINISHED)

    threading.Thread(target=watch, name="end_with_parent", daemon=True).start()
