"""`diar stream work audio` against real brokers: order, restarts, poison."""

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile as sf
from kafka_brokers import Broker, read_topic, send_all, start_stream, stop, wait_ready, wait_told

from diar.connectors.kafka.messages.checking import headers_of
from diar.connectors.kafka.messages.outgoing import audio_headers
from tests.commands import RATE

FORM = {"format": "pcm_s16le", "rate": RATE, "channels": 1}
BLOCK = 1024


def messages(name: str, samples: np.ndarray, first: int = 0, end: bool = True) -> list[Any]:
    data = (32_767 * np.clip(samples, -1, 1)).astype("<i2").tobytes()
    blocks = [data[place : place + 2 * BLOCK] for place in range(0, len(data), 2 * BLOCK)]
    made = [(name.encode(), block, audio_headers(FORM, number)) for number, block in enumerate(blocks, first)]
    last = first + len(made)
    return [*made, *([(name.encode(), b"", audio_headers(FORM, last, end=True))] if end else [])]


def events(broker: Broker, topic: str, ended: int, seconds: float = 600) -> dict[str, list[dict[str, Any]]]:
    """The events of each stream, once so many have ended."""
    until = time.monotonic() + seconds
    while True:
        found: dict[str, list[dict[str, Any]]] = {}
        for message in read_topic(broker.address, topic):
            found.setdefault(message.key().decode(), []).append(json.loads(message.value()))
        if sum(own[-1]["type"] == "session.ended" for own in found.values()) >= ended:
            return found
        assert time.monotonic() < until, {name: len(own) for name, own in found.items()}
        time.sleep(0.3)


def wait_for_events(broker: Broker, topic: str, count: int) -> None:
    until = time.monotonic() + 600
    while len(read_topic(broker.address, topic)) < count:
        assert time.monotonic() < until
        time.sleep(0.2)


