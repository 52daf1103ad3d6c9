"""One server for most tests, networks that are opened once, and a real Redis where it is installed."""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("fastapi", reason="diar[service] is not installed")
pytest.importorskip("uvicorn", reason="diar[service] is not installed")
pytest.importorskip("jwt", reason="diar[service] is not installed")
pytest.importorskip("redis", reason="diar[service] is not installed")

from tests.commands import RATE
from tests.service.serving import AUDIENCE, ISSUER, SECRET, Running, bearer, serving, token


@pytest.fixture(scope="session")
def live_models(tiny_model_dir: Path, segmentation_dir: Path) -> Any:
    """Real segmentation; a very small encoder, since here it does not matter who is who."""
    from diar.online.models import LiveModels

    return LiveModels.open(str(tiny_model_dir), str(segmentation_dir), device="cpu")


@pytest.fixture(scope="session")
def secret_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("secret") / "secret"
    file.write_text(SECRET)
    return file


@pytest.fixture(scope="session")
def guarded(secret_file: Path) -> dict[str, Any]:
    """Options of a server that wants tokens."""
    return {"jwt_secret_file": secret_file, "issuer": ISSUER, "audience": AUDIENCE}


@pytest.fixture(scope="module")
def server(
    live_models: Any, guarded: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    """A server that wants tokens; requests have anna's, who may use sessions and jobs, unless they say."""
    log = tmp_path_factory.mktemp("audit") / "audit.jsonl"
    with serving(live_models, **guarded, audit_log=str(log), idle_seconds=5.0, caller_sessions=4) as running:
        running.headers = bearer(token())
        yield running


@pytest.fixture(scope="session")
def talk(conversation: np.ndarray) -> np.ndarray:
    """(n,) float32, 12 s of two voices."""
    return conversation[: 12 * RATE]


@pytest.fixture
def redis_url(tmp_path: Path) -> Iterator[str]:
    """A Redis of this test's own."""
    with running_redis(tmp_path) as (url, _):
        yield url


class running_redis:
    """A real Redis on a free port, which can be stopped and started again."""

    def __init__(self, folder: Path) -> None:
        if shutil.which("redis-server") is None:
            pytest.skip("redis-server is not installed")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.folder = folder
        self.process: subprocess.Popen | None = None

    def __enter__(self) -> tuple[str, "running_redis"]:
        self.start()
        return f"redis://127.0.0.1:{self.port}/0", self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        call = [
            "redis-server",
            "--port",
            str(self.port),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--dir",
            str(self.folder),
        ]
        self.process = subprocess.Popen(call, stdout=subprocess.DEVNULL)
        until = time.monotonic() + 10
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                assert time.monotonic() < until, "Redis does not start"
                time.sleep(0.05)

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        self.process = None
