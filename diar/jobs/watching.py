"""Watching a command at work: metrics over HTTP or in a file, by the process that knows all ranks."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from diar.errors import EXIT_ERROR, DiarError, explain
from diar.options.watching import WatchedConfig
from diar.store.layout import Layout

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from diar.connectors.prometheus.families import Sample
    from diar.connectors.prometheus.run import RunMetrics
    from diar.jobs.progress.snapshot import RunSnapshot

    # gets the time of the start; returns what tells how far the run is
    MakeProgress = Callable[[float], Callable[[], RunSnapshot | None]]

_REWRITTEN = 15.0  # seconds


class Watch:
    """What a command tells at its end; of a command that nobody watches, nothing."""

    def result(self, values: dict[str, list[Sample]]) -> None:
        """Note figures of the result, by the name of their metric."""

    def ended(self, code: int) -> int:
        """Note the exit code, and return it."""
        return code


class _Telling(Watch):
    """What a command tells that somebody watches."""

    def __init__(self, metrics: RunMetrics) -> None:
        self._metrics = metrics
        self.code = EXIT_ERROR  # as long as nothing else is known

    def result(self, values: dict[str, list[Sample]]) -> None:
        self._metrics.result(values)

    def ended(self, code: int) -> int:
        self.code = code
        return code


@contextmanager
def watched(config: WatchedConfig, stage: str, progress: MakeProgress) -> Iterator[Watch]:
    """Tell metrics while the block runs, where the options ask for that.

    That is up to the launcher, which outlives the ranks; under torchrun, to the first rank of a machine.

    Args:
        config: of the command.
        stage: the label of its metrics.
        progress: gets the time of the start, returns what tells how far the run is.

    Raises:
        DiarError: prometheus-client is missing, or the port or file cannot be used.
    """
    asked = config.metrics_port is not None or config.metrics_file is not None
    if not asked or os.environ.get("LOCAL_RANK", "0") != "0":
        yield Watch()
        return
    with _telling(config, stage, progress) as watch:
        yield watch


def watched_ranks(config: WatchedConfig, stage: str, layout: Layout, work: Callable[[], int]) -> int:
    """Do the work of a run of ranks, tell metrics of it where that is asked for, and return its exit code."""

    def progress(since: float) -> Callable[[], RunSnapshot | None]:
        from diar.jobs.progress.snapshot import RanksReader  # for runs with metrics only

        return RanksReader(layout, since)

    with watched(config, stage, progress) as watch:
        return watch.ended(work())


@contextmanager
def _telling(config: WatchedConfig, stage: str, progress: MakeProgress) -> Iterator[Watch]:
    from diar.connectors.prometheus.exposition import make_registry, rewritten, served
    from diar.connectors.prometheus.run import RunMetrics
    from diar.models.gpus import GpuWatch

    started = time.time()
    metrics = RunMetrics(stage, started, progress(started), GpuWatch().states)
    registry, watch = make_registry(metrics), _Telling(metrics)
    with ExitStack() as stack:
        if config.metrics_port is not None:
            port = stack.enter_context(served(registry, config.metrics_host, config.metrics_port))
            print(f"metrics: http://{config.metrics_host}:{port}/metrics", file=sys.stderr, flush=True)
        if config.metrics_file is not None:
            try:
                stack.enter_context(rewritten(registry, config.metrics_file, _REWRITTEN))
            except OSError as error:
                raise DiarError(f"`metrics_file={config.metrics_file}`: {explain(error)}") from None
        try:
            yield watch
        finally:
            metrics.end(watch.code, progress(started))
            if config.metrics_file is not None:
                _write_last(registry, config.metrics_file)


def _write_last(registry: CollectorRegistry, path: str) -> None:
    """Write the end of a run; a file that cannot be written does not spoil its result."""
    from diar.connectors.prometheus.exposition import write_file

    try:
        write_file(registry, path)
    except OSError as error:
        told = f"warning: the metrics at the end cannot be written: {explain(error)}"
        print(told, file=sys.stderr, flush=True)
