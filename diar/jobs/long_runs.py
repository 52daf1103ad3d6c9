"""Options of commands that work for hours: what they wait for, and how they stop."""

from __future__ import annotations

import multiprocessing
import os
from typing import ClassVar, TypeVar

from diar import storage
from diar.errors import DiarError
from diar.leases.lock_files import LEASE
from diar.options.base import option
from diar.options.tracking import TrackedConfig
from diar.options.watching import WatchedConfig


class LongRunConfig(WatchedConfig, TrackedConfig):
    """A run of many recordings."""

    environment_prefix: ClassVar[str]

    cache_dir: str | None = option(
        None, "machine", "folder on a local disk for copies of remote audio that will be read again"
    )
    cache_gigabytes: float = option(100.0, "machine", "most that the copies in cache_dir take", gt=0)
    stall_timeout: float = option(
        300.0,
        "run",
        "seconds without anything new from a recording (a stuck mount, a decoder that hangs), after which it "
        "fails as stalled",
        gt=0,
    )
    grace: float = option(
        25.0,
        "run",
        "seconds to finish the recordings that are begun, once SIGTERM, SIGINT, SIGHUP, SIGUSR1 or a notice "
        "asks the run to stop; the exit code is then 75, and the same command goes on",
        ge=0,
    )
    interruption_notice: str | None = option(
        None,
        "run",
        "file whose appearance, or http address whose answer 200 asks the run to stop, as for spot instances",
        metavar="FILE",
    )
    join: bool = option(
        False,
        "run",
        "share the work with all processes that are given the same command, on one machine or several, as in "
        "a Slurm array; whoever dies, the others take over; also what several machines under torchrun do",
    )
    lease: float = option(
        LEASE,
        "run",
        "seconds of silence after which a process on another machine is taken for dead: with --join, and "
        "with an output in an object store",
        ge=3,
    )


ConfigT = TypeVar("ConfigT", bound=LongRunConfig)


def joined_over_machines(config: ConfigT, output: str, overwrite: bool) -> ConfigT:
    """Return the options with `join` where torchrun has started ranks on several machines.

    Nobody starts a dead rank again there, and the machine that hosts their store may be the one that dies.

    Args:
        config: the run's options.
        output: where it writes; ranks cannot join where nothing keeps them apart.
        overwrite: whether it removes what is there.

    Raises:
        DiarError: it does.
    """
    if not _over_machines() or not storage.may_keep_apart(output):
        return config
    if overwrite:
        raise DiarError(
            "`overwrite` on several machines: one that comes late would remove what the others have done; "
            "remove the earlier output first"
        )
    return config.model_copy(update={"join": True})


def void_options(config: LongRunConfig, output: str) -> dict[str, str]:
    """Return the options of long runs that do nothing here, each with the reason; `output` is the run's."""
    void = {}
    if config.cache_dir is None:
        void["cache_gigabytes"] = "without --cache_dir"
    if not config.join and not _over_machines() and storage.local_path(output) is not None:
        void["lease"] = "without --join"
    return void


def _over_machines() -> bool:
    """Return whether torchrun has started ranks on several machines."""
    return int(os.environ.get("GROUP_WORLD_SIZE", "1")) > 1


def apart(config: LongRunConfig) -> bool:
    """Return whether this rank needs no other one: torchrun has started it, and it joins by the output."""
    return config.join and multiprocessing.parent_process() is None
