"""Messages of a worker's partitions, as many at once as there is room for."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from confluent_kafka import (
    OFFSET_BEGINNING,
    OFFSET_INVALID,
    Consumer,
    KafkaError,
    KafkaException,
    TopicPartition,
)

from diar.connectors.kafka.client import LOG, open_client
from diar.connectors.kafka.errors import StreamError
from diar.connectors.kafka.topics import reason

_ANSWER = 10.0  # seconds for one request
_PATIENCE = 120.0  # seconds for a broker that has gone
_PAUSE = 0.2
_MOST_KEPT, _MOST_BYTES = 1_024, 16_000_000  # messages that are not taken yet, and their bytes

OnAssigned = Callable[[list[TopicPartition]], Sequence[TopicPartition]]


class Intake:
    """The consumer of a worker.

    Args:
        settings: of the consumer.
        topics: that are read.
        partitions: that are taken for good; empty = the group decides.
        on_assigned: is given the partitions with the offsets that are committed, returns where to begin.
        on_lost: is told that all partitions are gone.
    """

    def __init__(
        self,
        settings: Mapping[str, Any],
        topics: Sequence[str],
        partitions: Sequence[int],
        on_assigned: OnAssigned,
        on_lost: Callable[[], None],
    ) -> None:
        self._topics, self._partitions = list(topics), list(partitions)
        self._on_assigned, self._on_lost = on_assigned, on_lost
        self._kept: list[Any] = []  # that are not taken yet
        self._bytes = 0  # of them
        self._held: set[tuple[str, int]] = set()
        self.paused = False
        self.consumer = open_client(Consumer, settings)

    def start(self) -> None:
        """Join the group, or take the partitions that were named."""
        if not self._partitions:
            self.consumer.subscribe(
                self._topics, on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._revoked
            )
            return
        self._assigned(
            self.consumer, [TopicPartition(topic, one) for topic in self._topics for one in self._partitions]
        )

    def take(self, most: int, seconds: float) -> list[Any]:
        """Return messages, at least one unless none came within `seconds`."""
        self.wait(0.0 if self._kept else seconds)
        taken, self._kept = self._kept[:most], self._kept[most:]
        self._bytes -= _size(taken)
        return taken

    def wait(self, seconds: float) -> None:
        """Stay in the group; keep what comes, and let the broker wait where that is enough."""
        self._pause(self._is_full(0.5 if self.paused else 1.0))
        message = self._poll(seconds)
        while message is not None:
            self._kept.append(message)
            self._bytes += _size([message])
            message = None if self._is_full(1.0) else self._poll(0)

    def rewind(self) -> None:
        """Begin again at what is committed."""
        self._forget()
        assigned = self.consumer.assignment()
        if assigned:
            self._assigned(self.consumer, [TopicPartition(one.topic, one.partition) for one in assigned])

    def hold(self, message: Any, hold: bool) -> None:
        """Stop to read the partition of a message, or go on."""
        place = message.topic(), message.partition()
        one = [TopicPartition(*place)]
        if hold and place not in self._held:
            self._held.add(place)
            self.consumer.pause(one)
        elif not hold and place in self._held:
            self._held.remove(place)
            if not self.paused:
                self.consumer.resume(one)

    def lag(self) -> Iterator[tuple[str, int]]:
        """Yield a topic and how many messages of a partition are not committed yet."""
        try:
            for one in self.consumer.committed(self.consumer.assignment(), _ANSWER):
                low, high = self.consumer.get_watermark_offsets(one, timeout=_ANSWER, cached=True)
                if high < 0:
                    continue
                yield one.topic, max(0, high - (one.offset if one.offset >= 0 else max(low, 0)))
        except KafkaException as error:
            LOG.warning("the lag is not known: %s", reason(error))

    def close(self) -> None:
        """Leave the group."""
        self.consumer.close()

    def _forget(self) -> None:
        self._kept, self._bytes = [], 0

    def _is_full(self, share: float) -> bool:
        return len(self._kept) >= share * _MOST_KEPT or self._bytes >= share * _MOST_BYTES

    def _poll(self, seconds: float) -> Any:
        message = self.consumer.poll(seconds)
        error = None if message is None else message.error()
        if error is None:
            return message
        if error.fatal() or error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
            raise StreamError(f"messages cannot be read: {error.str()}")
        LOG.warning("broker: %s", error.str())
        return None

    def _pause(self, paused: bool) -> None:
        if paused == self.paused:
            return
        self.paused = paused
        assigned = [one for one in self.consumer.assignment() if (one.topic, one.partition) not in self._held]
        if assigned:
            (self.consumer.pause if paused else self.consumer.resume)(assigned)

    def _assigned(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._forget()
        self.paused = False
        self._held.clear()
        committed = self._committed(partitions)
        for one in committed:
            if one.offset == OFFSET_INVALID:
                one.offset = OFFSET_BEGINNING
        consumer.assign(list(self._on_assigned(committed)))

    def _committed(self, partitions: list[TopicPartition]) -> list[TopicPartition]:
        until = time.monotonic() + _PATIENCE
        while True:
            try:
                found: list[TopicPartition] = self.consumer.committed(partitions, _ANSWER)
                return found
            except KafkaException as error:
                if time.monotonic() > until:
                    raise StreamError(f"the broker does not answer: {reason(error)}") from None
                time.sleep(_PAUSE)

    def _revoked(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._forget()
        self._on_lost()


def _size(messages: Sequence[Any]) -> int:
    return sum(len(message.value() or b"") for message in messages)


def read_partition(settings: Mapping[str, Any], topic: str, partition: int) -> Iterator[Any]:
    """Yield all committed messages of a partition, from its beginning to where it ends now.

    Raises:
        StreamError: the broker does not answer.
    """
    own = {"enable.partition.eof": True, "group.id": "diar-tables", "isolation.level": "read_committed"}
    consumer = open_client(Consumer, {**settings, **own, "enable.auto.commit": False})
    try:
        consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING)])
        until = time.monotonic() + _PATIENCE
        while True:
            message = consumer.poll(_PAUSE)
            if message is None:
                if time.monotonic() > until:
                    raise StreamError(f"{topic} cannot be read: the broker does not answer")
                continue
            error = message.error()
            if error is None:
                until = time.monotonic() + _PATIENCE
                yield message
            elif error.code() == KafkaError._PARTITION_EOF:
                return
            else:
                LOG.warning("broker: %s", error.str())
    finally:
        consumer.close()
