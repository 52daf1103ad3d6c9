"""Clients of `POST /v1/audio/speech` who leave, never read, or send what nobody can speak."""

import json
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from diar.service import protocol
from diar.service.security import shield
from tests.service.serving import Running, bearer, serving, token

pytest.importorskip("espeakng_loader", reason="no synthesizer: pip install espeakng-loader")
SENTENCE = "The ferry left the harbour at dawn, and the gulls followed it far out to sea."
LONG = " ".join([SENTENCE] * 12)


@pytest.fixture(scope="module")
def desk(
    live_models: Any, guarded: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    """A server with little patience."""
    folder = tmp_path_factory.mktemp("speech")
    options = {
        "voices": ("plain=espeak",),
        "audit_log": str(folder / "audit.jsonl"),
        "results_dir": folder / "results",
        "characters_per_minute": 100_000,
        "slow_seconds": 1.0,
        "idle_seconds": 1.0,
        "caller_speech": 2,
        "speech_queue": 6,
    }
    with serving(live_models, **guarded, **options) as running:
        yield running


def caller(name: str) -> dict[str, str]:
    return bearer(token(scope="speech", sub=name))


def ask(desk: Running, name: str, text: Any, **fields: Any) -> Any:
    body = {"model": "plain", "voice": "steph", "input": text, "response_format": "pcm", **fields}
    return desk.ask("/v1/audio/speech", body, **caller(name))


def connected(desk: Running, buffer: int = 0) -> socket.socket:
    host, port = desk.address.rsplit(":", 1)
    connection = socket.socket()
    connection.settimeout(60)
    if buffer:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    connection.connect((host, int(port)))
    return connection


def request(name: str, content: bytes, length: int | None = None) -> bytes:
    head = f"POST /v1/audio/speech HTTP/1.1\r\nHost: a\r\nAuthorization: {caller(name)['Authorization']}\r\n"
    return f"{head}Content-Length: {length or len(content)}\r\n\r\n".encode() + content


def body(text: str) -> bytes:
    return json.dumps({"model": "plain", "voice": "steph", "input": text, "response_format": "pcm"}).encode()


def at_work(desk: Running) -> float:
    return metric(desk, "diar_speech_active")


def metric(desk: Running, name: str) -> float:
    text = desk.ask("/metrics", **bearer(token(scope="admin"))).body.decode()
    return next(float(line.split()[1]) for line in text.splitlines() if line.startswith(f"{name} "))


def until(true: Callable[[], bool], seconds: float = 60) -> bool:
    ends = time.monotonic() + seconds
    while not true() and time.monotonic() < ends:
        time.sleep(0.05)
    return true()


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"text": "Good morning \ud83d."}, "halves of characters"),
        ({"response_format": [1]}, "is one of mp3"),
        ({"response_format": {}}, "is one of mp3"),
        ({"response_format": 0}, "is one of mp3"),
        ({"model": "x" * 65}, "'model' has at most 64"),
        ({"voice": "x" * 60_000}, "'voice' has at most 64"),
        ({"speed": float("nan")}, "speed"),
        ({"speed": 10**400}, "speed"),
    ],
)
def test_fields_that_cannot_be_used(desk: Running, fields: dict[str, Any], told: str) -> None:
    answer = ask(desk, "fields", **{"text": "Yes.", **fields})
    assert answer.status == 400 and told in answer.body.decode()
    assert len(answer.body) < 500


def test_dashes_between_sentences_are_a_pause(desk: Running) -> None:
    plain = ask(desk, "dashes", f"{SENTENCE} {SENTENCE}")
    dashed = ask(desk, "dashes", f"{SENTENCE} -------------------- . {SENTENCE}")
    assert (plain.status, dashed.status) == (200, 200)
    assert len(dashed.body) == len(plain.body)


def test_what_cannot_be_spoken_is_in_no_log(desk: Running) -> None:
    answer = ask(desk, "silent", "?! -- ?! -- ?!")
    assert answer.status == 400 and "nothing to speak" in answer.body.decode()
    assert "?! --" not in Path(desk.service.config.audit_log).read_text()


