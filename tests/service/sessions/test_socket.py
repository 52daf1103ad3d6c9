"""A session over a WebSocket: from the first message to the last event, lost connections, and bad clients."""

import json
import time
from contextlib import ExitStack
from typing import Any

import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection

from tests.commands import RATE
from tests.service.serving import Running, bearer, blocks, closed, events_until, pcm, token


def start(**fields: object) -> str:
    return json.dumps({"type": "start", **fields})


def test_a_conversation_from_the_first_message_to_the_last_event(server: Running, talk: np.ndarray) -> None:
    with server.socket() as socket:
        socket.send(start(max_speakers=4))
        (snapshot,) = events_until(socket, "snapshot")
        assert (snapshot["next_seq"], snapshot["turns"], snapshot["ended"]) == (1, [], False)
        for block in blocks(talk):
            socket.send(block)
        socket.send(json.dumps({"type": "KeepAlive"}))
        socket.send(json.dumps({"type": "Finalize"}))
        heard = events_until(socket, "turn.final")
        socket.send(json.dumps({"type": "Rename", "speaker": "1", "name": " Anna "}))
        named = events_until(socket, "speaker.named")
        assert (named[-1]["speaker"], named[-1]["name"]) == ("1", "Anna")
        socket.send(json.dumps({"type": "Snapshot"}))
        now = events_until(socket, "snapshot")[-1]
        assert now["names"] == {"1": "Anna"} and now["received_seconds"] == pytest.approx(12)
        assert now["turns"] and all(turn["final"] for turn in now["turns"])
        socket.send(json.dumps({"type": "CloseStream"}))
        rest = events_until(socket, "session.ended")
        assert closed(socket) == (1000, "the session has ended")
    events = [event for event in [*heard, *named, now, *rest] if "seq" in event]
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert {"session.started", "speech.started", "turn.started", "turn.final"} <= {
        one["type"] for one in events
    }
    ended = rest[-1]
    assert ended["duration"] == pytest.approx(12) and ended["turns"]
    assert ended["names"] == {"1": "Anna"}


def test_a_lost_connection_is_taken_up_where_it_was(server: Running, talk: np.ndarray) -> None:
    with server.socket() as socket:
        socket.send(start())
        session = events_until(socket, "snapshot")[0]["session"]
        for block in blocks(talk[: 6 * RATE]):
            socket.send(block)
        first = events_until(socket, "turn.started")
        socket.socket.close()  # no farewell
    last = max(event.get("seq", 0) for event in first)
    resume = {"type": "resume", "session": session, "last_seq": last, "position": 5.0}
    with server.socket() as socket:
        snapshot = resume_when_free(server, socket, resume)
        assert snapshot["session"] == session and snapshot["turns"]
        for block in blocks(talk[5 * RATE : 8 * RATE]):  # a second of it is known
            socket.send(block)
        with pytest.raises(ConnectionClosed), server.socket() as other:
            other.send(json.dumps(resume))
            raised = events_until(other, "error")[-1]
            assert raised["code"] == "conflict" and "another connection" in raised["message"]
            other.recv(10)
        socket.send(json.dumps({"type": "CloseStream"}))
        rest = events_until(socket, "session.ended")
    assert rest[-1]["duration"] == pytest.approx(8)
    seqs = [event["seq"] for event in rest if "seq" in event]
    assert seqs == list(range(last + 1, seqs[-1] + 1)), "none twice, none lost"


def test_missing_audio_is_bridged_by_silence_but_not_by_much(server: Running) -> None:
    with server.socket() as socket:
        socket.send(start())
        session = events_until(socket, "snapshot")[0]["session"]
        socket.send(pcm(np.zeros(RATE)))
        socket.socket.close()
    with server.socket() as socket:
        resume_when_free(server, socket, {"type": "resume", "session": session, "position": 4.0})
        socket.send(json.dumps({"type": "Snapshot"}))
        assert events_until(socket, "snapshot")[-1]["received_seconds"] == pytest.approx(4)
    with server.socket() as socket:
        when_free(server, session)
        socket.send(json.dumps({"type": "resume", "session": session, "position": 400.0}))
        assert "are missing" in events_until(socket, "error")[-1]["message"]
    server.ask(f"/v1/sessions/{session}", method="DELETE")


def when_free(server: Running, session: str) -> None:
    """Wait until the server has noticed that a session's connection is gone."""
    until = time.monotonic() + 5
    while any(one.id == session and one.feeder for one in server.service.sessions.of_tenant("a")):
        assert time.monotonic() < until
        time.sleep(0.02)


def resume_when_free(server: Running, socket: ClientConnection, message: dict[str, Any]) -> dict[str, Any]:
    """Resume once the connection before is gone; the snapshot."""
    when_free(server, message["session"])
    socket.send(json.dumps(message))
    return events_until(socket, "snapshot")[-1]


