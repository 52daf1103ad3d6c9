"""Sending recordings by reference, or audio as it is spoken."""

from __future__ import annotations

import itertools
import json
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer

from diar import storage
from diar.archive.listing import list_recordings
from diar.connectors.kafka.client import client_settings, open_client, producer_settings
from diar.connectors.kafka.config import STDIN, ProduceConfig
from diar.connectors.kafka.errors import PoisonError, StreamError
from diar.connectors.kafka.messages.outgoing import Outgoing, audio_headers
from diar.connectors.kafka.messages.reference import Reference, parse_reference
from diar.connectors.kafka.messages.schemas import REFERENCE
from diar.connectors.kafka.topics import OF_AUDIO, OF_REFERENCES, Topics, settle_topics
from diar.service.terminal.source import as_pcm, read_file

Tell = Callable[[str], None]
_GOODBYE = 60.0  # seconds for the last messages to be sent
_STEP = 0.2
_OPTIONS = ("num_speakers", "max_speakers", "preset", "language")


class Sender:
    """Sends messages; knows how large they may be.

    Args:
        settings: of the producer.
        most: bytes of a message.
    """

    def __init__(self, settings: Mapping[str, Any], most: int) -> None:
        self._producer = open_client(Producer, {**settings, "enable.idempotence": True})
        self._most, self._failed = most, list[KafkaError]()

    def send(self, message: Outgoing, advice: str) -> None:
        """Send a message.

        Raises:
            StreamError: it is too large, with advice, or an earlier one could not be sent.
        """
        size = len(message.value or b"")
        if size > self._most:
            raise StreamError(
                f"a message of {size:,} bytes is larger than the broker takes "
                f"(`message_bytes={self._most}`): {advice}"
            )
        while True:
            try:
                headers: list[tuple[str, str | bytes | None]] = list(message.headers.items())
                self._producer.produce(
                    message.topic, message.value, message.key, headers=headers, on_delivery=self._delivered
                )
                break
            except BufferError:
                self._producer.poll(_STEP)
        self._producer.poll(0)
        self._raise_failed()

    def finish(self) -> None:
        """Wait until the broker has all messages; raises StreamError if it does not take them."""
        left = self._producer.flush(_GOODBYE)
        self._raise_failed()
        if left:
            raise StreamError(f"{left:,} messages were not taken by the broker within {_GOODBYE:.0f} s")

    def _delivered(self, error: KafkaError | None, message: Any) -> None:
        if error is not None:
            self._failed.append(error)

    def _raise_failed(self) -> None:
        if self._failed:
            raise StreamError(f"the broker did not take a message: {self._failed[0].str()}")


def send_references(config: ProduceConfig, tell: Tell) -> None:
    """Send a reference for each recording.

    Raises:
        DiarError: there is none, one is wrong, or the broker does not take them.
    """
    sender, topics = _open(config, OF_REFERENCES)
    count = 0
    for reference in _references(config):
        message = Outgoing(topics.references, reference.id.encode(), reference.to_bytes())
        sender.send(message, "leave out what is not needed of it")
        count += 1
    sender.finish()
    tell(f"{count:,} references sent to {topics.references}")


def _open(config: ProduceConfig, kinds: tuple[str, ...]) -> tuple[Sender, Topics]:
    common, topics = client_settings(config), Topics(config.topics)
    needed = kinds[:1] if config.create_topics is None else kinds
    settle_topics(common, topics, needed, config.create_topics, config.replication)
    try:
        return Sender(producer_settings(common, config.message_bytes), config.message_bytes), topics
    except KafkaException as error:
        raise StreamError(f"`kafka_config`: {error.args[0].str()}") from None


def _references(config: ProduceConfig) -> Iterator[Reference]:
    given = {name: getattr(config, name) for name in _OPTIONS if getattr(config, name) is not None}
    if given.get("preset") == "auto":
        del given["preset"]
    if config.words:
        given["words"] = True
    if config.audio == STDIN:
        yield from _from_stdin(given, config.revision)
        return
    for recording in list_recordings(config.audio).recordings:
        url = recording.url
        path = storage.local_path(url)
        audio = url if path is None else storage.absolute(path)
        yield _checked(Reference(recording.recording_id, audio, config.revision, given), recording.url)


def _from_stdin(given: Mapping[str, Any], revision: str | None) -> Iterator[Reference]:
    for number, line in enumerate(sys.stdin.buffer, 1):
        if not line.strip():
            continue
        where = f"line {number} of stdin"
        try:
            fields = {**given, "revision": revision, **json.loads(line)}
            fields.pop("schema", None)
            reference = Reference(fields.pop("id"), fields.pop("audio"), fields.pop("revision"), fields)
        except (ValueError, TypeError, KeyError) as error:
            raise StreamError(f"{where} is no reference: {error}") from None
        yield _checked(reference, where)


def _checked(reference: Reference, where: str) -> Reference:
    """Refuse what a worker would; raises StreamError."""
    try:
        return parse_reference(str(reference.id).encode(), reference.to_bytes(), ())
    except PoisonError as error:
        raise StreamError(f"{where}: {str(error).removeprefix(REFERENCE)}") from None


def send_live(config: ProduceConfig, tell: Tell) -> None:
    """Send a file at the pace of a clock, or stdin as it comes, as one stream.

    Raises:
        DiarError: it cannot be read, or the broker does not take it.
    """
    sender, topics = _open(config, OF_AUDIO)
    form, blocks = _blocks(config)
    name = config.stream or f"{Path(config.audio).stem if config.audio != STDIN else 'stdin'}-{_number()}"
    tell(f"stream {name}")
    advice = "send smaller blocks (`block`), or a reference to the recording"
    sequence = 0
    for sequence, data in enumerate(itertools.chain(blocks, [b""])):
        message = Outgoing(
            topics.audio, name.encode(), data, headers=audio_headers(form, sequence, end=not data)
        )
        sender.send(message, advice)
    sender.finish()
    tell(f"{sequence:,} messages sent to {topics.audio}")


def _number() -> str:
    return uuid.uuid4().hex[:8]


def _blocks(config: ProduceConfig) -> tuple[dict[str, Any], Iterator[bytes]]:
    """Return the form of the samples, and blocks of them as their time comes."""
    if config.audio == STDIN:
        form = {"format": "pcm_s16le", "rate": config.sample_rate, "channels": config.channels}
        return form, _from_pipe(2 * config.channels, config.block)
    samples, rate = read_file(config.audio)
    form = {"format": "pcm_s16le", "rate": rate, "channels": 1}
    return form, _paced(as_pcm(samples), rate, config)


def _from_pipe(frame_bytes: int, block: int) -> Iterator[bytes]:
    while data := sys.stdin.buffer.read(block * frame_bytes):
        whole = len(data) - len(data) % frame_bytes
        if whole:
            yield data[:whole]


def _paced(data: bytes, rate: int, config: ProduceConfig) -> Iterator[bytes]:
    began, size = time.monotonic(), 2 * config.block
    for place in range(0, len(data), size):
        block = data[place : place + size]
        if config.pace:
            due = began + (place + len(block)) / 2 / rate / config.pace
            time.sleep(max(0.0, due - time.monotonic()))
        yield block
