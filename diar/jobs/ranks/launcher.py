"""Starting the ranks, and ending cleanly when the launcher is gone."""

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
    """Run `run_rank(argument)` in so many processes; return the exit code.

    A worker that dies is started again and goes on where it was, up to `max_restarts` times in all, while the
    others work on. The store that they agree through lives here, so that it outlives them.

    Args:
        run_rank: in a module that a new process can import; its exit code counts for all.
        argument: is pickled.
        workers: processes.
        cores: numbers of those that the processes may use; empty = all.
        max_restarts: of workers that die, all together.
        port: that the processes agree through; 0 = any free one.

    Raises:
        DiarError: the port is taken.
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
            "TORCHELASTIC_USE_AGENT_STORE": "True",  # rank 0 need not start one
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
    """In a new process: be the rank that `environment` says, as if torchrun had started it.

    What it is forked from may have been started for an earlier run, under other circumstances.
    """
    os.environ.clear()
    os.environ.update(environment)
    if cores:
        os.sched_setaffinity(0, cores)
    sys.exit(run_rank(argument))


def _host_store(port: int) -> dist.TCPStore:
    """A store that only this machine reaches; port 0 = any free one."""
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((_HOST, port))
    except OSError as error:
        raise DiarError(f"port {port}: {error.strerror}; 0 takes any free port") from None
    port = listening.getsockname()[1]
    return dist.TCPStore(
        _HOST, port, is_master=True, wait_for_workers=False, master_listen_fd=listening.detach()
    )


def check_restarts() -> None:
    """Refuse restarts by torchrun over several machines.

    Their agents count restarts each on its own, so the ranks of two machines would wait for each other in
    different rounds for ever.

    Raises:
        DiarError: there are several machines and `--max-restarts` is not 0.
    """
    machines = int(os.environ.get("GROUP_WORLD_SIZE", "1"))
    if machines > 1 and os.environ.get("TORCHELASTIC_MAX_RESTARTS", "0") != "0":
        raise DiarError(
            f"{machines} machines: start torchrun with --max-restarts 0, and let the scheduler start it again"
        )


def end_with_parent() -> None:
    """Let this rank end as soon as its launcher was killed, so that no orphan writes beside a new run."""
    launcher, parent = multiprocessing.parent_process(), os.getppid()

    def watch() -> None:
        if launcher is not None:
            launcher.join()
        while launcher is None and os.getppid() == parent:  # torchrun tells its ranks nothing better
            time.sleep(_PARENT_POLL)
        os._exit(EXIT_UNFINISHED)

    threading.Thread(target=watch, name="end_with_parent", daemon=True).start()
