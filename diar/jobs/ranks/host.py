"""The process that hosts the store of the ranks.

It outlives ranks that die. It is not the launcher, which would have to import torch for it, and it counts the
workers, for which GPUs may have to be asked.
"""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import TYPE_CHECKING

from diar.errors import DiarError
from diar.jobs.ranks.processes import enter_run, sigint_blocked, worker_context
from diar.jobs.ranks.stopping import SIGNALS

if TYPE_CHECKING:
    import torch.distributed as dist

ADDRESS = "127.0.0.1"


@dataclass(frozen=True)
class Host:
    """The running process.

    Attributes:
        process: ends only with the run.
        port: of the store.
        workers: number of ranks to start.
    """

    process: BaseProcess
    port: int
    workers: int


@contextmanager
def hosted_store(
    count: Callable[[], int], environment: Mapping[str, str], cores: frozenset[int], port: int
) -> Iterator[Host]:
    """Start the process, and end it after the block.

    Args:
        count: returns the number of ranks; from a module that a new process can import.
        environment: of the run.
        cores: that the run may use.
        port: TCP port of the store; 0 = any free one.

    Raises:
        DiarError: by `count`; or the port is taken, or not allowed.
    """
    context = worker_context()
    ours, theirs = context.Pipe()
    process = context.Process(
        target=_host, args=(theirs, count, dict(environment), cores, port), name="store"
    )
    with ours:
        with sigint_blocked(), theirs:
            process.start()
        try:
            yield Host(process, *_answer(ours, process))
        finally:
            process.kill()
            process.join()


def _answer(connection: Connection, process: BaseProcess) -> tuple[int, int]:
    """Wait until the process is ready; return port and number of ranks."""
    try:
        answer: tuple[int, int] | str = connection.recv()
    except EOFError:
        process.join()
        raise DiarError(f"the ranks' store ended at its start (exit code {process.exitcode})") from None
    if isinstance(answer, str):
        raise DiarError(answer)
    return answer


def _host(
    launcher: Connection,
    count: Callable[[], int],
    environment: Mapping[str, str],
    cores: frozenset[int],
    port: int,
) -> None:
    """Host the store until the launcher has ended, in whatever way."""
    enter_run(environment, cores)
    for number in SIGNALS:  # they may reach all processes of a run; the workers need the store to the end
        signal.signal(number, signal.SIG_IGN)
    try:
        workers, store = count(), _start_store(port)
    except DiarError as error:
        launcher.send(str(error))
        return
    launcher.send((store.port, workers))
    launcher.poll(None)


def _start_store(port: int) -> dist.TCPStore:
    """Start a store that only this machine can reach; port 0 = any free one."""
    import torch.distributed as dist

    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((ADDRESS, port))
    except OSError as error:
        raise DiarError(f"`port={port}`: {error.strerror}; `port=0` takes any free one") from None
    port = listening.getsockname()[1]
    return dist.TCPStore(
        ADDRESS, port, is_master=True, wait_for_workers=False, master_listen_fd=listening.detach()
    )
