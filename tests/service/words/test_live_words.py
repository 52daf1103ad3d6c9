"""Live words: a real recogniser in its process, sessions over a WebSocket, a recogniser that dies."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from websockets.sync.client import ClientConnection

from diar.service.terminal.display import Display
from tests.conftest import named_weights
from tests.service.conftest import running_redis
from tests.service.recognition import needs_recogniser, serving_words
from tests.service.serving import Running, bearer, blocks, closed, events_until, serving, token

pytestmark = needs_recogniser


@pytest.fixture(scope="module")
def server(
    live_models: Any, guarded: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("live words")
    with serving_words(live_models, folder, {"job_workers": 0}, **guarded) as running:
        yield running


def begin(socket: ClientConnection, **fields: Any) -> dict[str, Any]:
    socket.send(json.dumps({"type": "start", "words": True, **fields}))
    return events_until(socket, "snapshot")[0]


def speak(socket: ClientConnection, samples: np.ndarray) -> None:
    for block in blocks(samples):
        socket.send(block)


def test_words_of_a_session(server: Running, talk: np.ndarray) -> None:
    with server.socket() as socket:
        snapshot = begin(socket, language="en")
        assert (snapshot["words"], snapshot["partial"]) == ([], [])
        speak(socket, talk)
        first = events_until(socket, "word")
        socket.send(json.dumps({"type": "CloseStream"}))
        events = [*first, *events_until(socket, "session.ended")]
        assert closed(socket)[0] == 1000
    numbered = [event for event in events if "seq" in event]
    assert [event["seq"] for event in numbered] == list(range(1, len(numbered) + 1))
    told = [event for event in events if event["type"] == "word"]
    words = [word for event in told for word in event["words"]]
    assert len(words) > 8 and told[-1]["partial"] == []
    assert all(0 <= event["delay"] <= event["time"] for event in told)
    assert [word["start"] for word in words] == sorted(word["start"] for word in words)
    turns = {event["turn"]["id"] for event in events if "turn" in event}
    assert all(word["turn"] in turns and word["speaker"] for word in words)
    speakers = {event["turn"]["speaker"] for event in events if "turn" in event}
    assert {word["speaker"] for word in words} <= speakers
    display = Display()
    lines = [line for event in events for line in display.lines(event)]
    said = [line.split(": ", 1)[1] for line in lines if ": " in line]
    assert " ".join(said).split() == [word["text"] for word in words]
    after = server.ask(f"/v1/sessions/{snapshot['session']}").json
    assert [word["text"] for word in after["words"]] == [word["text"] for word in words]
    metrics = server.ask("/metrics", **bearer(token(scope="admin"))).body.decode()
    assert f"diar_words_total {len(words)}.0" in metrics
    assert 'diar_words_delay_seconds_count{kind="final"}' in metrics


@pytest.mark.slow
def test_a_recogniser_that_dies_is_started_again(server: Running, talk: np.ndarray) -> None:
    with server.socket() as socket:
        begin(socket)
        speak(socket, talk[: len(talk) // 2])
        events_until(socket, "turn.started")
        process = server.service.words._process._process
        process.kill()
        process.join()
        speak(socket, talk[len(talk) // 2 :])
        socket.send(json.dumps({"type": "CloseStream"}))
        assert events_until(socket, "session.ended")[-1]["turns"]
    with server.socket() as socket:
        begin(socket)
        speak(socket, talk)
        socket.send(json.dumps({"type": "CloseStream"}))
        told = [event for event in events_until(socket, "session.ended") if event["type"] == "word"]
    assert sum(len(event["words"]) for event in told) > 8
    assert server.service.words._process._process.pid != process.pid


def test_words_that_cannot_be_had(
    live_models: Any, guarded: dict[str, Any], server: Running, tmp_path: Path
) -> None:
    for fields, reason in (
        ({"words": 1}, "true or false"),
        ({"language": "de"}, "English only"),
        ({"language": "german"}, "a code such as en"),
        ({"words": False, "language": "en"}, "give 'words', too"),
    ):
        got = server.ask("/v1/sessions", {"words": True, **fields})
        assert got.status == 400 and reason in got.json["message"], got.json
    with serving(live_models, **guarded, asr="", job_workers=0) as running:
        running.headers = bearer(token())
        assert running.ask("/v1/sessions", {"words": True}).json["code"] == "not_found"
    (other := tmp_path / "other").symlink_to(named_weights("whisper-tiny.en"))
    with serving(live_models, **guarded, asr=str(other), job_workers=0) as running:
        running.headers = bearer(token())
        got = running.ask("/v1/sessions", {"words": True, "language": "de"})
        assert got.status == 400 and got.json["message"] == (
            "`language=de`: other knows en; leave it out, or take another recogniser"
        )
        assert running.ask("/v1/sessions", {"words": True, "language": "en"}).status == 201
    with serving(live_models, **guarded, asr="/no/such/model", job_workers=0) as running:
        running.headers = bearer(token())
        got = running.ask("/v1/sessions", {"words": True})
        assert got.status == 422 and "/no/such/model" in got.json["message"]
        assert running.ask("/v1/sessions", {}).status == 201


@pytest.mark.slow
def test_another_replica_goes_on_where_words_were_certain(
    live_models: Any, guarded: dict[str, Any], talk: np.ndarray, tmp_path: Path
) -> None:
    options = {**guarded, "save_seconds": 0.2}
    half, asr = len(talk) // 2, {"job_workers": 0}
    with running_redis(tmp_path) as (url, _):
        with (
            serving_words(live_models, tmp_path, asr, redis=url, **options) as first,
            first.socket() as socket,
        ):
            session = begin(socket)["session"]
            speak(socket, talk[:half])
            before = events_until(socket, "word")
            while not before[-1]["words"]:
                before += events_until(socket, "word")
        told = [word for event in before if event["type"] == "word" for word in event["words"]]
        with (
            serving_words(live_models, tmp_path, asr, redis=url, **options) as second,
            second.socket() as socket,
        ):
            socket.send(json.dumps({"type": "resume", "session": session, "position": half / 16_000}))
            speak(socket, talk[half:])
            socket.send(json.dumps({"type": "CloseStream"}))
            events = events_until(socket, "session.ended")
    later = [word for event in events if event["type"] == "word" for word in event["words"]]
    assert told and later and min(word["start"] for word in later) >= max(w["start"] for w in told)
