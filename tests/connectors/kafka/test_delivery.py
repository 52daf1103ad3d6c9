"""Transactions of a worker whose broker goes and comes back."""

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import pytest
from confluent_kafka import Consumer, TopicPartition
from kafka_brokers import DURABLE, Broker, broker, read_topic, send_all

from diar.connectors.kafka import delivery
from diar.connectors.kafka.client import consumer_settings, producer_settings
from diar.connectors.kafka.delivery import Delivery, _insist
from diar.connectors.kafka.messages.outgoing import Outgoing
from diar.connectors.kafka.topics import OF_AUDIO, Topics, settle_topics


def test_noida_transactions_go_on_when_the_broker_was_started_again(tmp_path: Path) -> None:
    with sending(tmp_path) as (one, send, told):
        send(1)
        time.sleep(3)  # it writes to disk each second
        one.kill()
        one.start()
        send(2)
        assert told() == ([b"1", b"2"], 2)


def test_noida_a_broker_that_forgot_messages_gets_the_next_ones_all_the_same(tmp_path: Path) -> None:
    """It forgets their sequence numbers, too, refuses what comes next, and yet takes its offsets."""
    with sending(tmp_path) as (one, send, told):
        send(1)
        time.sleep(3)
        send(2)
        one.kill()  # before they are on its disk
        one.start()
        send(3)
        messages, offset = told()
        assert messages[0] == b"1" and messages[-1] == b"3" and offset == 3, messages


def test_noida_a_commit_that_it_says_and_has_not_made_is_made_again(tmp_path: Path) -> None:
    """A transaction that is open when it dies is gone, and yet its commit is answered as done."""
    with sending(tmp_path) as (one, send, told):
        send(1)
        time.sleep(3)
        with mock.patch.object(delivery, "_insist", side_effect=interrupted(one)) as insist:
            send(2)
        assert insist.call_count > 2, "the broker was not killed within a transaction"
        send(3)
        assert told() == ([b"1", b"2", b"3"], 3)


def interrupted(one: Broker) -> Callable[..., object]:
    """`_insist` of a worker whose broker is killed and started again before the first commit is asked for."""
    asked = itertools.count()

    def insist(ask: Callable[[], object], until: float) -> object:
        if next(asked) == 1:  # offsets are sent, then the commit is asked for
            one.kill()
            one.start()
        return _insist(ask, until)

    return insist


@contextmanager
def sending(
    folder: Path,
) -> Iterator[tuple[Broker, Callable[[int], None], Callable[[], tuple[list[bytes], int]]]]:
    """A broker; what sends a number, as the offset, too; what tells the numbers and the offset it has."""
    pytest.importorskip("noida_db", reason="noida-db is not installed")
    with broker(DURABLE, folder) as one:
        common, topics = {"bootstrap.servers": one.address, "log_level": 0}, Topics("back")
        settle_topics(common, topics, OF_AUDIO, 1, 1)
        send_all(one.address, topics.audio, [(b"s", b"", {})] * 3)
        consumer = Consumer(consumer_settings(common, "group"))
        consumer.assign([TopicPartition(topics.audio, 0, 0)])
        assert consumer.poll(30) is not None
        worker = Delivery(producer_settings(common, 100_000), "worker")

        def deliver(number: int) -> None:
            offsets = [TopicPartition(topics.audio, 0, number)]
            worker.send(consumer, [Outgoing(topics.events, b"s", b"%d" % number, 0)], offsets)

        def send(number: int) -> None:
            thread = threading.Thread(target=deliver, args=(number,), daemon=True)
            thread.start()
            thread.join(120)
            assert not thread.is_alive(), "the transaction does not end"

        def told() -> tuple[list[bytes], int]:
            (committed,) = consumer.committed([TopicPartition(topics.audio, 0)], 30)
            return [message.value() for message in read_topic(one.address, topics.events)], committed.offset

        yield one, send, told
        consumer.close()
