"""A worker from start to end: topics, clients, metrics, signals."""

from __future__ import annotations

import os
import signal
import socket
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from confluent_kafka import TopicPartition

from diar.connectors.kafka.client import client_settings, consumer_settings, producer_settings
from diar.connectors.kafka.config import WorkConfig
from diar.connectors.kafka.delivery import Delivery
from diar.connectors.kafka.errors import StreamError
from diar.connectors.kafka.intake import Intake, OnAssigned
from diar.connectors.kafka.metrics import StreamMetrics
from diar.connectors.kafka.topics import OF_AUDIO, OF_REFERENCES, Topics, settle_topics

Tell = Callable[[str], None]
_LONGEST_FETCH = 67_108_864


def run_worker(config: WorkConfig, tell: Tell) -> None:
    """Work until SIGTERM or SIGINT, then finish what was begun, and leave the group.

    Raises:
        StreamError: the broker cannot be used so, or has gone.
        DiarError: the networks cannot be opened.
    """
    common = client_settings(config)
    kinds = OF_REFERENCES if config.kind == "references" else OF_AUDIO
    count = settle_topics(common, Topics(config.topics), kinds, config.create_topics, config.replication)
    wrong = [one for one in config.partitions if one >= count]
    if wrong:
        raise StreamError(f"`partitions={wrong[0]}`: the topics have {count} partitions, counted from 0")
    metrics = StreamMetrics()
    if config.metrics_port is not None:
        port = metrics.serve(config.metrics_host, config.metrics_port)
        tell(f"metrics at http://{config.metrics_host}:{port}/metrics")
    (_references if config.kind == "references" else _audio)(config, common, metrics, tell)


def _references(config: WorkConfig, common: dict[str, Any], metrics: StreamMetrics, tell: Tell) -> None:
    from diar.connectors.kafka.references.done import Finished
    from diar.connectors.kafka.references.jobs import Setup
    from diar.connectors.kafka.references.process import Computing
    from diar.connectors.kafka.references.worker import ReferencesWorker, begin_where_committed

    topics = Topics(config.topics)
    names = ("output_dir", "model", "segmentation", "device", "precision", "asr", "threads")
    with stopping_by_signal() as stopping:
        delivery = _delivery(config, common)
        computing = Computing(Setup(**{name: getattr(config, name) for name in names}))
        finished = Finished(common, topics, config.remember)
        worker: ReferencesWorker | None = None

        def forget() -> None:
            if worker is not None:
                worker.forget()

        begin = _told(begin_where_committed(finished, forget), tell)
        intake = _intake(config, common, [topics.references, topics.retries], begin, forget)
        worker = ReferencesWorker(config, intake, delivery, computing, finished, metrics)
        intake.start()
        tell("ready")
        try:
            worker.run(stopping)
        finally:
            computing.end()
            intake.close()


def _audio(config: WorkConfig, common: dict[str, Any], metrics: StreamMetrics, tell: Tell) -> None:
    os.environ["OMP_NUM_THREADS"] = str(config.threads)  # read when PyTorch is loaded
    from diar.connectors.kafka.audio.worker import AudioWorker
    from diar.online.models import LiveModels

    with stopping_by_signal() as stopping:
        delivery = _delivery(config, common)
        models = LiveModels.open(
            config.model, config.segmentation, device=config.device, precision=config.precision
        )
        worker = AudioWorker(config, common, models, delivery, metrics)
        begin = _told(worker.take_over, tell)
        intake = _intake(config, common, [Topics(config.topics).audio], begin, worker.forget)
        worker.intake = intake
        worker.warm_up()
        intake.start()
        tell("ready")
        try:
            worker.run(stopping)
        finally:
            intake.close()
            worker.close()


def _delivery(config: WorkConfig, common: dict[str, Any]) -> Delivery:
    name = None
    if config.delivery == "exactly_once":
        name = f"{config.group_name}-{_worker_name(config)}"
    return Delivery(producer_settings(common, config.message_bytes), name)


def _worker_name(config: WorkConfig) -> str:
    """Return what the worker is called, the same when it is started again if anything says so."""
    if config.worker is not None:
        return config.worker
    if config.partitions:
        return "partitions-" + ".".join(map(str, config.partitions))
    return f"{socket.gethostname()}-{uuid.uuid4().hex[:8]}"


def _intake(
    config: WorkConfig,
    common: dict[str, Any],
    topics: list[str],
    on_assigned: OnAssigned,
    on_lost: Callable[[], None],
) -> Intake:
    settings = consumer_settings(common, config.group_name)
    return Intake(settings, topics, config.partitions, on_assigned, on_lost)


def _told(on_assigned: OnAssigned, tell: Tell) -> OnAssigned:
    """Return what does the same, and says which partitions the worker has from now on."""

    def assigned(partitions: list[TopicPartition]) -> Sequence[TopicPartition]:
        begin = on_assigned(partitions)
        numbers = sorted({one.partition for one in partitions})
        tell(f"partitions {', '.join(map(str, numbers)) or 'none'}")
        return begin

    return assigned


@contextmanager
def stopping_by_signal() -> Iterator[Callable[[], bool]]:
    """Give what tells whether SIGTERM or SIGINT came; a second one ends the process as usual."""
    came: list[int] = []
    before: dict[signal.Signals, Any] = {}

    def note(number: int, frame: object) -> None:
        came.append(number)
        for one, handler in before.items():
            signal.signal(one, handler)

    for one in (signal.SIGTERM, signal.SIGINT):
        before[one] = signal.signal(one, note)
    try:
        yield lambda: bool(came)
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
