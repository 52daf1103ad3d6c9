"""Metrics of speech; a model's version is a label, as there are few."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 30.0)
_RATIOS = (0.02, 0.05, 0.1, 0.2, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0)


class SpeechMetrics:
    """All of them, in the registry of the service."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._first = Histogram(
            "diar_speech_first_audio_seconds",
            "seconds from a request for speech to its first audio, by cache (hit, miss)",
            ["cache"],
            buckets=_SECONDS,
            registry=registry,
        )
        self._rtf = Histogram(
            "diar_speech_rtf", "seconds to make a second of speech", buckets=_RATIOS, registry=registry
        )
        self._requests = Counter(
            "diar_speech_requests",
            "requests for speech, by model and cache",
            ["model", "cache"],
            registry=registry,
        )
        self._characters = Counter(
            "diar_speech_characters", "characters asked for, by model", ["model"], registry=registry
        )

        self._active = Gauge(
            "diar_speech_active", "requests for speech that are at work or wait", registry=registry
        )

    def at_work(self, count: int) -> None:
        """Note how many requests are at work or wait."""
        self._active.set(count)

    def asked(self, model: str, characters: int, hit: bool) -> None:
        """Note a request."""
        self._requests.labels(model, _cache(hit)).inc()
        self._characters.labels(model).inc(characters)

    def began(self, seconds: float, hit: bool) -> None:
        """Note how long the first audio took."""
        self._first.labels(_cache(hit)).observe(seconds)

    def made(self, audio: float, seconds: float) -> None:
        """Note how long a sentence of `audio` seconds took."""
        self._rtf.observe(seconds / audio)


def _cache(hit: bool) -> str:
    return "hit" if hit else "miss"
