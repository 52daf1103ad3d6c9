"""Starting the ranks through torchrun's own API, and ending cleanly when the launcher is gone."""

from __future__ import annotations

import logging
import os
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable

from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from diar.config import ExtractConfig
from diar.errors import DiarError
from diar.extract.devices import count_workers, device_kind

EXIT_OK, EXIT_CRASHED, EXIT_ERROR, EXIT_FAILURES = 0, 1, 2, 3
_PARENT_POLL = 0.2  # seconds


def started_by_torchrun() -> bool:
    """Whether this process is already one of torchrun's ranks."""
    return "LOCAL_RANK" in os.environ and "WORLD_SIZE" in os.environ


def launch(config: ExtractConfig, run_rank: Callable[[ExtractConfig], int]) -> int:
    """Run `run_rank(config)` in one process a GPU (or `--workers` on the CPU); returns the exit code.

    A worker that dies takes the others with it; all are started again up to `max_restarts` times and go on
    where they were.

    Raises:
        DeviceError: the devices asked for are not there.
        DiarError: the port is taken.
    """
    kind = device_kind(config.device, config.gpus)
    workers = count_workers(kind, config.gpus, config.workers)
    _check_port(config.port)
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # each rank sets its own number of threads
    # Gloo looks its address up by host name, which laptops and containers often cannot resolve
    if sys.platform == "linux":
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    # torch logs every restart and signal with a stack trace; what matters is reported below and by rank 0
    for name in ("torch.distributed.elastic", "torch.multiprocessing"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    settings = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=workers,
        run_id=f"diar-{os.getpid()}",
        rdzv_backend="c10d",
        rdzv_endpoint=f"127.0.0.1:{config.port}",
        max_restarts=config.max_restarts,
        monitor_interval=0.2,
        start_method="spawn",
    )
    try:
        with tempfile.TemporaryDirectory(prefix="diar-") as logs:  # torch leaves its own behind
            settings.logs_specs = DefaultLogsSpecs(log_dir=logs)
            results = elastic_launch(settings, run_rank)(config)
    except ChildFailedError as error:
        rank, failure = error.get_first_failure()
        print(
            f"error: worker {rank} died ({failure.message or f'exit code {failure.exitcode}'}) "
            f"after {config.max_restarts} restarts; the same command goes on from here",
            file=sys.stderr,
        )
        return EXIT_CRASHED
    except (SignalException, KeyboardInterrupt) as error:
        number = int(getattr(error, "sigval", 2))
        print(f"interrupted (signal {number}); the same command goes on from here", file=sys.stderr)
        return 128 + number
    return max(results.values())


def _check_port(port: int) -> None:
    if not port:
        return
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise DiarError(f"--port {port}: {error.strerror}; leave it out to take any free port") from None


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
    """Let this rank end soon after its launcher was killed, so that no orphan writes beside a new run."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_PARENT_POLL)
        os._exit(EXIT_CRASHED)

    threading.Thread(target=watch, name="end_with_parent", daemon=True).start()
