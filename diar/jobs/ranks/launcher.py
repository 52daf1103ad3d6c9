"""Starting the ranks of a run."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import partial
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import TypeVar

from diar.errors import EXIT_ERROR, DiarError
from diar.jobs.ranks.host import ADDRESS, Host, hosted_store
from diar.jobs.ranks.processes import enter_run, worker_context
from diar.jobs.ranks.supervisor import Supervisor

ArgumentT = TypeVar("ArgumentT")


def launch(
    run_rank: Callable[[ArgumentT], int],
    argument: ArgumentT,
    *,
    workers: Callable[[ArgumentT], int],
    cores: frozenset[int],
    max_restarts: int,
    grace: float = 0.0,
    port: int = 0,
) -> int:
    """Run `run_rank(argument)` in several processes; return the exit code.

    A worker that dies is started again and goes on where it was, while the others work on; that happens up to
    `max_restarts` times in all. The store of the ranks lives in a process that outlives them.

    Args:
        run_rank: from a module that a new process can import; returns the exit code of the whole run.
        argument: must be picklable.
        workers: returns the number of processes; called with `argument` in a process that may import torch.
        cores: numbers of the cores that the processes may use; empty = all.
        max_restarts: of dead workers, all together.
        grace: seconds that workers have once a signal has asked the run to stop.
        port: TCP port of the store; 0 = any free one.

    Raises:
        DiarError: by `workers`; or the port is taken, or not allowed.
    """
    context, environment = worker_context(), dict(os.environ)
    with hosted_store(partial(workers, argument), environment, cores, port) as host:

        def make(rank: int) -> BaseProcess:
            of_rank = {**environment, **_torchrun_environment(rank, host)}
            arguments = (of_rank, cores, run_rank, argument)
            return context.Process(target=_work, args=arguments, name=f"worker {rank}")

        return Supervisor(make, host.workers, max_restarts, host.process, grace).run()


def launch_one(
    run: Callable[[ArgumentT], int], argument: ArgumentT, cores: frozenset[int], grace: float = 0.0
) -> int:
    """Run `run(argument)` in one process, which is not started again if it dies; return the exit code.

    Args:
        run: from a module that a new process can import; returns the exit code.
        argument: must be picklable.
        cores: numbers of the cores that the process may use; empty = all.
        grace: seconds that the process has once a signal has asked it to stop.

    Raises:
        DiarError: by `run`.
    """
    context, environment = worker_context(), dict(os.environ)
    ours, theirs = context.Pipe(duplex=False)

    def make(rank: int) -> BaseProcess:
        arguments = (theirs, environment, cores, run, argument)
        return context.Process(target=_work_alone, args=arguments, name="worker")

    with ours, theirs:
        code = Supervisor(make, 1, max_restarts=0, grace=grace).run()
        if ours.poll():
            raise DiarError(ours.recv())
        return code


def _torchrun_environment(rank: int, host: Host) -> dict[str, str]:
    """Return the environment that torchrun would give a rank."""
    return {
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(host.workers),
        "LOCAL_WORLD_SIZE": str(host.workers),
        "MASTER_ADDR": ADDRESS,
        "MASTER_PORT": str(host.port),
        "TORCHELASTIC_USE_AGENT_STORE": "True",  # rank 0 does not start another store
    }


def _work(
    environment: dict[str, str],
    cores: frozenset[int],
    run_rank: Callable[[ArgumentT], int],
    argument: ArgumentT,
) -> None:
    """Run a rank in its new process."""
    enter_run(environment, cores)
    sys.exit(run_rank(argument))


def _work_alone(
    launcher: Connection,
    environment: dict[str, str],
    cores: frozenset[int],
    run: Callable[[ArgumentT], int],
    argument: ArgumentT,
) -> None:
    """Run the only process of a job; tell the launcher of an error."""
    enter_run(environment, cores)
    try:
        sys.exit(run(argument))
    except DiarError as error:
        launcher.send(str(error))
        sys.exit(EXIT_ERROR)


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
