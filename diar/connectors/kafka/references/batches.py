"""References on their way: which messages belong together, and what became of each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import TopicPartition

from diar.connectors.kafka.messages.checking import headers_of
from diar.connectors.kafka.messages.outgoing import ATTEMPTS, DUE
from diar.connectors.kafka.references.jobs import Computed, Failed, Job

Outcome = Computed | Failed


@dataclass
class Task:
    """A message, and the job that it is."""

    message: Any
    job: Job
    outcome: Outcome | None = None


@dataclass
class Batch:
    """Messages whose results are sent together.

    Attributes:
        messages: all of them, also those that are no jobs.
        tasks: by the number of the job.
        alone: its only job is computed by itself, because it may have ended the process before.
    """

    messages: list[Any] = field(default_factory=list)
    tasks: dict[int, Task] = field(default_factory=dict)
    ready: list[tuple[Any, Failed]] = field(default_factory=list)  # messages that are no references

    @property
    def complete(self) -> bool:
        """Whether every job has an outcome."""
        return all(task.outcome is not None for task in self.tasks.values())

    def open_jobs(self) -> Iterator[Job]:
        """Yield the jobs without an outcome."""
        for task in self.tasks.values():
            if task.outcome is None:
                yield task.job

    def offsets(self) -> list[TopicPartition]:
        """Return where each partition goes on after these messages."""
        return next_offsets(self.messages)


def next_offsets(messages: Iterable[Any]) -> list[TopicPartition]:
    """Return the offsets after messages, one for each partition."""
    found: dict[tuple[str, int], int] = {}
    for message in messages:
        place = message.topic(), message.partition()
        found[place] = max(found.get(place, 0), message.offset() + 1)
    return [TopicPartition(topic, partition, offset) for (topic, partition), offset in found.items()]


def attempts_of(message: Any) -> int:
    """Return how often a reference was tried before."""
    tried = headers_of(message).get(ATTEMPTS, "0")
    return int(tried) if tried.isdecimal() else 0


def due_at(message: Any) -> float:
    """Return when a reference may be tried, in seconds since the epoch."""
    try:
        return float(headers_of(message).get(DUE, "0"))
    except ValueError:
        return 0.0
