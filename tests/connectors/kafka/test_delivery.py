"""Transactions of a worker whose broker goes and comes back."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import pytest
from confluent_kafka import Consumer, TopicPartition
from kafka_brokers import DURABLE, Broker, broker, read_topic, send_all

from diar.connectors.kafka.client import consumer_settings, producer_settings
from diar.connectors.kafka.delivery import Delivery
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


def test_noida_what_failed_before_its_commit_is_not_taken_for_committed(tmp_path: Path) -> None:
    """A broker may keep the offsets of a transaction that was open when it died, and not the messages."""
    with sending(tmp_path) as (one, send, told):
        send(1)
        time.sleep(3)
        send(2)
        one.kill()
        one.start()
        with mock.patch.object(Delivery, "_is_committed", return_value=True):
            send(3)
        assert told()[0][-1] == b"3"


@contextmanager
def sending(
    folder: Path,
) -> Iterator[tuple[Broker, Callable[[int], None], Callable[[], tuple[list[bytes], int]]]]:
    """A broker; what sends a number, as the offset, too; what tells the numbers and the offset it has."""
    pytest.importorskip("noida_db", reason="noida-db is not installed")
    with broker(DURABLE, folder) as one:
        common = {"bootstrap.servers": one.address, "log_level": 0, "error_cb": lambda error: None}
        topics = Topics("back")
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
