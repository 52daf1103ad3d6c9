"""A real S3 server on loopback, and a proxy before it that does what networks do on bad days.

Tests that import it skip where s3fs or moto is missing; `.ci/run` installs both.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("s3fs", reason='no driver: pip install "diar[s3]"')
pytest.importorskip("moto.server", reason='no S3 server: pip install "moto[server,s3]"')

import aiohttp
import boto3
import botocore.config
import yarl
from aiohttp import web

FAULTS = ("500", "503", "reset", "cut", "slow", "silent")
KEYS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_DEFAULT_REGION": "us-east-1"}
# Seconds after which a client gives a silent server up, in tests; more on a machine that is busy otherwise
SILENCE = float(os.environ.get("S3_SILENCE", "1"))


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


@contextlib.contextmanager
def s3_server(log: Path) -> Iterator[str]:
    """Start moto's server; give its address."""
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with log.open("w") as out, subprocess.Popen(command, stdout=out, stderr=out) as process:
        try:
            _wait_until_up(f"http://127.0.0.1:{port}/moto-api/", process)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.kill()


def _wait_until_up(url: str, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 600
    while True:
        assert process.poll() is None, "the S3 server has ended"
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            assert time.monotonic() < until, "the S3 server does not answer"
            time.sleep(0.1)


def client(address: str) -> Any:
    """Return a client that goes around the proxy and around this project."""
    names = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing", "region_name": "us-east-1"}
    patient = botocore.config.Config(read_timeout=600)  # the server takes its time for large files
    return boto3.client("s3", endpoint_url=address, config=patient, **names)


def environment(address: str) -> dict[str, str]:
    """Return the environment in which fsspec finds the server; a silent one is given up after `SILENCE`."""
    timeouts = {"connect_timeout": SILENCE, "read_timeout": SILENCE}
    once = {"mode": "standard", "total_max_attempts": 1}
    settings = {"config_kwargs": {**timeouts, "retries": once}}
    return {**os.environ, **KEYS, "AWS_ENDPOINT_URL": address, "FSSPEC_S3": json.dumps(settings)}


@dataclass
class Proxy:
    """Passes requests on to `server`; a share `faults` of them meets one of `kinds`.

    Attributes:
        requests: how many came, by method.
        injected: how many met a fault, by kind.
        latency: seconds that each request takes longer.
        refusing: whether connections are reset at once, as while a server restarts.
        allowed: requests after which all are refused, None = any number.
        conditions: whether conditional writes are passed on as such; older stores write in any case.
    """

    server: str
    faults: float = 0.0
    kinds: tuple[str, ...] = FAULTS
    seed: int = 0
    latency: float = 0.0
    refusing: bool = False
    allowed: int | None = None
    conditions: bool = True
    address: str = ""
    requests: Counter[str] = field(default_factory=Counter)
    injected: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    def down(self, seconds: float) -> None:
        """Refuse all connections for a time."""
        self.refusing = True
        threading.Timer(seconds, lambda: setattr(self, "refusing", False)).start()

    def refuse_after(self, requests: int) -> None:
        """Pass some more requests on, then none."""
        self.allowed = self.requests.total() + requests

    @contextlib.contextmanager
    def running(self) -> Iterator[Proxy]:
        """Serve in a thread of its own."""
        loop, up = asyncio.new_event_loop(), threading.Event()
        thread = threading.Thread(target=self._serve, args=(loop, up), daemon=True)
        thread.start()
        assert up.wait(30)
        try:
            yield self
        finally:
            loop.call_soon_threadsafe(loop.stop)
            thread.join(30)

    def _serve(self, loop: asyncio.AbstractEventLoop, up: threading.Event) -> None:
        asyncio.set_event_loop(loop)
        loop.run_until_complete(self._start())
        up.set()
        loop.run_forever()
        loop.run_until_complete(self._session.close())

    async def _start(self) -> None:
        self._session = aiohttp.ClientSession(auto_decompress=False)
        app = web.Application(client_max_size=1 << 30)
        app.router.add_route("*", "/{path:.*}", self._handle)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        port = free_port()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        self.address = f"http://127.0.0.1:{port}"

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        self.requests[request.method] += 1
        if self.latency:
            await asyncio.sleep(self.latency)
        if self.refusing or (self.allowed is not None and self.requests.total() > self.allowed):
            return self._reset(request)
        fault = self._random.choice(self.kinds) if self._random.random() < self.faults else None
        if fault is not None:
            self.injected[fault] += 1
        if fault in ("500", "503"):
            return web.Response(status=int(fault), text="<Error><Code>InternalError</Code></Error>")
        if fault == "silent":
            await asyncio.sleep(4 * SILENCE)
            return self._reset(request)
        if fault == "reset":
            return self._reset(request)
        try:
            return await self._pass_on(request, fault)
        except aiohttp.ClientConnectionError:  # the server is not there
            return self._reset(request)

    @staticmethod
    def _reset(request: web.Request) -> web.Response:
        if request.transport is not None:
            request.transport.abort()
        return web.Response()

    async def _pass_on(self, request: web.Request, fault: str | None) -> web.StreamResponse:
        body = await request.read()
        url = yarl.URL(self.server + request.raw_path, encoded=True)
        headers = request.headers.copy()
        if not self.conditions:
            headers.popall("If-None-Match", None)
        async with self._session.request(
            request.method, url, headers=headers, data=body or None, allow_redirects=False
        ) as answer:
            content = await answer.read()
            response = web.StreamResponse(status=answer.status, headers=answer.headers)
            if "Transfer-Encoding" in response.headers:
                del response.headers["Transfer-Encoding"]
            if request.method != "HEAD":
                response.content_length = len(content)
            await response.prepare(request)
            return await self._send(request, response, content, fault)

    async def _send(
        self, request: web.Request, response: web.StreamResponse, content: bytes, fault: str | None
    ) -> web.StreamResponse:
        half = len(content) // 2
        if fault in ("cut", "slow") and half:
            await response.write(content[:half])
            if fault == "cut":
                return self._reset(request)
            await asyncio.sleep(SILENCE / 2)
            content = content[half:]
        if content and request.method != "HEAD":
            await response.write(content)
        await response.write_eof()
        return response
