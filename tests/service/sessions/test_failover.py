"""Two replicas and a real Redis: calls go on at the other one, and on their own while Redis is away."""

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed

from tests.commands import RATE
from tests.service.conftest import running_redis
from tests.service.serving import Running, bearer, blocks, closed, events_until, serving, token


def saved(running: Running, session: str, position: float) -> None:
    """Wait until that much of a session is saved."""
    until = time.monotonic() + 10
    (one,) = [one for one in running.service.sessions.of_tenant("a") if one.id == session]
    while one.saved_at < position * RATE:
        assert time.monotonic() < until
        time.sleep(0.05)


def test_a_call_goes_on_at_another_replica(
    live_models: Any, guarded: dict[str, Any], redis_url: str, talk: np.ndarray
) -> None:
    options = {**guarded, "redis": redis_url, "save_seconds": 0.2}
    with serving(live_models, **options) as first, serving(live_models, **options) as second:
        first.headers = second.headers = bearer(token())
        with first.socket() as socket:
            socket.send(json.dumps({"type": "start"}))
            session = events_until(socket, "snapshot")[0]["session"]
            for block in blocks(talk[: 8 * RATE]):
                socket.send(block)
            started = events_until(socket, "turn.ended")
            socket.send(json.dumps({"type": "Rename", "speaker": "1", "name": "Anna"}))
            events_until(socket, "speaker.named")
            saved(first, session, 8)
            time.sleep(0.5)  # the name, too
            path = f"/v1/sessions/{session}"
            assert second.ask(path).json["code"] == "conflict"  # the first is alive
            assert second.ask(path, **bearer(token(tenant="b"))).status == 404
            resume = {"type": "resume", "session": session, "last_seq": 1, "position": 7.0}
            with second.socket() as moved:
                moved.send(json.dumps(resume))
                snapshot = events_until(moved, "snapshot")[0]
                assert snapshot["names"] == {"1": "Anna"}
                known = {turn["id"]: turn["speaker"] for turn in snapshot["turns"]}
                before = [event["turn"] for event in started if event["type"] == "turn.ended"]
                assert all(known[turn["id"]] == turn["speaker"] for turn in before)
                for block in blocks(talk[7 * RATE :]):
                    moved.send(block)
                moved.send(json.dumps({"type": "CloseStream"}))
                rest = events_until(moved, "session.ended")
            assert rest[-1]["duration"] == pytest.approx(12) and rest[-1]["names"]["1"] == "Anna"
            assert closed(socket)[0] == 4409  # the first has noticed that it lost the session
        ticket = first.ask("/v1/live", b"").json["ticket"]
        with second.socket(f"/v1/live?ticket={ticket}", Authorization="") as any_replica:
            any_replica.send(json.dumps({"type": "start"}))
            drained = events_until(any_replica, "snapshot")[0]["session"]
            for block in blocks(talk[: 2 * RATE]):
                any_replica.send(block)
            events_until(any_replica, "session.started")
            began = time.monotonic()
            second.stop()
            told = events_until(any_replica, "error")[-1]
            assert (told["code"], told["retry_after"]) == ("draining", 0)
            assert closed(any_replica)[0] == 1012
            assert time.monotonic() - began < 10
        orphan = first.ask(f"/v1/sessions/{drained}").json
        assert "received_seconds" in orphan, orphan
        assert orphan["received_seconds"] == pytest.approx(2)  # taken over


def test_calls_go_on_while_redis_is_away(
    live_models: Any, guarded: dict[str, Any], tmp_path: Path, talk: np.ndarray
) -> None:
    with (
        running_redis(tmp_path) as (url, redis),
        serving(live_models, **guarded, redis=url, save_seconds=0.2) as running,
    ):
        running.headers = bearer(token())
        assert running.ask("/readyz").json["redis"] == "ok"
        with running.socket() as socket:
            socket.send(json.dumps({"type": "start"}))
            session = events_until(socket, "snapshot")[0]["session"]
            redis.stop()
            for block in blocks(talk[: 4 * RATE]):
                socket.send(block)
            events_until(socket, "turn.started")
            ready = running.ask("/readyz")
            assert ready.status == 200 and ready.json["redis"].startswith("away for")
            given = running.ask("/v1/live", b"").json["ticket"]  # from this process's memory
            assert running.ask(f"/v1/sessions/{session}", **bearer(token())).status == 200
            with running.socket(f"/v1/live?ticket={given}", Authorization=""):
                pass
            redis.start()
            until = time.monotonic() + 10
            while running.ask("/readyz").json["redis"] != "ok":
                assert time.monotonic() < until
                time.sleep(0.1)
            saved(running, session, 4)
            socket.send(json.dumps({"type": "CloseStream"}))
            assert events_until(socket, "session.ended")[-1]["duration"] == pytest.approx(4)


def test_a_minutes_limit_is_one_for_all_replicas(
    live_models: Any, guarded: dict[str, Any], redis_url: str
) -> None:
    options = {**guarded, "redis": redis_url, "requests_per_minute": 10}
    with serving(live_models, **options) as first, serving(live_models, **options) as second:
        first.headers = second.headers = bearer(token())
        if time.time() % 60 > 55:
            time.sleep(6)  # the next minute would begin in between
        answers = [replica.ask("/v1/live", b"") for _ in range(7) for replica in (first, second)]
        assert [got.status for got in answers] == 10 * [201] + 4 * [429]
        assert 1 <= int(answers[-1].headers["retry-after"]) <= 60
        assert first.ask("/v1/live", b"", **bearer(token(sub="bert"))).status == 201
        with pytest.raises(ConnectionClosed), second.socket(**bearer(token(sub="carl"))) as socket:
            socket.send("x")
            closed(socket)
            socket.recv()
