"""Being one rank of a job: meeting the others, and telling errors once."""

from __future__ import annotations

import logging
import multiprocessing
import os
import sys
from collections.abc import Callable, Container, Iterator
from contextlib import contextmanager
from typing import Protocol

import torch.distributed as dist

from diar.errors import EXIT_ERROR, explain, with_flags
from diar.jobs.ranks.launcher import check_restarts
from diar.jobs.ranks.rendezvous import MENDABLE, AgreedError, Agreement
from diar.jobs.ranks.stopping import Stopping
from diar.options.logs import as_json, log_from
from diar.spawning import end_with_parent


class Interruptible(Protocol):
    """The options that say how a run stops."""

    @property
    def grace(self) -> float:
        """Seconds from being asked to the end."""

    @property
    def interruption_notice(self) -> str | None:
        """File or address that asks."""


def be_rank(
    run: Callable[[Agreement, int, int], int], options: Container[str], *, apart: bool = False
) -> int:
    """Meet the other ranks and run this one; return the exit code, which is the same on all ranks.

    An error that a user can mend is printed once. Its exit code is 2, after which no worker is started again.

    Args:
        run: gets the agreement, this rank's number on this machine and how many there are; returns the exit
            code.
        options: names of the command's options, which messages show as flags.
        apart: whether it needs no other rank; they join each other by the output alone.
    """
    end_with_parent()
    log_from(logging.WARNING if as_json() else logging.ERROR)  # as JSON also each recording that failed
    if apart:
        store, rank, world_size = dist.HashStore(), 0, 1
    else:
        check_restarts()
        store, rank, world_size = next(iter(dist.rendezvous("env://")))
    # Torchrun's store outlives a restart of all ranks; the prefix hides what the dead ranks said and claimed
    attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    if rank == 0 and attempt != "0":
        print(f"a worker died; started again (restart {attempt}), going on where it was", file=sys.stderr)
    agreement = Agreement(dist.PrefixStore(f"attempt_{attempt}", store), rank, world_size)
    try:
        code = run(agreement, int(os.environ["LOCAL_RANK"]), int(os.environ["LOCAL_WORLD_SIZE"]))
    except AgreedError as error:
        if rank == 0:
            print(f"error: {with_flags(str(error), options)}", file=sys.stderr)
        agreement.leave(str(error))
        return EXIT_ERROR
    agreement.leave()
    return code


def stopping_of(config: Interruptible, agreement: Agreement) -> Stopping:
    """Return what asks this rank to stop; the first rank of a machine looks for a notice, for all.

    A rank that a launcher has started leaves it to the launcher to tell of signals.
    """
    first = os.environ.get("LOCAL_RANK", "0") == "0"
    launched = multiprocessing.parent_process() is not None
    return Stopping(
        config.grace,
        config.interruption_notice if first else None,
        told_by_others=agreement.stop_requested,
        tell_others=agreement.request_stop,
        quiet=not first,
        signals_told=launched,
    )


@contextmanager
def telling_errors(rank: int, options: Container[str]) -> Iterator[None]:
    """Print an error that a user can mend as soon as it happens, and pass it on; the others stop later."""
    try:
        yield
    except MENDABLE as error:
        told = with_flags(explain(error), options)
        print(f"error: rank {rank}: {told}; the others stop soon", file=sys.stderr, flush=True)
        raise
