"""Results, events and dead letters as lines."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, Consumer, KafkaException, TopicPartition

from diar.connectors.kafka.client import LOG, client_settings, consumer_settings, open_client
from diar.connectors.kafka.config import WatchConfig
from diar.connectors.kafka.errors import StreamError
from diar.connectors.kafka.messages.checking import headers_of
from diar.connectors.kafka.topics import OF_AUDIO, OF_REFERENCES, Topics, reason, settle_topics
from diar.service.terminal.display import Display, clock

_ANSWER = 30.0  # seconds for one request
_WAIT = 0.1


class Shown:
    """What was shown so far, of streams and recordings: what comes again is left out.

    Args:
        topics: their names.
        as_json: a message is one line of JSON.
    """

    def __init__(self, topics: Topics, as_json: bool) -> None:
        self._topics, self._as_json = topics, as_json
        self._displays: dict[bytes, Display] = {}
        self._seq: dict[bytes, int] = {}

    def lines(self, message: Any) -> Iterator[str]:
        """Yield what there is to show of a message."""
        topic = message.topic()
        if topic == self._topics.dead:
            yield from self._dead(message)
            return
        value = json.loads(message.value())
        if topic == self._topics.results:
            yield self._json("result", message, value) if self._as_json else _result(value)
            return
        yield from self._event(message, value)

    def _event(self, message: Any, value: dict[str, Any]) -> Iterator[str]:
        key = message.key() or b""
        if value["type"] == "session.started" and not value["restored"]:
            self._seq.pop(key, None)  # a new stream of that name
        if value["seq"] <= self._seq.get(key, 0):
            return  # sent twice: a broker without transactions
        self._seq[key] = value["seq"]
        if self._as_json:
            yield self._json("event", message, value)
        else:
            display = self._displays.setdefault(key, Display())
            for line in display.lines(value):
                yield f"{_text(key)}  {line}"
        if value["type"] == "session.ended":
            self._displays.pop(key, None)
            self._seq.pop(key, None)

    def _dead(self, message: Any) -> Iterator[str]:
        headers = headers_of(message)
        if self._as_json:
            yield self._json("dead", message, headers)
        else:
            tried = f"{headers['reason']}, {headers['attempts']} tried"
            yield f"{_text(message.key())}  DEAD ({tried}): {headers['message']}"

    def _json(self, kind: str, message: Any, value: Any) -> str:
        told = {"kind": kind, "key": _text(message.key()), "time": message.timestamp()[1] / 1000}
        return json.dumps({**told, "value": value}, ensure_ascii=False)


def watched(config: WatchConfig) -> Iterator[str]:
    """Yield lines as messages are committed, until `most` or `idle_seconds` is reached.

    Raises:
        StreamError: the broker does not answer, or topics are missing.
    """
    common, topics = client_settings(config), Topics(config.topics)
    kinds = [kind for kind in (*OF_REFERENCES, *OF_AUDIO) if kind in config.what]
    for group in (OF_REFERENCES, OF_AUDIO):
        if config.create_topics is not None:
            settle_topics(common, topics, group, config.create_topics, config.replication)
    consumer = open_client(Consumer, consumer_settings(common, "diar-watch"))
    try:
        consumer.assign(_places(consumer, [getattr(topics, kind) for kind in dict.fromkeys(kinds)], config))
        yield from _lines(consumer, Shown(topics, config.as_json), config)
    finally:
        consumer.close()


def _lines(consumer: Consumer, shown: Shown, config: WatchConfig) -> Iterator[str]:
    count, last = 0, time.monotonic()
    while config.most is None or count < config.most:
        message = consumer.poll(_WAIT)
        if message is None:
            if config.idle_seconds is not None and time.monotonic() - last > config.idle_seconds:
                return
            continue
        error = message.error()
        if error is not None:
            LOG.warning("broker: %s", error.str())
            continue
        last = time.monotonic()
        count += 1
        yield from shown.lines(message)


def _places(consumer: Consumer, names: list[str], config: WatchConfig) -> list[TopicPartition]:
    """Return all partitions of topics that are there, at their beginning or end."""
    try:
        listed = consumer.list_topics(timeout=_ANSWER).topics
    except KafkaException as error:
        raise StreamError(f"the broker does not answer: {reason(error)}; see `brokers`") from None
    found = [name for name in names if name in listed]
    if not found:
        raise StreamError(f"topics are missing: {', '.join(names)}; is `topics` the prefix of the workers?")
    offset = OFFSET_BEGINNING if config.from_start else OFFSET_END
    return [TopicPartition(name, number, offset) for name in found for number in listed[name].partitions]


def _result(value: dict[str, Any]) -> str:
    people = value.get("people", {})
    told = ", ".join(f"{name} {clock(seconds)}" for name, seconds in people.items())
    return f"{value['id']}  {clock(value['seconds']['audio'])}  {told or 'no speech'}  -> {value['document']}"


def _text(key: bytes | None) -> str:
    return (key or b"").decode(errors="backslashreplace")
