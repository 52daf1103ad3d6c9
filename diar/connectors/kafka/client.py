"""Settings of Kafka's client: ours, those of a properties file, those of the command line."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from confluent_kafka import KafkaError, KafkaException

from diar.connectors.kafka.config import BrokerConfig
from diar.connectors.kafka.errors import StreamError
from diar.errors import explain

ClientT = TypeVar("ClientT")

LOG = logging.getLogger("diar.stream")
_OURS = frozenset(  # what exactly-once delivery and order stand on
    ["enable.auto.commit", "enable.auto.offset.store", "isolation.level", "transactional.id", "group.id"]
)
_QUEUED_KILOBYTES = 32_768  # of messages that wait in the client, of all partitions


def client_settings(config: BrokerConfig) -> dict[str, Any]:
    """Return what all clients of a command have in common.

    Raises:
        StreamError: a setting that is no `key=value`, or one that is ours.
    """
    given = {**_read_properties(config.kafka_properties), **_parse(config.kafka_config, "`kafka_config`")}
    for key in given:
        if key in _OURS:
            raise StreamError(f"`kafka_config={key}=…` is decided by diar: leave it out")
    return {
        "bootstrap.servers": config.brokers,
        "client.id": "diar",
        "log_level": 2,
        "error_cb": _tell,
        **given,
    }


def open_client(kind: Callable[[dict[str, Any]], ClientT], settings: Mapping[str, Any]) -> ClientT:
    """Return a consumer, producer or administrator; raises StreamError for settings that it does not take."""
    try:
        return kind(dict(settings))
    except KafkaException as error:
        raise StreamError(f"`kafka_config`: {error.args[0].str()}") from None


def _tell(error: KafkaError) -> None:
    LOG.warning("broker: %s", error.str())


def consumer_settings(common: Mapping[str, Any], group: str) -> dict[str, Any]:
    """Return the settings of a consumer that commits by itself what it has done."""
    return {
        "auto.offset.reset": "earliest",
        "session.timeout.ms": 10_000,
        "heartbeat.interval.ms": 2_000,
        "queued.max.messages.kbytes": _QUEUED_KILOBYTES,
        "fetch.wait.max.ms": 50,
        "partition.assignment.strategy": "range",  # partition n of all topics goes to one worker
        **common,
        "group.id": group,
        "enable.auto.commit": False,
        "isolation.level": "read_committed",
    }


def producer_settings(common: Mapping[str, Any], message_bytes: int) -> dict[str, Any]:
    """Return the settings of a producer."""
    return {
        "linger.ms": 5,
        "compression.type": "lz4",
        "partitioner": "murmur2_random",  # as Java's: a key has one partition, whoever sends
        "message.max.bytes": message_bytes + 65_536,  # with headers; what is too large is refused before
        "acks": "all",
        **common,
    }


def _read_properties(path: Path | None) -> dict[str, str]:
    if path is None:
        return {}
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise StreamError(f"`kafka_properties`: {explain(error)}") from None
    wanted = [line.strip() for line in lines]
    return _parse([line for line in wanted if line and line[0] not in "#!"], f"{path}")


def _parse(pairs: Iterable[str], where: str) -> dict[str, str]:
    found = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key.strip():
            raise StreamError(f"{where}: {pair.split('=')[0]!r} is no key=value")
        found[key.strip()] = value.strip()
    return found
