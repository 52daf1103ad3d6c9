"""Transactions of a worker whose broker goes and comes back."""

import threading
import time
from pathlib import Path

import pytest
from confluent_kafka import Consumer, TopicPartition
from kafka_brokers import DURABLE, broker, read_topic, send_all

from diar.connectors.kafka.client import consumer_settings, producer_settings
from diar.connectors.kafka.delivery import Delivery
from diar.connectors.kafka.messages.outgoing import Outgoing
from diar.connectors.kafka.topics import OF_AUDIO, Topics, settle_topics


def test_noida_transactions_go_on_when_the_broker_was_started_again(tmp_path: Path) -> None:
    pytest.importorskip("noida_db", reason="noida-db is not installed")
    with broker(DURABLE, tmp_path) as one:
        common, topics = {"bootstrap.servers": one.address, "log_level": 0}, Topics("back")
        settle_topics(common, topics, OF_AUDIO, 1, 1)
        send_all(one.address, topics.audio, [(b"s", b"", {})] * 3)
        consumer = Consumer(consumer_settings(common, "group"))
        consumer.assign([TopicPartition(topics.audio, 0, 0)])
        assert consumer.poll(30) is not None
        delivery = Delivery(producer_settings(common, 100_000), "worker")

        def send(number: int) -> None:
            offsets = [TopicPartition(topics.audio, 0, number)]
            delivery.send(consumer, [Outgoing(topics.events, b"s", b"%d" % number, 0)], offsets)

        send(1)
        time.sleep(3)  # it writes to disk each second
        one.kill()
        one.start()
        sending = threading.Thread(target=send, args=(2,), daemon=True)
        sending.start()
        sending.join(120)
        assert not sending.is_alive(), "the transaction does not end"
        assert [message.value() for message in read_topic(one.address, topics.events)] == [b"1", b"2"]
        (committed,) = consumer.committed([TopicPartition(topics.audio, 0)], 30)
        assert committed.offset == 2
        consumer.close()
