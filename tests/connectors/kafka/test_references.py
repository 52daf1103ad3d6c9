"""`diar stream produce`, `work references` and `watch` against real brokers."""

import json
import time
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from jsonschema import validate
from kafka_brokers import Broker, read_topic, send_all, start_stream, stop, wait_ready

from diar.connectors.kafka.messages.checking import check, headers_of
from diar.connectors.kafka.messages.schemas import DEAD, DONE, REFERENCE, RESULT
from diar.store.layout import Layout
from diar.store.mirrored import read_mirrored
from tests.commands import ROOT, run_module
from tests.conftest import named_weights


def stream(command: str, broker: Broker, topics: str, *arguments: object) -> Any:
    return run_module("diar", "stream", command, "--brokers", broker.address, "--topics", topics, *arguments)


def wait_for(broker: Broker, topic: str, count: int, seconds: float = 600) -> list[Any]:
    until = time.monotonic() + seconds
    while len(found := read_topic(broker.address, topic)) < count:
        assert time.monotonic() < until, f"{len(found)} of {count} messages"
        time.sleep(0.3)
    return found


def reference(name: str, audio: object, **more: object) -> tuple[bytes, bytes, dict[str, str]]:
    value = {"schema": REFERENCE, "id": name, "audio": str(audio), **more}
    return name.encode(), json.dumps(value).encode(), {}


def test_noida_recordings_become_results_once(
    noida: Broker, calls: Path, tiny_model_dir: Path, segmentation_dir: Path, tmp_path: Path
) -> None:
    out, log = tmp_path / "out", tmp_path / "log"
    made = stream("produce", noida, "once", calls, "--create_topics", 2, "--num_speakers", 2)
    assert made.returncode == 0 and "4 references sent to once.references" in made.stderr, made.stderr
    send_all(
        noida.address,
        "once.references",
        [
            *[reference("call0.wav", calls / "call0.wav", num_speakers=2)] * 3,  # copies
            reference("gone.wav", calls / "gone.wav"),  # fails each time
            (b"odd", b"not JSON", {}),
            reference("odd", calls / "call0.wav", colour="red"),
            (b"other key", *reference("call1.wav", calls / "call1.wav")[1:]),
        ],
    )
    options = ("--brokers", noida.address, "--topics", "once", "--output_dir", out, "--partitions", "0,1")
    models = ("--model", tiny_model_dir, "--segmentation", segmentation_dir, "--device", "cpu")
    start = ("references", *options, *models, "--backoff", "0.1", "--metrics_port", "0")
    worker = start_stream("work", *start, log=log)
    try:
        dead = wait_for(noida, "once.dead", 4)
        results = wait_for(noida, "once.results", 4)
        send_all(
            noida.address, "once.references", [reference("call2.wav", calls / "call2.wav", num_speakers=2)]
        )
        send_all(
            noida.address, "once.references", [reference("call3.wav", calls / "call3.wav", num_speakers=1)]
        )
        results = wait_for(noida, "once.results", 5)  # the same with other options is another result
        assert stop(worker) == 0, log.read_text()
    finally:
        worker.kill()
    for message in results:
        value = json.loads(message.value())
        check(value, RESULT)
        assert message.key().decode() == value["id"] == value["turns"]["recording_id"]
        assert json.loads(Path(value["document"]).read_text())["id"] == value["id"]
        stored = read_mirrored(Layout(str(out)), value["id"])
        assert stored.metadata["model"] == value["versions"]["models"]["model"]
    assert sorted(message.key().decode() for message in results) == [
        *("call0.wav", "call1.wav", "call2.wav", "call3.wav", "call3.wav")
    ]
    headers = sorted((headers_of(message) for message in dead), key=lambda found: found["reason"])
    for found in headers:
        check(found, DEAD)
    assert [found["reason"] for found in headers] == ["missing", "schema", "schema", "schema"]
    assert [found["attempts"] for found in headers] == ["3", "1", "1", "1"]
    assert {message.value() for message in dead} >= {b"not JSON"}  # the original
    for message in read_topic(noida.address, "once.done"):
        check(json.loads(message.value()), DONE)
    assert len(read_topic(noida.address, "once.retries")) == 2
    watched = stream(
        "watch", noida, "once", "--what", "results,dead", "--from_start", "--idle_seconds", 5, "--most", 9
    )
    assert watched.returncode == 0 and watched.stdout.count("DEAD") == 4, watched.stderr
    assert "gone.wav  DEAD (missing, 3 tried)" in watched.stdout and "-> " in watched.stdout


def test_noida_what_was_published_is_sent_and_not_computed_again(
    noida: Broker, calls: Path, tiny_model_dir: Path, segmentation_dir: Path, tmp_path: Path
) -> None:
    """The worker died after it had published, before it could commit."""
    out, log = tmp_path / "out", tmp_path / "log"
    models = ("--model", tiny_model_dir, "--segmentation", segmentation_dir, "--device", "cpu")

    def work(topics: str) -> Any:
        assert stream("produce", noida, topics, calls / "call0.wav", "--create_topics", 1).returncode == 0
        options = ("--brokers", noida.address, "--topics", topics, "--output_dir", out, "--partitions", "0")
        worker = start_stream("work", "references", *options, *models, log=log)
        try:
            (found,) = wait_for(noida, f"{topics}.results", 1)
            assert stop(worker) == 0, log.read_text()
        finally:
            worker.kill()
        return found

    first = work("before")
    written = {path: path.stat().st_mtime_ns for path in out.iterdir()}
    again = work("after")
    assert again.value() == first.value()
    assert {path: path.stat().st_mtime_ns for path in out.iterdir()} == written


