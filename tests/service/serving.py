"""A real server on loopback, in a thread of the test process; clients that talk to it."""

import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import jwt
import numpy as np
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from diar.service.computing.engine import ServiceEngine
from diar.service.config import ServeConfig
from diar.service.server import Server, listen, uvicorn_config
from diar.service.service import Service
from tests.commands import RATE

SECRET = "a secret of tests, which has more than thirty-two bytes"
ISSUER, AUDIENCE = "tests", "diar"


@dataclass
class Answer:
    """What came back over HTTP."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        return json.loads(self.body)


@dataclass
class Running:
    """A server that runs."""

    address: str  # host:port
    service: Service
    server: Server
    thread: threading.Thread
    headers: dict[str, str] = field(default_factory=dict)  # of every request that gives no others

    def ask(self, path: str, data: Any = None, method: str | None = None, **headers: str) -> Answer:
        """One request; a dict is sent as JSON."""
        if isinstance(data, dict):
            data, headers = json.dumps(data).encode(), {"Content-Type": "application/json", **headers}
        elif data is not None:
            headers = {"Content-Type": "application/octet-stream", **headers}
        url = f"http://{self.address}{path}"
        request = urllib.request.Request(url, data, {**self.headers, **headers}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as got:
                return Answer(got.status, dict(got.headers), got.read())
        except urllib.error.HTTPError as error:
            return Answer(error.code, dict(error.headers), error.read())

    def socket(self, path: str = "/v1/live", **headers: str) -> ClientConnection:
        given = {**self.headers, **headers}
        return connect(f"ws://{self.address}{path}", additional_headers=given, compression=None)

    def stop(self) -> None:
        self.server.should_exit = True
        self.thread.join(30)
        assert not self.thread.is_alive()


@contextmanager
def serving(models: Any, openers: Any = None, **options: Any) -> Iterator[Running]:
    """Serve until the end of the block: with these networks, or with engines that `openers` make."""
    config = ServeConfig(port=0, **{"audit_log": "", **options})
    service = Service(config, openers or [lambda _: ServiceEngine(models, config)])
    listening, ready = listen(config.host, 0), threading.Event()
    server = Server(uvicorn_config(config, service), service, ready.set)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    address = "{}:{}".format(*listening.getsockname())
    thread.start()
    running = Running(address, service, server, thread)
    assert ready.wait(300)
    while not service.warm:
        time.sleep(0.02)
    try:
        yield running
    finally:
        running.stop()


def token(key: Any = SECRET, algorithm: str = "HS256", kid: str | None = None, **claims: Any) -> str:
    """A token that is good but for what `claims` say; None leaves a claim out."""
    good = {
        "sub": "anna",
        "tenant": "a",
        "iss": ISSUER,
        "aud": AUDIENCE,
        "exp": time.time() + 900,
        "scope": "live jobs",
    }
    given = {name: value for name, value in {**good, **claims}.items() if value is not None}
    return jwt.encode(given, key, algorithm, headers={"kid": kid} if kid else None)


def bearer(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


def pcm(samples: np.ndarray) -> bytes:
    """16 bit samples."""
    return (samples * 32_767).astype("<i2").tobytes()


def blocks(samples: np.ndarray, seconds: float = 0.25) -> Iterator[bytes]:
    size = round(seconds * RATE)
    for start in range(0, len(samples), size):
        yield pcm(samples[start : start + size])


def events_until(socket: ClientConnection, kind: str, timeout: float = 60) -> list[dict[str, Any]]:
    """The events up to the first of a type."""
    found: list[dict[str, Any]] = []
    while not found or found[-1]["type"] != kind:
        found.append(json.loads(socket.recv(timeout)))
    return found


def closed(socket: ClientConnection) -> tuple[int, str]:
    """Read to the end of a connection; its close code and reason."""
    with suppress(ConnectionClosed):
        while True:
            socket.recv(30)
    assert socket.close_code is not None and socket.close_reason is not None
    return socket.close_code, socket.close_reason


def sse(body: bytes) -> list[tuple[str, Any, int | None]]:
    """Server-sent events: (event, data, id)."""
    found = []
    for block in body.decode().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if line and not line.startswith(":"))
        if fields:
            number = int(fields["id"]) if "id" in fields else None
            found.append((fields["event"], json.loads(fields["data"]), number))
    return found
