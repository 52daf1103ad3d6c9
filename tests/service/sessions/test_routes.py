"""Sessions over HTTP, and their events as server-sent events."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from tests.commands import RATE
from tests.service.serving import Answer, Running, bearer, pcm, sse, token


def test_a_session_over_http(server: Running, talk: np.ndarray) -> None:
    begun = server.ask("/v1/sessions", {"max_speakers": 3})
    assert begun.status == 201
    path = f"/v1/sessions/{begun.json['session']}"
    got: list[Answer] = []
    reader = threading.Thread(target=lambda: got.append(server.ask(f"{path}/events")))
    reader.start()
    half = len(talk) // 2
    assert server.ask(f"{path}/audio", pcm(talk[:half])).json == {"received_seconds": pytest.approx(6)}
    again = server.ask(f"{path}/audio?position=5", pcm(talk[5 * RATE :]))  # a second of it is known
    assert again.json == {"received_seconds": pytest.approx(12)}
    final = server.ask(f"{path}/finalize", b"")
    assert final.json["turns"] and all(turn["final"] for turn in final.json["turns"])
    speaker = final.json["turns"][0]["speaker"]
    named = server.ask(f"{path}/names", {"speaker": speaker, "name": "Zoë"})
    assert named.json["names"] == {speaker: "Zoë"}
    assert server.ask(f"{path}/names", {"speaker": "77", "name": "Zoë"}).status == 400
    ended = server.ask(path, method="DELETE")
    assert ended.json["final"]["duration"] == pytest.approx(12) and ended.json["final"]["turns"]
    reader.join(20)
    events = sse(got[0].body)
    assert got[0].headers["content-type"].startswith("text/event-stream")
    assert events[0][0] == "snapshot"
    assert [number for _, _, number in events] == list(range(len(events)))
    assert events[-1][0] == "session.ended"
    later = sse(server.ask(f"{path}/events", **{"Last-Event-ID": "5"}).body)
    assert later == events[6:]
    assert server.ask(f"{path}/audio", b"\0\0").json["code"] == "gone"


def test_less_audio_than_a_frame_is_a_session_without_turns(server: Running) -> None:
    path = f"/v1/sessions/{server.ask('/v1/sessions', {}).json['session']}"
    assert server.ask(f"{path}/audio", bytes(200)).json == {
        "received_seconds": pytest.approx(0.0063, abs=1e-4)
    }
    assert server.ask(f"{path}/finalize", b"").json["turns"] == []
    with ThreadPoolExecutor() as several:
        ended = list(several.map(lambda _: server.ask(path, method="DELETE"), range(3)))
    assert [(one.status, one.json["final"]["turns"]) for one in ended] == 3 * [(200, [])]
    kind, done, _ = sse(server.ask("/diar/stream", b"abc").body)[-1]
    assert (kind, done["turns"]) == ("done", [])


def test_other_tenants_see_nothing(server: Running) -> None:
    session = server.ask("/v1/sessions", {}).json["session"]
    other = bearer(token(tenant="b", scope="live jobs admin"))
    path = f"/v1/sessions/{session}"
    for ask in (
        lambda: server.ask(path, **other),
        lambda: server.ask(f"{path}/events", **other),
        lambda: server.ask(f"{path}/audio", b"\0\0", **other),
        lambda: server.ask(f"{path}/finalize", b"", **other),
        lambda: server.ask(path, method="DELETE", **other),
    ):
        assert (ask().status, ask().json["message"]) == (404, "there is no such session")
    assert server.ask("/v1/sessions", **other).json == {"sessions": []}
    assert server.ask("/v1/sessions").status == 403  # anna is no admin
    admin = server.ask("/v1/sessions", **bearer(token(scope="admin"))).json["sessions"]
    assert session in [one["session"] for one in admin]
    colleague = bearer(token(sub="bert"))
    assert server.ask(path, **colleague).status == 200  # of the same tenant
    assert server.ask(path, method="DELETE").status == 200


def test_audio_in_turns_out_in_one_request(server: Running, talk: np.ndarray) -> None:
    both = np.stack([talk, np.zeros_like(talk)], axis=1)
    path = "/diar/stream?format=pcm_f32le&channels=2&channel=0&max_speakers=3"
    got = server.ask(path, both.astype("<f4").tobytes())
    events = sse(got.body)
    assert {kind for kind, _, _ in events[:-1]} == {"turn"}
    kind, done, _ = events[-1]
    assert kind == "done" and done["duration"] == pytest.approx(12) and done["turns"]
    broken = sse(server.ask("/diar/stream?format=pcm_f32le", np.full(9, np.nan, "<f4").tobytes()).body)
    assert broken[-1][0] == "error" and broken[-1][1]["code"] == "bad_audio"
    assert server.ask("/diar/stream?format=mp3", b"x").json["code"] == "bad_request"
    assert server.ask("/diar/stream?channels=x", b"x").status == 400


@pytest.mark.parametrize(
    "path",
    [
        "/v1/sessions/s_aaaaaaaaaaaaaaaaaaaaaa",
        "/v1/sessions/..%2F..%2Fetc%2Fpasswd",
        "/v1/sessions/%00",
        "/v1/jobs/s_aaaaaaaaaaaaaaaaaaaaaa",
        "/v1/jobs/*",
        "/page/..%2Froutes.py",
        "/page/routes.py",
        "/nothing",
    ],
)
def test_what_is_not_there_is_404(path: str, server: Running) -> None:
    got = server.ask(path)
    assert got.status == 404 and got.json["type"] == "error"


def test_bodies_are_limited_and_plain(server: Running) -> None:
    large = json.dumps({"format": "x" * 70_000}).encode()
    assert server.ask("/v1/sessions", large, **{"Content-Type": "application/json"}).status == 413
    assert server.ask("/v1/sessions", b"{}", **{"Content-Encoding": "gzip"}).status == 415
    assert server.ask("/v1/sessions", b"[" * 60_000, **{"Content-Type": "application/json"}).status == 400
    assert server.ask("/v1/sessions", b"{}", **{"Content-Type": "text/plain"}).status in (400, 415)
    assert server.ask("/v1/sessions?" + "a" * 5_000, {}).status == 400
    assert server.ask("/v1/sessions", method="PUT").status == 405


def test_every_answer_has_security_headers_and_no_other_site_is_let_in(server: Running) -> None:
    for path in ("/", "/healthz", "/v1/sessions/x", "/nothing"):
        headers = {name.lower(): value for name, value in server.ask(path).headers.items()}
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert not [name for name in headers if name.startswith("access-control") or name == "server"]
    assert server.ask("/v1/live", b"", Origin="https://evil.example").status == 403
