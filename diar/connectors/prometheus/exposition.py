"""Metrics as Prometheus reads them: a registry of what is asked at each scrape, a port, a file."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from diar import storage
from diar.connectors.prometheus.families import Family, Sample
from diar.errors import DiarError, explain
from diar.extras import require

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

Told = list[tuple[Family, list[Sample]]]


class _Collector:
    """Asks for all samples at each scrape."""

    def __init__(self, ask: Callable[[], Told]) -> None:
        self._ask = ask

    def collect(self) -> Iterator[Any]:
        """Yield the families, as prometheus_client wants them."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        for family, samples in self._ask():
            make = CounterMetricFamily if family.kind == "counter" else GaugeMetricFamily
            made = make(family.name, family.told, labels=family.labels)
            for labels, value in samples:
                made.add_metric(labels, value)
            yield made

    def describe(self) -> Iterable[Any]:
        """Return nothing: what there is, is known at a scrape."""
        return ()


def make_registry(ask: Callable[[], Told]) -> CollectorRegistry:
    """Return a registry of what `ask` returns.

    Raises:
        DiarError: prometheus-client is not installed.
    """
    registry = require("prometheus_client", "metrics", "a page of metrics").CollectorRegistry()
    registry.register(_Collector(ask))
    return registry


def write_file(registry: CollectorRegistry, path: str) -> None:
    """Write all metrics to a file, which others see whole or not at all.

    Raises:
        OSError: it cannot be written.
    """
    from prometheus_client import generate_latest

    storage.write_bytes_atomic(storage.local_url(path), generate_latest(registry))


@contextmanager
def served(registry: CollectorRegistry, host: str, port: int) -> Iterator[int]:
    """Answer scrapes while the block runs; give the port.

    Raises:
        DiarError: the address cannot be used.
    """
    from prometheus_client import start_http_server

    try:
        server, thread = start_http_server(port, host, registry)
    except OSError as error:
        raise DiarError(f"`metrics_host={host}`, `metrics_port={port}`: {explain(error)}") from None
    try:
        yield int(server.server_port)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def rewritten(registry: CollectorRegistry, path: str, seconds: float) -> Iterator[None]:
    """Write the file at once and every so often while the block runs; the end is left to the caller.

    Raises:
        OSError: it cannot be written at the beginning. Later, the next time may be better.
    """
    write_file(registry, path)
    over = threading.Event()

    def run() -> None:
        while not over.wait(seconds):
            try:
                write_file(registry, path)
            except OSError:  # a full disk, say: the file grows old, which an alert sees, and the work goes on
                continue

    thread = threading.Thread(target=run, name="metrics", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
