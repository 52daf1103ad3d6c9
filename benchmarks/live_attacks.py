"""What a hostile client does to `diar serve`; `live_hostile.py` has the table."""

from __future__ import annotations

import base64
import io
import json
import logging
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import ExitStack, suppress
from typing import Any

import jwt
import numpy as np
import soundfile as sf
from live_server import Served, bearer, token
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

JSON = "application/json"
logging.getLogger("websockets.client").setLevel(logging.CRITICAL)  # what the server cuts off is in the table
Attack = tuple[str, Callable[[Served], str], str]  # what is done, doing it, what must come back


def http(
    served: Served, path: str, data: bytes | None = None, method: str | None = None, **headers: str
) -> str:
    """Return status and code of an answer."""
    given = {**bearer(token()), **{name.replace("_", "-"): value for name, value in headers.items()}}
    request = urllib.request.Request(f"http://{served.address}{path}", data, given, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as got:
            return str(got.status)
    except urllib.error.HTTPError as error:
        return _status(error.code, error.read())


def _status(status: int, body: bytes | bytearray | None) -> str:
    """Return status and code of a refusal."""
    try:
        return f"{status} {json.loads(body or b'')['code']}"
    except (ValueError, KeyError):
        return str(status)


def live(
    served: Served, *messages: str | bytes, opening: dict[str, Any] | None = None, **headers: str
) -> str:
    """Return status, or code of the last error and of the close, after a session's first messages."""
    given = {**bearer(token()), **headers}
    try:
        with connect(served.url, additional_headers=given, compression=None, max_size=None) as session:
            if opening is not None:
                session.send(json.dumps({"type": "start", **opening}))
            with suppress(ConnectionClosed):
                for message in messages:
                    session.send(message)
            return _ending(session)
    except InvalidStatus as error:
        return _status(error.response.status_code, error.response.body)


def _ending(session: ClientConnection) -> str:
    code = ""
    try:
        while True:
            event = json.loads(session.recv(20))
            code = event.get("code", code)
    except ConnectionClosed:
        return f"{session.close_code} {code}".strip()


def with_token(text: str) -> Callable[[Served], str]:
    """Return an attack by a token, over HTTP and WebSocket."""

    def attack(served: Served) -> str:
        over_http = http(served, "/v1/sessions", b"{}", Content_Type="application/json", **bearer(text))
        over_socket = live(served, **bearer(text))
        return over_http if over_http == over_socket else f"{over_http} / {over_socket}"

    return attack


def unsigned(algorithm: str) -> str:
    """Return a token without a signature that claims an algorithm."""
    payload = jwt.decode(token(scope="live jobs admin"), options={"verify_signature": False})
    head, body = (
        base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()
        for part in ({"alg": algorithm, "typ": "JWT"}, payload)
    )
    return f"{head}.{body}."


def other_tenant(served: Served) -> str:
    """Ask for a session of another tenant in every way."""
    request = urllib.request.Request(
        f"http://{served.address}/v1/sessions", b"{}", {**bearer(token()), "Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=30) as got:
        path = f"/v1/sessions/{json.loads(got.read())['session']}"
    theirs = bearer(token(tenant="b", scope="live jobs admin"))
    resume = json.dumps({"type": "resume", "session": path.rsplit("/", 1)[1]})
    answers = {
        http(served, path, **theirs),
        http(served, f"{path}/events", **theirs),
        http(served, f"{path}/audio", b"\0\0", **theirs),
        http(served, path, method="DELETE", **theirs),
    }
    over_socket = live(served, resume, **theirs)
    http(served, path, method="DELETE")
    return ", ".join(sorted(answers)) if over_socket == "4404 not_found" else over_socket


def paths(served: Served) -> str:
    """Ask for identifiers that are paths."""
    tricks = (
        "..%2F..%2Fetc%2Fpasswd",
        "%2e%2e/%2e%2e",
        "%00",
        "s_" + "a" * 5_000,
        "s_%F0%9F%92%A9",
        "*",
        "s_a?x",
    )
    places = ("/v1/sessions/{}", "/v1/jobs/{}", "/v1/jobs/{}/turns.json", "/page/{}")
    found = {http(served, place.format(trick)) for trick in tricks for place in places}
    return ", ".join(sorted(found))


def no_reading(served: Served) -> str:
    """Never read, and ask for snapshots until the server's messages cannot go anywhere."""
    host, port = served.address.rsplit(":", 1)
    with socket.socket() as raw:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32_768)  # later, TCP would drop acknowledgements
        raw.connect((host, int(port)))
        key = base64.b64encode(b"0123456789abcdef").decode()
        head = f"GET /v1/live HTTP/1.1\r\nHost: {served.address}\r\nUpgrade: websocket\r\n"
        head += f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
        head += f"Authorization: Bearer {token()}\r\n\r\n"
        raw.sendall(head.encode())
        raw.recv(4_096)  # 101, and not a byte more
        raw.sendall(_frame(b'{"type":"start"}'))
        raw.settimeout(1)
        before, until = served.metrics()["diar_slow_readers_total"], time.monotonic() + 40
        taken = True
        while time.monotonic() < until:
            try:
                if taken:
                    raw.sendall(_frame(b'{"type":"Snapshot"}') * 500)
            except OSError:  # part of a message is on its way: what came after it would be no message
                taken = False
            if served.metrics()["diar_slow_readers_total"] > before:
                return "dropped slow_reader"
            time.sleep(0.2)
    return "still connected"


def _frame(text: bytes) -> bytes:
    """Return a masked text frame, the mask being zero."""
    return bytes([0x81, 0x80 | len(text)]) + bytes(4) + text


def drip(served: Served) -> str:
    """Send a byte of an upload, then nothing."""
    host, port = served.address.rsplit(":", 1)
    with socket.create_connection((host, int(port))) as raw:
        head = f"POST /v1/jobs HTTP/1.1\r\nHost: {served.address}\r\nContent-Length: 1000000\r\n"
        raw.sendall(f"{head}Authorization: Bearer {token()}\r\n\r\nx".encode())
        raw.settimeout(30)
        answer = raw.recv(65_536)
    return answer.split(b" ", 2)[1].decode()


def half_a_request(served: Served) -> str:
    """Send half a request line, then nothing."""
    host, port = served.address.rsplit(":", 1)
    with socket.create_connection((host, int(port))) as raw:
        raw.sendall(b"GET /healthz HT")
        raw.settimeout(30)
        try:
            return "closed" if not raw.recv(1_000) else "answered"
        except ConnectionResetError:
            return "closed"


def bomb(served: Served) -> str:
    """Upload minutes of silence in a few kilobytes of FLAC; the limit is 72 s."""
    content = io.BytesIO()
    sf.write(content, np.zeros(16_000 * 1_200, np.int16), 16_000, format="FLAC")
    request = urllib.request.Request(
        f"http://{served.address}/v1/jobs",
        content.getvalue(),
        {**bearer(token()), "Content-Type": "audio/flac"},
    )
    with urllib.request.urlopen(request, timeout=60) as got:
        job = json.loads(got.read())["id"]
    until = time.monotonic() + 90
    while time.monotonic() < until:
        asked = urllib.request.Request(f"http://{served.address}/v1/jobs/{job}", headers=bearer(token()))
        with urllib.request.urlopen(asked, timeout=30) as got:
            told = json.loads(got.read())
        if told["status"] not in ("queued", "running"):
            return f"{told['status']} {told['code']}"
        time.sleep(0.5)
    return "still running"


def opus_bomb(served: Served) -> str:
    """Send a WebM whose sizes lie."""
    lying = (
        b"\x1a\x45\xdf\xa3\x9f\x42\x82\x84webm\x18\x53\x80\x67\x01\xff\xff\xff\xff\xff\xff\xfe"
        + bytes(range(256)) * 3_000
    )
    return live(served, lying, json.dumps({"type": "CloseStream"}), opening={"format": "webm"})


def many(connections: int) -> Callable[[Served], str]:
    """Return an attack by connections that are opened and left open."""

    def attack(served: Served) -> str:
        host, port = served.address.rsplit(":", 1)
        with ExitStack() as opened:
            for _ in range(connections):
                opened.enter_context(socket.create_connection((host, int(port)), 30))
            return f"open, and a request gets {http(served, '/healthz')}"

    return attack


def first(*messages: str | bytes) -> Callable[[Served], str]:
    """Return an attack by first messages."""
    return lambda served: live(served, *messages)


def begun(*messages: str | bytes, **opening: Any) -> Callable[[Served], str]:
    """Return an attack within a session."""
    return lambda served: live(served, *messages, opening=opening)


def asked(path: str, data: bytes, **headers: str) -> Callable[[Served], str]:
    """Return an attack by a request."""
    return lambda served: http(served, path, data, **headers)