BAD_FIRST = {
    "audio": (b"\0\0", "JSON text"),
    "no JSON": ("{", "no JSON"),
    "a list": ("[1]", "a JSON object"),
    "deep": ("[" * 20_000, ""),
    "another type": ('{"type": "Hello"}', "'start' or 'resume'"),
    "unknown format": (start(format="mp3"), "'format' is one of"),
    "low rate": (start(sample_rate=4000), "8000 to 48000"),
    "rate as text": (start(sample_rate="16000"), "8000 to 48000"),
    "many channels": (start(channels=99), "1 to 8"),
    "missing channel": (start(channels=2, channel=2), "'mix' or a number"),
    "strange channel": (start(channel="../.."), "'mix' or a number"),
    "unknown field": (start(model="../../etc"), "unknown field 'model'"),
    "strange delay": ('{"type": "start", "correction_seconds": NaN}', "seconds from 0 to 120"),
    "another's session": ('{"type": "resume", "session": "s_aaaaaaaaaaaaaaaaaaaaaa"}', "no such session"),
    "path as session": ('{"type": "resume", "session": "../../etc/passwd"}', "no such session"),
    "negative position": ('{"type": "resume", "session": "s_a", "position": -1}', "'position' is seconds"),
}


@pytest.mark.parametrize("what", BAD_FIRST)
def test_bad_first_messages_are_answered_with_a_reason(what: str, server: Running) -> None:
    message, reason = BAD_FIRST[what]
    with server.socket() as socket:
        socket.send(message)
        told = events_until(socket, "error")[-1]
        assert reason in told["message"]
        code, short = closed(socket)
        assert 4400 <= code < 4500 and short.startswith(told["code"])


def test_bad_audio_and_bad_messages_end_a_session_with_a_reason(server: Running) -> None:
    for sent, reason in (
        (np.full(100, np.nan, "<f4").tobytes(), "not finite"),
        (np.full(100, np.inf, "<f4").tobytes(), "not finite"),
        (b"RIFF\x7f\x7f\x7f\x7f" * 100, "another format"),
        ('{"type": "Shout"}', "one of the types"),
        ('{"type": "Rename", "speaker": "1", "name": "a\\u0000b"}', "printable"),
        ('{"type": "Rename", "speaker": "99", "name": "Anna"}', "none of"),
        ('{"type": "Rename", "speaker": 1}', "are texts"),
    ):
        with server.socket() as socket:
            socket.send(start(format="pcm_f32le"))
            session = events_until(socket, "snapshot")[0]["session"]
            socket.send(sent)
            assert reason in events_until(socket, "error")[-1]["message"]
            assert closed(socket)[0] == 4400
        server.ask(f"/v1/sessions/{session}", method="DELETE")


def test_a_message_that_is_too_large_closes_the_connection_alone(server: Running) -> None:
    with server.socket() as socket:
        socket.send(start())
        session = events_until(socket, "snapshot")[0]["session"]
        socket.send(bytes(1_100_000))
        assert closed(socket)[0] == 1009
    assert server.ask(f"/v1/sessions/{session}", method="DELETE").status == 200


def test_limits_of_a_caller_and_idle_sessions(server: Running, talk: np.ndarray) -> None:
    with ExitStack() as opened:
        four = [opened.enter_context(server.socket()) for _ in range(4)]
        for socket in four:
            socket.send(start())
            events_until(socket, "snapshot")
        with server.socket() as fifth:
            fifth.send(start())
            told = events_until(fifth, "error")[-1]
            assert (told["code"], told["retry_after"]) == ("too_many", 10)
            assert closed(fifth)[0] == 4429
        bert = opened.enter_context(server.socket(**bearer(token(sub="bert"))))  # has a limit of his own
        bert.send(start())
        events_until(bert, "snapshot")
        for socket in [*four, bert]:
            assert closed(socket) == (4408, "idle: no audio and no KeepAlive for 5 s")


def test_who_may_not_comes_not_in(server: Running) -> None:
    for headers, status in (
        ({"Authorization": "Bearer x"}, 401),
        (bearer(token(scope="jobs")), 403),
        ({**server.headers, "Origin": "https://evil.example"}, 403),
        ({"Authorization": "Basic YTpi"}, 401),
    ):
        with pytest.raises(InvalidStatus) as caught:
            server.socket(**headers)
        assert caught.value.response.status_code == status
        assert json.loads(caught.value.response.body or b"")["message"]


def test_a_ticket_opens_one_connection(server: Running) -> None:
    given = server.ask("/v1/live", b"")
    assert given.status == 201 and given.json["expires_in"] == 60
    path = given.json["url"].removeprefix(f"ws://{server.address}")
    nobody = {"Authorization": ""}
    with server.socket(path, **nobody, Origin=f"http://{server.address}") as socket:
        socket.send(start())
        session = events_until(socket, "snapshot")[0]["session"]
    for used in (path, "/v1/live?ticket=guess", "/v1/live"):
        with pytest.raises(InvalidStatus) as caught:
            server.socket(used, **nobody)
        assert caught.value.response.status_code == 401
    assert server.ask(f"/v1/sessions/{session}").status == 200
    server.ask(f"/v1/sessions/{session}", method="DELETE")