def test_a_synthesizer_that_dies_in_the_middle_is_asked_again(desk: Running) -> None:
    (engine,) = desk.service.speech._engines.values()
    whole = ask(desk, "dies", f"{SENTENCE} {SENTENCE} {SENTENCE}").body
    made = metric(desk, "diar_speech_rtf_count")
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(ask, desk, "dies", f"{SENTENCE} {SENTENCE} {SENTENCE}", speed=1.0001)
        assert until(lambda: metric(desk, "diar_speech_rtf_count") > made)
        engine._process._process._process.kill()
        assert asked.result(60).status == 200
    assert len(asked.result().body) == len(whole)


def test_a_disk_that_takes_nothing_costs_no_answer(desk: Running) -> None:
    folder = desk.service.config.results_dir / "speech"
    ask(desk, "disk", "So that there is a folder.")
    folder.rename(folder.with_name("aside"))
    folder.write_text("no folder")
    try:
        answer = ask(desk, "disk", "Nobody can keep this sentence.")
        assert answer.status == 200 and len(answer.body) > 10_000
    finally:
        folder.unlink()
        folder.with_name("aside").rename(folder)


def test_a_client_that_never_reads_is_dropped(desk: Running) -> None:
    dropped = metric(desk, "diar_slow_readers_total")
    with connected(desk, 4_096) as connection:
        connection.sendall(request("never reads", body(LONG)))
        assert until(lambda: metric(desk, "diar_slow_readers_total") > dropped)
        assert until(lambda: at_work(desk) == 0, 5)


def test_a_slow_network_is_not_taken_for_a_client_that_never_reads(desk: Running) -> None:
    whole = ask(desk, "slow", LONG).body
    with connected(desk, 65_536) as connection:
        connection.sendall(request("slow", body(LONG)))
        got, began = 0, time.monotonic()
        while got < len(whole) and (piece := connection.recv(16_384)):
            got += len(piece)
            time.sleep(len(piece) / 1e6)
    assert got >= len(whole) and time.monotonic() - began > 1.5


def test_clients_that_leave_hold_nobody_up(desk: Running) -> None:
    made = metric(desk, "diar_speech_rtf_count")
    for number in range(12):
        with connected(desk) as connection:
            connection.sendall(request(f"leaves {number}", body(f"{number}. {LONG}")))
            time.sleep(0.05)
    assert until(lambda: at_work(desk) == 0, 20)
    assert metric(desk, "diar_speech_rtf_count") - made < 12, "sentences for nobody"
    assert ask(desk, "stays", "Somebody is still here.").status == 200


def test_a_caller_has_a_share_of_the_queue(desk: Running) -> None:
    with ThreadPoolExecutor(7) as pool:
        many = [pool.submit(ask, desk, "greedy", f"{number}. {SENTENCE}") for number in range(6)]
        assert until(lambda: at_work(desk) == 2)
        assert ask(desk, "modest", "I have one sentence.").status == 200
        answers = [one.result(60) for one in many]
    assert sorted({one.status for one in answers}) == [200, 429]
    assert any("2 of your requests" in one.body.decode() for one in answers if one.status == 429)


def test_a_body_that_does_not_come_to_its_end(desk: Running) -> None:
    with connected(desk) as connection:
        connection.sendall(request("drips", b'{"input":', 1_000))
        for _ in range(8):
            time.sleep(0.25)
            connection.sendall(b" ")
        assert b" 408 " in connection.recv(4_096).split(b"\r\n")[0]


def test_a_json_body_of_any_route_has_its_time(desk: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shield, "BODY_SECONDS", 0.5)
    with connected(desk) as connection:
        connection.sendall(b"POST /v1/sessions HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n{")
        assert b" 40" in connection.recv(4_096).split(b"\r\n")[0]


def test_half_a_second_request(desk: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "PATIENCE", 0.5)
    with connected(desk) as connection:
        connection.settimeout(15)
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
        assert b"200" in connection.recv(4_096)
        connection.sendall(b"GET /health")
        while told := _received(connection):
            assert b"HTTP" not in told[:4]


def _received(connection: socket.socket) -> bytes:
    try:
        return connection.recv(4_096)
    except ConnectionResetError:
        return b""
