"""What a hostile client gets from `diar serve`: one line an attack, and whether the server serves on.

    python benchmarks/live_hostile.py [--connections 1000] [--no_fuzz]

A real server on loopback, with tokens. Afterwards, schemathesis asks every operation of the OpenAPI document
with random input, where it is installed; any answer of 500 to 599 but 503 is a failure.
Exit code 1: an attack got another answer than it should, or the server stopped serving.
"""

from __future__ import annotations

import argparse
import base64
import io
import json
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import jwt
import numpy as np
import soundfile as sf
from live_server import Served, bearer, serve, token
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

OPTIONS = (
    "--idle_seconds",
    5,
    "--slow_seconds",
    2,
    "--job_hours",
    0.02,
    "--upload_megabytes",
    20,
    "--caller_sessions",
    64,
)
JSON = "application/json"
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
    with socket.create_connection(served.address.rsplit(":", 1)) as raw:  # type: ignore[arg-type]
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        key = base64.b64encode(b"0123456789abcdef").decode()
        head = f"GET /v1/live HTTP/1.1\r\nHost: {served.address}\r\nUpgrade: websocket\r\n"
        head += f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
        head += f"Authorization: Bearer {token()}\r\n\r\n"
        raw.sendall(head.encode())
        raw.recv(4_096)  # 101, and not a byte more
        raw.sendall(_frame(b'{"type":"start"}'))
        raw.settimeout(1)
        before, until = served.metrics()["diar_slow_readers_total"], time.monotonic() + 40
        while time.monotonic() < until:
            with suppress(TimeoutError, OSError):
                raw.sendall(_frame(b'{"type":"Snapshot"}') * 500)
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


def idle_session(served: Served) -> str:
    """Open a session and say nothing."""
    return live(served, opening={})


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


def attacks(connections: int) -> list[Attack]:
    """Return all attacks."""
    return [*TOKENS, *MESSAGES, *REQUESTS, (f"{connections} connections", many(connections), SERVED_STILL)]


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


SERVED_STILL = "open, and a request gets 200"
RANDOM, CLOSE = np.random.default_rng(0).bytes(90_000), json.dumps({"type": "CloseStream"})
NAN, FILE = np.full(1_600, np.nan, "<f4").tobytes(), b'{"url":"file:///etc/passwd"}'
TOKENS: list[Attack] = [
    ("token: expired", with_token(token(exp=time.time() - 60)), "401 unauthorized"),
    ("token: signed with another secret", with_token(token("x" * 40)), "401 unauthorized"),
    ("token: algorithm none", with_token(unsigned("none")), "401 unauthorized"),
    ("token: algorithm NonE", with_token(unsigned("NonE")), "401 unauthorized"),
    ("token: HS256 without signature", with_token(unsigned("HS256")), "401 unauthorized"),
    ("token: no scope", with_token(token(scope="")), "403 forbidden"),
    ("token: 7 kB of a", with_token("a" * 7_000), "401 unauthorized"),
    ("header: 20 kB", lambda served: live(served, Authorization="Bearer " + "a" * 20_000), "400"),
    ("no token", with_token(""), "401 unauthorized"),
    ("another tenant's session", other_tenant, "404 not_found"),
    ("paths as identifiers", paths, "404 not_found"),
    ("page of another site", lambda served: live(served, Origin="https://evil.example"), "403 forbidden"),
]
MESSAGES: list[Attack] = [
    ("first message: audio", first(b"\0" * 100), "4400 bad_request"),
    ("first message: no JSON", first("}{"), "4400 bad_request"),
    ("first message: 20,000 brackets", first("[" * 20_000), "4400 bad_request"),
    ("first message: never", first(), "4408 idle"),
    ("format: mp3", begun(format="mp3"), "4400 bad_request"),
    ("rate: 10^9 Hz", begun(sample_rate=10**9), "4400 bad_request"),
    ("channels: 10^6", begun(channels=10**6), "4400 bad_request"),
    ("audio: NaN", begun(NAN, format="pcm_f32le"), "4400 bad_audio"),
    ("audio: random bytes as float", begun(RANDOM[:9_600], format="pcm_f32le"), "4400 bad_audio"),
    ("audio: random bytes as WebM", begun(RANDOM, CLOSE, format="webm"), "4400 bad_audio"),
    ("audio: WebM whose sizes lie", opus_bomb, "4400 bad_audio"),
    ("message: 16 MB", begun(bytes(2**24)), "1009 or 1006"),
    ("message: unknown type", begun('{"type":"Shout"}'), "4400 bad_request"),
    ("message: a second opening", begun('{"type":"start"}'), "4400 bad_request"),
    ("says nothing for 5 s", begun(), "4408 idle"),
    ("never reads", no_reading, "dropped slow_reader"),
]
REQUESTS: list[Attack] = [
    ("upload: a byte, then nothing", drip, "408"),
    ("request: half a line, then nothing", half_a_request, "closed"),
    ("upload: 30 MB, 20 allowed", asked("/v1/jobs", bytes(30_000_000)), "413 too_large"),
    ("upload: 20 min of FLAC in kilobytes, 72 s allowed", bomb, "failed too_large"),
    ("body: gzip", asked("/v1/jobs", b"x", Content_Encoding="gzip"), "415 unsupported_format"),
    ("body: 1 MB of JSON", asked("/v1/sessions", b"[" * 10**6, Content_Type=JSON), "413 too_large"),
    ("job: file:///etc/passwd", asked("/v1/jobs", FILE, Content_Type=JSON), "403 forbidden"),
]