@pytest.mark.slow
@pytest.mark.skipif(find_spec("faster_whisper") is None, reason="words need faster-whisper (diar[words])")
def test_noida_words_are_heard_by_workers_that_have_a_recogniser(
    noida: Broker, calls: Path, tiny_model_dir: Path, segmentation_dir: Path, tmp_path: Path
) -> None:
    """Without one, references that ask for words are dead letters; others are done."""
    log, asr = tmp_path / "log", named_weights("whisper-tiny.en")
    models = ("--model", tiny_model_dir, "--segmentation", segmentation_dir, "--device", "cpu")
    where = ("--brokers", noida.address, "--topics", "said", "--output_dir", tmp_path / "out")
    call = "references", *where, "--partitions", 0, *models
    assert stream("produce", noida, "said", calls / "call0.wav", "--create_topics", 1).returncode == 0

    def work(topic: str, name: str, options: Sequence[object], **asked: object) -> list[Any]:
        """Ask for one recording; all messages of a topic once it has one more."""
        before = len(read_topic(noida.address, topic))
        send_all(noida.address, "said.references", [reference(name, calls / "call1.wav", **asked)])
        worker = start_stream("work", *call, *options, log=log)
        try:
            found = wait_for(noida, topic, before + 1)
            assert stop(worker) == 0, log.read_text()
        finally:
            worker.kill()
        return found

    (dead,) = work("said.dead", "said.wav", (), words=True)
    told = headers_of(dead)
    assert (told["reason"], told["attempts"]) == ("words", "1") and "without `asr`" in told["message"]
    plain, heard = work("said.results", "said.wav", ("--asr", asr), words=True, language="en")
    assert plain.key() == b"call0.wav" and "words" not in json.loads(plain.value())
    value = json.loads(heard.value())
    check(value, RESULT)
    validate(value["words"], json.loads((ROOT / "docs/words-schema.json").read_text()))
    assert value["words"]["recording_id"] == "said.wav" and len(value["words"]["words"]) > 2
    assert {word["speaker"] for word in value["words"]["words"]} <= {*value["people"], None}
    assert value["versions"]["recogniser"]["model"] == asr.name
    assert json.loads(Path(value["document"]).read_text()) == value


def test_tansu_a_dead_worker_s_references_go_to_the_other(
    tansu: Broker, calls: Path, tiny_model_dir: Path, segmentation_dir: Path, tmp_path: Path
) -> None:
    options = ("--brokers", tansu.address, "--topics", "dies", "--output_dir", tmp_path / "out")
    models = ("--model", tiny_model_dir, "--segmentation", segmentation_dir, "--device", "cpu")
    group = ("--delivery", "at_least_once", "--kafka_config", "session.timeout.ms=6000")
    logs = [tmp_path / "a", tmp_path / "b"]
    assert stream("produce", tansu, "dies", calls / "call0.wav", "--create_topics", 2).returncode == 0
    workers = [start_stream("work", "references", *options, *models, *group, log=log) for log in logs]
    try:
        for worker, log in zip(workers, logs, strict=True):
            wait_ready(worker, log)
        workers[0].kill()
        assert stream("produce", tansu, "dies", calls).returncode == 0
        found = wait_for(tansu, "dies.results", 4)
        assert {message.key().decode() for message in found} == {f"call{number}.wav" for number in range(4)}
        assert stop(workers[1]) == 0, logs[1].read_text()
    finally:
        for worker in workers:
            worker.kill()


def test_noida_large_messages_and_misfits_are_refused_with_advice(
    noida: Broker, calls: Path, tmp_path: Path
) -> None:
    sent = stream("produce", noida, "large", calls / "call0.wav", "--live", "--create_topics", 1,
                  "--block", 48_000, "--message_bytes", 50_000)  # fmt: skip
    assert sent.returncode == 2
    assert "a message of 96,000 bytes is larger than the broker takes (--message_bytes 50000)" in sent.stderr
    assert "send smaller blocks (--block), or a reference" in sent.stderr
    missing = stream("work", noida, "nothing", "audio")
    assert missing.returncode == 2 and "give --create_topics PARTITIONS" in missing.stderr
    ours = stream("watch", noida, "large", "--kafka_config", "enable.auto.commit=true")
    assert ours.returncode == 2 and "is decided by diar: leave it out" in ours.stderr
    properties = tmp_path / "broker.properties"
    properties.write_text("# TLS\nsecurity.protocol=SSL\nssl.ca.location=/nowhere.pem\n")
    wrong = stream("produce", noida, "large", calls, "--kafka_properties", properties)
    assert wrong.returncode == 2 and "ssl.ca.location" in wrong.stderr, wrong.stderr


@pytest.mark.parametrize("line", ["{}", "[]", '{"id": "../a", "audio": "b"}', '{"id": "a", "audio": 3}'])
def test_noida_a_wrong_reference_is_refused_before_it_is_sent(noida: Broker, calls: Path, line: str) -> None:
    from io import BytesIO, TextIOWrapper
    from unittest import mock

    from diar.connectors.kafka.command import produce

    with mock.patch("sys.stdin", TextIOWrapper(BytesIO(line.encode()))):
        arguments = ["-", "--brokers", noida.address, "--topics", "wrong", "--create_topics", "1"]
        assert produce(arguments) == 2
    assert not read_topic(noida.address, "wrong.references")
