"""A worker of live audio: messages of its partitions → events, and states from which others can go on."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import numpy as np
from confluent_kafka import TopicPartition

from diar.connectors.kafka.audio.checkpoints import Checkpoint, Place, read_checkpoints
from diar.connectors.kafka.audio.samples import Form, Samples
from diar.connectors.kafka.audio.streams import LiveStream
from diar.connectors.kafka.client import LOG
from diar.connectors.kafka.config import WorkConfig
from diar.connectors.kafka.delivery import Delivery
from diar.connectors.kafka.errors import LostPartitions, PoisonError
from diar.connectors.kafka.intake import Intake
from diar.connectors.kafka.messages.checking import check, headers_of
from diar.connectors.kafka.messages.outgoing import Outgoing, dead_letter
from diar.connectors.kafka.messages.schemas import AUDIO
from diar.connectors.kafka.metrics import StreamMetrics
from diar.connectors.kafka.topics import Topics
from diar.errors import DiarError
from diar.online.engine import Engine
from diar.online.events import Event
from diar.online.models import LiveModels
from diar.online.settings import SAMPLE_RATE, LiveSettings

_MOST = 512  # messages that are taken at once
_WAIT = 0.05  # seconds for a message
_QUIET = 1.0  # seconds after which offsets are committed although there are no events

Name = tuple[int, bytes]  # partition and key


class AudioWorker:
    """One consumer and one engine.

    Args:
        config: of the command.
        settings: of clients that read states.
        models: the networks.
        delivery: where events go.
        metrics: are told of everything.

    Attributes:
        intake: where messages come from; set by whoever makes both.
    """

    intake: Intake

    def __init__(
        self,
        config: WorkConfig,
        settings: Mapping[str, Any],
        models: LiveModels,
        delivery: Delivery,
        metrics: StreamMetrics,
    ) -> None:
        self._config, self._settings, self._topics = config, settings, Topics(config.topics)
        self._engine = Engine(models, LiveSettings(hop=config.hop))
        self._delivery, self._metrics = delivery, metrics
        self._streams: dict[Name, LiveStream] = {}
        self._committed: dict[int, int] = {}  # by partition: what was done when it was taken over
        self._next: dict[int, int] = {}  # by partition: the first message that is not done
        self._pending: list[Outgoing] = []
        self._arrived: list[float] = []  # of the messages whose events wait
        self._told: set[Name] = set()  # streams of which something waits to be sent
        self._sent_at = time.monotonic()

    def warm_up(self) -> None:
        """Let the networks compute once, before the first stream waits for them."""
        noise = 0.01 * np.random.default_rng(0).standard_normal(3 * SAMPLE_RATE).astype(np.float32)
        self._engine.open("warm-up").feed(noise)
        self._engine.drop("warm-up")

    def take_over(self, partitions: list[TopicPartition]) -> Sequence[TopicPartition]:
        """Let the streams of partitions go on; return where to begin to read."""
        self.forget()
        for one in partitions:
            if one.offset >= 0:
                self._committed[one.partition] = self._next[one.partition] = one.offset
            for key, saved in read_checkpoints(self._settings, self._topics.state, one.partition).items():
                self._go_on((one.partition, key), saved)
                one.offset = min(one.offset, saved.offset) if one.offset >= 0 else saved.offset
        return partitions

    def forget(self) -> None:
        """Drop everything: somebody else has the partitions."""
        for name in self._streams:
            self._engine.drop(name)
        self._streams, self._committed, self._next = {}, {}, {}
        self._pending, self._arrived, self._told = [], [], set()

    def run(self, stopping: Callable[[], bool]) -> None:
        """Work until `stopping`; then save all streams, so that others go on at once."""
        while not stopping():
            self.step()
        for name in self._streams:
            self._save(name)
        self._send()

    def step(self) -> None:
        """Take what has come; send what follows from it."""
        messages = self.intake.take(_MOST, _WAIT)
        self._hear(messages)
        self._end_idle()
        for name, stream in self._streams.items():
            if self._is_due(name, stream):
                self._save(name)
        waited = time.monotonic() - self._sent_at
        if self._pending or (waited > _QUIET and messages):
            self._send()
        self._metrics.streams.set(len(self._streams))
        self._metrics.look(self.intake)

    def close(self) -> None:
        """End the engine's thread."""
        self._engine.shut_down()

    def _hear(self, messages: Sequence[Any]) -> None:
        """Feed the streams of messages, up to the end of each that ends."""
        for message in messages:
            name = message.partition(), message.key() or b""
            before = self._streams.get(name)
            if before is not None and before.ended:
                self._feed()
            self._take(name, message)
            self._next[message.partition()] = max(
                self._next.get(message.partition(), 0), message.offset() + 1
            )
        self._feed()

    def _take(self, name: Name, message: Any) -> None:
        try:
            headers = headers_of(message)
            check(headers, AUDIO)
            form, sequence = Form.of(headers), int(headers["sequence"])
            data, end = message.value() or b"", headers.get("end") == "true"
            stream = self._streams.get(name) or self._begin(name, form, sequence, message, bool(data))
            if stream is None or message.offset() < stream.begin:
                return
            if stream.replaying and message.offset() >= self._committed.get(name[0], 0):
                self._feed()
                self._catch_up(name, stream)
            lost = stream.lost
            stream.take(sequence, form, data, end)
            stream.arrived = message.timestamp()[1] / 1000
            self._metrics.lost_messages.inc(stream.lost - lost)
        except PoisonError as error:
            self._refuse(message, error)

    def _refuse(self, message: Any, error: PoisonError) -> None:
        if message.offset() >= self._committed.get(
            message.partition(), 0
        ):  # else it is a dead letter already
            self._pending.append(self._dead(message, error))
            self._metrics.dead.labels(error.reason).inc()

    def _dead(self, message: Any, error: PoisonError) -> Outgoing:
        most = self._config.message_bytes
        return dead_letter(self._topics.dead, message, error.reason, str(error), 1, most)

    def _begin(self, name: Name, form: Form, sequence: int, message: Any, audible: bool) -> LiveStream | None:
        """Begin a stream; None for what comes after the end of one, or was over before."""
        if not audible or message.offset() < self._committed.get(name[0], 0):
            return None
        stream = LiveStream(Place(self._topics.state, *name), Samples(form), sequence, message.offset())
        self._engine.open(name)
        self._streams[name] = stream
        self._pending += stream.checkpoint(None, message.offset())
        return stream

    def _go_on(self, name: Name, saved: Checkpoint) -> None:
        stream = LiveStream.of(Place(self._topics.state, *name), saved)
        self._streams[name] = stream
        self._metrics.resumed.inc()
        if not saved.state:
            self._engine.open(name)
            return
        try:
            chunks = saved.chunks.values()
            opened = self._engine.open(name, state=saved.state, chunks=chunks, unnoticed=True)
            stream.saved_at = opened.time
        except DiarError as error:  # of another version, or of other models
            LOG.warning("a stream begins anew: %s", error)
            self._engine.open(name).skip_to(stream.told)

    def _catch_up(self, name: Name, stream: LiveStream) -> None:
        """Note that a stream has heard again what was heard before it came to this worker."""
        stream.replaying = False
        told, now = stream.told, self._engine[name].seq
        if told == now or self._config.delivery == "at_least_once":
            return
        LOG.warning("a stream goes on a little otherwise: events up to %d were sent, %d were made", told, now)
        self._engine[name].skip_to(told + 1)  # a number is left out, so that whoever listens notices

    def _feed(self) -> None:
        waiting: dict[Hashable, np.ndarray] = {
            name: stream.taken() for name, stream in self._streams.items() if stream.waiting
        }
        for name, events in self._engine.feed(waiting).items() if waiting else ():
            self._metrics.audio_seconds.inc(len(waiting[name]) / SAMPLE_RATE)
            self._tell(name, events)  # type: ignore[arg-type]
        for name in [name for name, stream in self._streams.items() if stream.ended]:
            self._end(name)

    def _tell(self, name: Name, events: Sequence[Event]) -> None:
        stream = self._streams[name]
        if not events or stream.replaying:
            return
        self._pending += stream.events(self._topics.events, events)
        self._arrived.append(stream.arrived)
        stream.told = events[-1].seq
        self._told.add(name)
        for event in events:
            self._metrics.events.labels(event.type).inc()

    def _end(self, name: Name) -> None:
        """Finish a stream, and forget it."""
        stream = self._streams[name]
        self._tell(name, self._engine.close(name))
        self._pending += stream.forgotten()
        del self._streams[name]

    def _end_idle(self) -> None:
        limit = time.monotonic() - self._config.idle_seconds
        for name in [name for name, stream in self._streams.items() if stream.heard_at < limit]:
            stream = self._streams[name]
            if stream.replaying:
                self._catch_up(name, stream)
            stream.waiting.append(stream.samples.finish())
            stream.ended = True
        self._feed()

    def _is_due(self, name: Name, stream: LiveStream) -> bool:
        since = self._engine[name].time - (stream.saved_at or 0.0)
        return not stream.replaying and since >= self._config.checkpoint_seconds

    def _save(self, name: Name) -> None:
        if not self._streams[name].replaying and name[0] in self._next:
            self._pending += self._streams[name].checkpoint(self._engine[name], self._next[name[0]])

    def _send(self) -> None:
        """Send what waits, with the offsets of what was heard."""
        streams = [self._streams[name] for name in self._told if name in self._streams]
        told = [stream.place.of_told(stream.told) for stream in streams]
        offsets = [
            TopicPartition(self._topics.audio, partition, max(offset, self._committed.get(partition, 0)))
            for partition, offset in self._next.items()
        ]
        began = time.monotonic()
        try:
            self._delivery.send(self.intake.consumer, [*self._pending, *told], offsets)
        except LostPartitions as error:
            LOG.warning("events are left to another worker: %s", error)
            self.forget()
            self.intake.rewind()
            return
        self._metrics.commit_seconds.observe(time.monotonic() - began)
        now = time.time()
        for arrived in self._arrived:
            self._metrics.event_delay.observe(max(0.0, now - arrived))
        self._pending, self._arrived, self._told = [], [], set()
        self._sent_at = time.monotonic()