def test_noida_a_stream_goes_on_after_kill_9_as_if_nothing_had_happened(
    noida: Broker, conversation: np.ndarray, tiny_model_dir: Path, segmentation_dir: Path, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    models = ("--model", tiny_model_dir, "--segmentation", segmentation_dir, "--device", "cpu")
    where = ("--brokers", noida.address, "--topics", "live", "--partitions", "0,1", "--create_topics", 2)
    options = ("audio", *where, *models, "--checkpoint_seconds", 3)
    worker = start_stream("work", *options, log=log)
    try:
        wait_ready(worker, log)
        talk = conversation[: 30 * RATE]
        half = 16 * RATE // BLOCK * BLOCK
        for name in ("whole", "cut"):
            send_all(noida.address, "live.audio", messages(name, talk[:half], end=False))
        odd = audio_headers({**FORM, "rate": 4000}, 5)
        send_all(noida.address, "live.audio", [(b"cut", b"\0\0", odd), (b"cut", b"\0\0", {"a": "b"})])
        wait_for_events(noida, "live.events", 40)
        worker.kill()
        worker.wait()
        again = messages("cut", talk[half - 5 * BLOCK : half], half // BLOCK - 5, end=False)  # sent twice
        send_all(noida.address, "live.audio", again)
        worker = start_stream("work", *options, log=log)
        for name in ("whole", "cut"):
            send_all(noida.address, "live.audio", messages(name, talk[half:], half // BLOCK))
        found = events(noida, "live.events", 2)
        assert stop(worker) == 0, log.read_text()
    finally:
        worker.kill()
    for own in found.values():
        assert [event["seq"] for event in own] == list(range(1, len(own) + 1))
        assert [event["type"] for event in own].count("session.started") == 1
    assert found["cut"] == found["whole"]
    assert found["whole"] == alone(talk, tiny_model_dir, segmentation_dir)
    dead = [headers_of(message)["reason"] for message in read_topic(noida.address, "live.dead")]
    assert dead == ["schema", "schema"]
    state = {message.key(): message.value() for message in read_topic(noida.address, "live.state")}
    assert set(state.values()) == {None}  # streams that have ended are forgotten


def alone(samples: np.ndarray, model: Path, segmentation: Path) -> list[dict[str, Any]]:
    """What a stream of this process tells of the same samples, as they are sent."""
    from diar.online.models import LiveModels
    from diar.online.stream import Stream

    sent = (32_767 * np.clip(samples, -1, 1)).astype("<i2").astype(np.float32) / 32_768
    stream = Stream(LiveModels.open(str(model), str(segmentation), device="cpu"))
    return [json.loads(event.to_json()) for event in [*stream.feed(sent), *stream.finish()]]


def by_three_workers(
    broker: Broker, talk: np.ndarray, folder: Path, *options: object
) -> list[dict[str, Any]]:
    """The events of a stream whose first worker is killed, whose second is asked to leave at a third."""
    logs = [folder / name for name in ("killed", "leaves", "last")]
    third = len(talk) // 3 // BLOCK * BLOCK
    cuts = [(0, third), (third, 2 * third), (2 * third, len(talk))]
    workers: list[Any] = []
    try:
        for (first, last), log in zip(cuts, logs, strict=True):
            if "--partitions" in map(str, options) and workers:
                leave(workers[-1], kill=len(workers) == 1)  # these workers cannot be there together
            workers.append(start_stream("work", "audio", "--brokers", broker.address, *options, log=log))
            wait_told(workers[-1], log, "partitions ")
            if len(workers) > 1:
                leave(workers[-2], kill=len(workers) == 2)
            before = len(read_topic(broker.address, "moves.events"))
            part = messages("s", talk[first:last], first // BLOCK, end=last == len(talk))
            send_all(broker.address, "moves.audio", part)
            wait_for_events(broker, "moves.events", before + 5)
        found = events(broker, "moves.events", 1)["s"]
        leave(workers[-1])
        return found
    finally:
        for worker in workers:
            worker.kill()


def leave(worker: Any, kill: bool = False) -> None:
    if kill:
        worker.kill()
        worker.wait()
    elif worker.poll() is None:
        assert stop(worker) == 0


@pytest.mark.slow
def test_tansu_a_stream_goes_over_two_workers_to_a_third(
    tansu: Broker, conversation: np.ndarray, tiny_model_dir: Path, segmentation_dir: Path, tmp_path: Path
) -> None:
    """Of one group, one worker dies: a rebalance. One leaves by SIGTERM, and saves its streams."""
    models = ("--model", tiny_model_dir, "--segmentation", segmentation_dir, "--device", "cpu")
    group = ("--delivery", "at_least_once", "--kafka_config", "session.timeout.ms=6000")
    talk = conversation[: 24 * RATE]
    found = by_three_workers(
        tansu, talk, tmp_path, "--topics", "moves", "--create_topics", 1, *models, *group
    )
    once = list({event["seq"]: event for event in found}.values())
    assert once == alone(talk, tiny_model_dir, segmentation_dir)


@pytest.mark.slow
def test_noida_a_stream_goes_over_two_workers_to_a_third_once(
    noida: Broker, conversation: np.ndarray, tiny_model_dir: Path, segmentation_dir: Path, tmp_path: Path
) -> None:
    """The same with transactions: a reader of committed messages sees each event once, in order."""
    models = ("--model", tiny_model_dir, "--segmentation", segmentation_dir, "--device", "cpu")
    place = ("--topics", "moves", "--create_topics", 1, "--partitions", 0)
    talk = conversation[: 24 * RATE]
    found = by_three_workers(noida, talk, tmp_path, *place, *models)
    assert found == alone(talk, tiny_model_dir, segmentation_dir)


def test_noida_a_file_of_another_rate_is_played_and_watched(
    noida: Broker, conversation: np.ndarray, tiny_model_dir: Path, segmentation_dir: Path, tmp_path: Path
) -> None:
    log, shown, file = tmp_path / "log", tmp_path / "shown", tmp_path / "phone.wav"
    sf.write(file, conversation[: 6 * RATE : 2], RATE // 2)
    models = ("--model", tiny_model_dir, "--segmentation", segmentation_dir, "--device", "cpu")
    where = ("--brokers", noida.address, "--topics", "play", "--create_topics", 1)
    worker = start_stream("work", "audio", *where, *models, "--partitions", 0, log=log)
    watch = start_stream("watch", *where, "--what", "events", "--from_start", "--idle_seconds", 30, log=shown)
    try:
        wait_ready(worker, log)
        began = time.monotonic()
        played = start_stream("produce", file, "--live", "--pace", 4, "--stream", "phone", *where, log=log)
        assert played.wait(120) == 0 and time.monotonic() - began > 1.5
        found = events(noida, "play.events", 1)["phone"]
        assert abs(found[-1]["duration"] - 6) < 0.01
        assert watch.wait(120) == 0
        assert stop(worker) == 0, log.read_text()
    finally:
        worker.kill()
        watch.kill()
    assert "phone  " in shown.read_text() and "speaker 1" in shown.read_text()