def fuzz(served: Served) -> str:
    """Ask every operation with random input; return what schemathesis found."""
    call = [
        *(
            "schemathesis",
            "run",
            f"http://{served.address}/openapi.json",
            "-H",
            f"Authorization: Bearer {token()}",
        ),
        *("--checks", "not_a_server_error", "--max-examples", "25", "--request-timeout", "20", "--no-color"),
    ]
    program = Path(sys.executable).parent / call[0]
    if not program.exists():
        return "schemathesis is not installed"
    done = subprocess.run([str(program), *call[1:]], capture_output=True, text=True, timeout=900)
    lines = [line.strip() for line in done.stdout.splitlines() if line.strip()]
    return " · ".join(lines[-4:]) if done.returncode == 0 else "FAILED\n" + "\n".join(lines[-60:])


def main() -> int:
    """Run all attacks against one server; print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--connections", type=int, default=1_000)
    parser.add_argument("--no_fuzz", action="store_true", help="leave schemathesis out")
    given, bad = parser.parse_args(), 0
    with (
        tempfile.TemporaryDirectory() as folder,
        serve(Path(folder), *OPTIONS, "--requests_per_minute", 100_000) as served,
    ):
        print("| attack | came back | in seconds | serves on |\n|---|---|---|---|")
        for what, attack, wanted in attacks(given.connections):
            started = time.monotonic()
            try:
                got = attack(served)
            except Exception as error:  # the table says it, whatever it is
                got = f"{type(error).__name__}: {error}"[:80]
            serves = served.alive and http(served, "/healthz") == "200"
            right = got in wanted.split(" or ") and serves
            bad += not right
            note = "" if got in wanted.split(" or ") else f" (wanted {wanted})"
            print(
                f"| {what} | {got}{note} | {time.monotonic() - started:.1f} | {'yes' if serves else 'NO'} |",
                flush=True,
            )
        if not given.no_fuzz:
            found = fuzz(served)
            bad += found.startswith("FAILED") or not served.alive
            print(f"\nschemathesis: {found}")
        print(f"\nserver: {'serves' if served.alive else 'DEAD'}, {served.memory() / 2**20:.0f} MiB")
    return 1 if bad else 0


if __name__ == "__main__":
    raise SystemExit(main())
