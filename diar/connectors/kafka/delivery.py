"""Messages and offsets, sent together: all of them, or none.

With transactions, whoever reads committed messages sees what follows from a message once, whatever dies in
between. Without them, messages are sent before the offset is committed: after a fault some come again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from diar.connectors.kafka.client import LOG, open_client
from diar.connectors.kafka.errors import LostPartitions, StreamError
from diar.connectors.kafka.messages.outgoing import Outgoing
from diar.connectors.kafka.topics import reason

_ANSWER = 10.0  # seconds for one request
_PATIENCE = 240.0  # seconds for a broker that has gone; below max.poll.interval.ms
_TRANSACTION_MS = 60_000  # after which the broker takes back what a dead worker had begun
_PAUSE = 0.2
# Without it, librdkafka 2.16 forgets its brokers when all are gone, and waits for the forgotten coordinator
# of a group for ever when offsets are sent (confluentinc/librdkafka#5511)
_KEEP_BROKERS = {"metadata.recovery.strategy": "none"}
_MOVED = frozenset(
    [
        *(KafkaError.ILLEGAL_GENERATION, KafkaError.UNKNOWN_MEMBER_ID),
        *(KafkaError.FENCED_INSTANCE_ID, KafkaError.REBALANCE_IN_PROGRESS),
    ]
)
_FENCED = frozenset(
    [KafkaError._FENCED, KafkaError.INVALID_PRODUCER_EPOCH, KafkaError.TRANSACTION_COORDINATOR_FENCED]
)
_NO_TRANSACTIONS = frozenset(
    [KafkaError.UNSUPPORTED_VERSION, KafkaError._UNSUPPORTED_FEATURE, KafkaError.INVALID_REQUEST]
)
AnsweredT = TypeVar("AnsweredT")


class Delivery:
    """Sends what follows from the messages that a worker has done.

    Args:
        settings: of the producer.
        name: of the transactions; a worker that is started again under it ends those of its predecessor.
            None = no transactions.

    Raises:
        StreamError: the broker does not answer, or has no transactions.
    """

    def __init__(self, settings: Mapping[str, Any], name: str | None) -> None:
        self._settings, self._name = dict(settings), name
        if name is not None:
            own = {"transactional.id": name, "transaction.timeout.ms": _TRANSACTION_MS}
            self._settings = {**_KEEP_BROKERS, **self._settings, **own}
        self._producer = self._open()

    def send(
        self, consumer: Consumer, messages: Sequence[Outgoing], offsets: Sequence[TopicPartition]
    ) -> None:
        """Send messages and commit offsets.

        Raises:
            LostPartitions: another worker has them; nothing was sent, or it is not this worker's any more.
            StreamError: the broker has gone for too long, or another worker of this name is there.
        """
        until = time.monotonic() + _PATIENCE
        while True:
            asked = False  # to commit: before that, a failure is one
            try:
                if self._name is None:
                    self._send_plainly(consumer, messages, offsets)
                    return
                self._fill_transaction(consumer, messages, offsets, until)
                asked = True
                _insist(lambda: self._producer.commit_transaction(_ANSWER), until)
                return
            except KafkaException as error:
                told = error.args[0]
                self._after(told, until)
                doubtful = asked and not told.txn_requires_abort()
                if doubtful and self._is_committed(consumer, offsets):
                    return  # the broker's answer was lost, not the transaction

    def _open(self) -> Producer:
        producer = open_client(Producer, self._settings)
        if self._name is None:
            return producer
        until = time.monotonic() + _PATIENCE
        while True:
            try:
                producer.init_transactions(_ANSWER)
                return producer
            except KafkaException as error:
                code = error.args[0].code()
                if code in _NO_TRANSACTIONS or time.monotonic() > until:
                    raise StreamError(
                        f"transactions cannot be begun: {reason(error)}; for a broker without them, "
                        "`delivery=at_least_once`"
                    ) from None
                time.sleep(_PAUSE)

    def _fill_transaction(
        self,
        consumer: Consumer,
        messages: Sequence[Outgoing],
        offsets: Sequence[TopicPartition],
        until: float,
    ) -> None:
        """Begin a transaction; send messages, wait for the broker to have them, then offsets."""
        producer = self._producer
        producer.begin_transaction()
        for message in messages:
            self._produce(message)
        # Raises what is fatal; what else has failed, the commit tells
        producer.flush(max(until - time.monotonic(), _PAUSE))
        if offsets:
            group = consumer.consumer_group_metadata()
            _insist(lambda: producer.send_offsets_to_transaction(list(offsets), group, _ANSWER), until)

    def _send_plainly(
        self, consumer: Consumer, messages: Sequence[Outgoing], offsets: Sequence[TopicPartition]
    ) -> None:
        failed: list[KafkaError] = []
        for message in messages:
            self._produce(message, lambda error, _: failed.append(error) if error is not None else None)
        left = self._producer.flush(_PATIENCE)
        if failed or left:
            raise KafkaException(failed[0] if failed else KafkaError(KafkaError._TIMED_OUT))
        if offsets:
            consumer.commit(offsets=list(offsets), asynchronous=False)

    def _produce(self, message: Outgoing, told: Callable[..., None] | None = None) -> None:
        while True:
            try:
                self._producer.produce(
                    message.topic,
                    message.value,
                    message.key,
                    message.partition,
                    headers=list(message.headers.items()),
                    on_delivery=told,
                )
                return
            except BufferError:
                self._producer.poll(_PAUSE)

    def _after(self, error: KafkaError, until: float) -> None:
        """Bring the producer to where a transaction can be begun; raise if there is no use in it."""
        code = error.code()
        if code in _FENCED:
            raise StreamError(
                f"the broker has ended the transactions of {self._name!r}: another worker has that name, or "
                "this one was cut off for too long; start it again"
            )
        if code in _MOVED:
            self._abort(error)
            raise LostPartitions(error.str())
        if code == KafkaError.MSG_SIZE_TOO_LARGE:
            raise StreamError(
                f"{error.str()}: set `message_bytes` to what the broker takes, or let it take more"
            )
        if time.monotonic() > until:
            raise StreamError(f"the broker does not answer: {error.str()}")
        LOG.warning("sent again: %s", error.str())
        self._abort(error)
        time.sleep(_PAUSE)

    def _abort(self, error: KafkaError) -> None:
        if self._name is None:
            return
        if not error.fatal():
            try:
                self._producer.abort_transaction(_ANSWER)
                return
            except KafkaException as other:
                LOG.warning("a transaction could not be taken back: %s", reason(other))
        self._producer = self._open()  # under the same name, which takes it back

    def _is_committed(self, consumer: Consumer, offsets: Sequence[TopicPartition]) -> bool:
        if not offsets:
            return False
        asked = [TopicPartition(one.topic, one.partition) for one in offsets]
        found = _insist(lambda: consumer.committed(asked, _ANSWER), time.monotonic() + _PATIENCE)
        known = {(one.topic, one.partition): one.offset for one in found}
        return all(known[one.topic, one.partition] >= one.offset for one in offsets)


def _insist(ask: Callable[[], AnsweredT], until: float) -> AnsweredT:
    """Return the broker's answer; ask again while it may still come."""
    while True:
        try:
            return ask()
        except KafkaException as error:
            told = error.args[0]
            again = told.retriable() or told.code() in (KafkaError._TIMED_OUT, KafkaError._TRANSPORT)
            if told.fatal() or told.txn_requires_abort() or not again or time.monotonic() > until:
                raise
            time.sleep(_PAUSE)
