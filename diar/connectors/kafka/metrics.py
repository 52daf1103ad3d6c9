"""Metrics of a worker for Prometheus; never an id of a recording or stream as a label."""

from __future__ import annotations

import time

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server

from diar.connectors.kafka.intake import Intake

_SECONDS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0)
_LOOK = 5.0  # seconds from one look at the lag to the next


class StreamMetrics:
    """All metrics of a worker, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._looked, self._served = 0.0, False
        self._of_references()
        self._of_audio()
        self.audio_seconds = self._counter("diar_stream_audio_seconds", "audio that was computed")
        self.lag = self._gauge("diar_stream_lag", "messages of this worker that are not done", "topic")
        self.dead = self._counter("diar_stream_dead_letters", "dead letters by reason", "reason")
        self.commit_seconds = self._histogram(
            "diar_stream_commit_seconds", "seconds of sending results with offsets"
        )

    def _of_references(self) -> None:
        self.references = self._counter(
            "diar_stream_references",
            "references by outcome: done, copy (of a finished one), retried, dead",
            "outcome",
        )
        self.reference_seconds = self._histogram(
            "diar_stream_reference_seconds",
            "seconds from a reference's arrival at the broker to its committed result",
        )
        self.deaths = self._counter(
            "diar_stream_process_deaths", "ends of the process that computes references"
        )

    def _of_audio(self) -> None:
        self.streams = self._gauge("diar_stream_streams_active", "live streams of this worker")
        self.events = self._counter("diar_stream_events", "events of live streams", "type")
        self.event_delay = self._histogram(
            "diar_stream_event_delay_seconds",
            "seconds from the arrival of a stream's last samples at the broker to their committed events",
        )
        self.lost_messages = self._counter(
            "diar_stream_lost_messages", "messages of live audio that never came, by sequence"
        )
        self.resumed = self._counter("diar_stream_resumed", "live streams that went on from a saved state")

    def _counter(self, name: str, help: str, *labels: str) -> Counter:
        return Counter(name, help, labels, registry=self.registry)

    def _gauge(self, name: str, help: str, *labels: str) -> Gauge:
        return Gauge(name, help, labels, registry=self.registry)

    def _histogram(self, name: str, help: str) -> Histogram:
        return Histogram(name, help, buckets=_SECONDS, registry=self.registry)

    def serve(self, host: str, port: int) -> int:
        """Serve the metrics over HTTP; return the port."""
        self._served = True
        server, _ = start_http_server(port, host, registry=self.registry)
        return int(server.server_port)

    def look(self, intake: Intake) -> None:
        """Note the lag, every few seconds, if anybody can see it."""
        if not self._served or time.monotonic() - self._looked < _LOOK:
            return
        self._looked = time.monotonic()
        found: dict[str, int] = {}
        for topic, lag in intake.lag():
            found[topic] = found.get(topic, 0) + lag
        for topic, lag in found.items():
            self.lag.labels(topic).set(lag)
