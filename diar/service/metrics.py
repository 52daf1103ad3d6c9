"""Metrics for Prometheus (docs/service.md); never a session, tenant or caller as a label."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from math import isnan

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily

from diar.models.gpus import GpuState
from diar.online.events import (
    Event,
    SessionEnded,
    SessionStarted,
    SpeechStarted,
    TurnCorrected,
    TurnEnded,
    TurnStarted,
    WordsHeard,
)
from diar.service.sessions.session import Session

_SECONDS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0)
_RATIOS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9, 1.0, 1.5, 3.0)
_CONFIDENCES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0)
_COUNTS = (0, 1, 2, 3, 4, 5, 6, 8, 10, 15, 20)
CORRECTED_AFTER = 5.0  # seconds of the stream: a turn that is told of later is part of a correction
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """All metrics of a process, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._of_sessions()
        self._of_the_process()
        self._turns = self._turn_seconds = self._switched = 0.0

    def _of_sessions(self) -> None:
        histogram, gauge = self._histogram, self._gauge
        self.ttfa = histogram(
            "diar_ttfa_seconds",
            "seconds from first speech to its event (live), from upload to result (job)",
            _SECONDS,
            "mode",
        )
        for mode in ("live", "job"):  # there from the start, else a first observation is no increase
            self.ttfa.labels(mode)
        self.rtf = histogram("diar_rtf", "seconds of computing a second of audio, of each batch", _RATIOS)
        self.turn_latency = histogram(
            "diar_turn_latency_seconds",
            "seconds from the arrival of a turn's start to turn.started",
            _SECONDS,
        )
        self.queue = histogram("diar_queue_seconds", "longest wait of a sample of each batch", _SECONDS)
        self.streams = gauge("diar_streams_active", "live sessions")
        self.segments = gauge("diar_segments_count", "turns that ended since the start")
        self.segment_length = gauge("diar_avg_segment_len", "mean seconds of these turns")
        self.switch_rate = gauge(
            "diar_cluster_switch_rate", "share of these turns whose speaker was corrected"
        )
        self.confidence = histogram(
            "diar_turn_confidence",
            "confidence of turns that ended, 0 to 1: their distribution drifts where audio or voices change",
            _CONFIDENCES,
        )
        self.speakers = histogram("diar_speakers", "speakers of a session that ended", _COUNTS)
        self.words_delay = histogram(
            "diar_words_delay_seconds",
            "seconds from the arrival of the end of a word to its event, when first told and when certain",
            _SECONDS,
            "kind",
        )
        self.words_batch = histogram("diar_words_batch_seconds", "seconds of recognising a batch", _SECONDS)
        self.model = gauge("diar_model_version", "1, the networks by name and sha256", "model", "sha256")
        self.profile = gauge("diar_threshold_profile", "1, the thresholds of live sessions", "profile")

    def _of_the_process(self) -> None:
        counter = self._counter
        self.audio = counter("diar_audio_seconds", "seconds of audio processed")
        self.requests = counter("diar_requests", "HTTP requests answered", "method", "route", "status")
        self.errors = counter("diar_errors", "problems told to callers, by code", "code")
        self.restarts = counter("diar_restarts", "computing processes that died and were started again")
        self.words = counter("diar_words", "words of live sessions that are certain")
        self.words_lost = counter("diar_words_lost_seconds", "speech of live sessions without words")
        self.dropped = counter("diar_slow_readers", "clients dropped because they did not read")
        self.jobs = counter("diar_jobs", "jobs that ended, by outcome", "outcome")
        self.jobs_waiting = self._gauge("diar_jobs_waiting", "jobs that wait or run")
        self.save_time = self._histogram("diar_save_seconds", "seconds to save a lane's sessions", _SECONDS)
        told = "1: Redis answers, 0: it is away; absent where none is configured"
        self.redis_up = Gauge("diar_redis_up", told, registry=None)

    def _histogram(self, name: str, told: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(name, told, labels, buckets=buckets, registry=self.registry)

    def _gauge(self, name: str, told: str, *labels: str) -> Gauge:
        return Gauge(name, told, labels, registry=self.registry)

    def _counter(self, name: str, told: str, *labels: str) -> Counter:
        return Counter(name, told, labels, registry=self.registry)

    def fed(self, streams: int, audio: float, seconds: float, waited: float) -> None:
        """See `lane.Observer`."""
        self.audio.inc(audio)
        self.queue.observe(waited)
        if audio > 0:
            self.rtf.observe(seconds / audio)

    def restarted(self) -> None:
        """See `lane.Observer`."""
        self.restarts.inc()

    def told(self, session: Session, event: Event, latency: float | None) -> None:
        """See `sessions.session.Watcher`."""
        if isinstance(event, SessionStarted):
            self.profile.labels("telephone" if session.opening.narrow_band else "general").set(1)
        if isinstance(event, TurnStarted | SpeechStarted) and not session.heard:
            session.heard = True
            if latency is not None:
                self.ttfa.labels("live").observe(latency)
        if isinstance(event, TurnStarted) and latency is not None and event.delay < CORRECTED_AFTER:
            self.turn_latency.observe(latency)
        elif isinstance(event, TurnEnded):
            self._turns += 1
            self._turn_seconds += event.turn.end - event.turn.start
            self.confidence.observe(event.turn.confidence)
        elif isinstance(event, TurnCorrected):
            self._switched += event.turn.speaker != event.was.speaker
        elif isinstance(event, SessionEnded):
            self.speakers.observe(len({turn.speaker for turn in event.turns}))
        elif isinstance(event, WordsHeard):
            self._words_told(session, event)

    def _words_told(self, session: Session, event: WordsHeard) -> None:
        """Observe how late words are; a word is new where it ends after all that were told before."""
        self.words.inc(len(event.words))
        new = [word for word in (*event.words, *event.partial) if word.end > session.words_shown]
        for kind, words in (("final", event.words), ("first", new)):
            for word in words:
                arrived = session.inbox.arrival(word.end)
                if arrived is not None:
                    self.words_delay.labels(kind).observe(max(0.0, time.monotonic() - arrived))
        session.words_shown = max([session.words_shown, *(word.end for word in new)])

    def networks(self, models: Mapping[str, str]) -> None:
        """Note the networks: `model` and `model_sha256`, and so on."""
        for name, digest in models.items():
            if name.endswith("_sha256"):
                self.model.labels(models[name.removesuffix("_sha256")], digest).set(1)

    def text(self, streams: int) -> bytes:
        """Return all of it as Prometheus reads it."""
        self.streams.set(streams)
        self.segments.set(self._turns)
        if self._turns:
            self.segment_length.set(self._turn_seconds / self._turns)
            self.switch_rate.set(self._switched / self._turns)
        return generate_latest(self.registry)

    def watch_gpus(
        self, peaks: Callable[[], list[tuple[str, float, int]]], states: Callable[[], list[GpuState]]
    ) -> None:
        """Add what GPUs do and hold.

        Args:
            peaks: returns number, share of work and peak bytes of this process, of each GPU.
            states: returns the same of all processes, by nvidia-smi.
        """
        self.registry.register(_Gpus(peaks, states))


class _Gpus:
    """What GPUs do, asked whenever somebody looks."""

    def __init__(
        self, peaks: Callable[[], list[tuple[str, float, int]]], states: Callable[[], list[GpuState]]
    ) -> None:
        self._peaks, self._states = peaks, states

    def collect(self) -> list[GaugeMetricFamily]:
        """Return all metrics; without samples where there is no GPU."""
        told = {
            "diar_gpu_utilization": "share of the last second that a GPU worked",
            "diar_gpu_mem_peak_bytes": "most memory that was allocated",
            "diar_gpu_memory_used_bytes": "memory in use, by all processes",
            "diar_gpu_memory_bytes": "memory of a GPU",
        }
        made = {name: GaugeMetricFamily(name, text, labels=["gpu"]) for name, text in told.items()}
        known = {state.number: state for state in self._states()}
        for number, share, peak in self._peaks():
            state = known.get(number)
            made["diar_gpu_mem_peak_bytes"].add_metric([number], peak)
            by_driver = state.utilization if state is not None and isnan(share) else share
            made["diar_gpu_utilization"].add_metric([number], by_driver)
            if state is not None:
                made["diar_gpu_memory_used_bytes"].add_metric([number], state.used)
                made["diar_gpu_memory_bytes"].add_metric([number], state.total)
        return list(made.values())
