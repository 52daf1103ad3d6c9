"""Servers for the benchmarks of live diarization: `diar serve`, Redis, nginx, all on loopback, all real."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.request import Request, urlopen

import jwt
import psutil

ROOT = Path(__file__).resolve().parent.parent
SECRET = "the secret of a benchmark, which has more than thirty-two bytes"


@dataclass
class Served:
    """A `diar serve` that runs."""

    process: subprocess.Popen
    address: str = ""  # host:port
    lines: list[str] = field(default_factory=list)  # of stderr

    @property
    def url(self) -> str:
        """The address of live sessions."""
        return f"ws://{self.address}/v1/live"

    @property
    def alive(self) -> bool:
        """Whether the process still runs."""
        return self.process.poll() is None

    def memory(self) -> list[int]:
        """Return the resident bytes of the process, then of each that computes for it."""
        process = psutil.Process(self.process.pid)
        return [one.memory_info().rss for one in (process, *process.children(recursive=True))]

    def metrics(self) -> dict[str, float]:
        """Return all metrics by name with labels."""
        request = Request(f"http://{self.address}/metrics", headers=bearer(token(scope="admin")))
        with urlopen(request, timeout=30) as got:
            lines = got.read().decode().splitlines()
        parts = (line.rsplit(" ", 1) for line in lines if line and not line.startswith("#"))
        return {name: float(value) for name, value in parts}

    def kill_worker(self) -> None:
        """End one of the processes that compute streams: they take the most memory."""
        children = psutil.Process(self.process.pid).children()
        max(children, key=lambda child: child.memory_info().rss).kill()

    def kill(self) -> None:
        """End it as a power cut would."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


@contextmanager
def serve(folder: Path, *options: object) -> Iterator[Served]:
    """Start `diar serve` with tokens, wait until it is ready, end it at last."""
    folder.mkdir(parents=True, exist_ok=True)
    secret = folder / "secret"
    secret.write_text(SECRET)
    call = [sys.executable, "-m", "diar", "serve", "--port", "0", "--jwt_secret_file", str(secret)]
    call += ["--audit_log", str(folder / "audit.jsonl"), *map(str, options)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    served = Served(subprocess.Popen(call, env=environment, stderr=subprocess.PIPE, text=True))
    try:
        _wait(served)
        yield served
    finally:
        if served.alive:
            served.process.terminate()
            try:
                served.process.wait(20)
            except subprocess.TimeoutExpired:
                served.kill()


def _wait(served: Served) -> None:
    assert served.process.stderr is not None
    for line in served.process.stderr:
        served.lines.append(line.rstrip())
        found = re.search(r"listening on https?://(\S+)", line)
        served.address = found[1] if found else served.address
        if "ready:" in line:
            break
    else:
        raise SystemExit("diar serve did not start:\n" + "\n".join(served.lines))
    threading.Thread(target=_read_on, args=(served,), daemon=True).start()


def _read_on(served: Served) -> None:
    assert served.process.stderr is not None
    for line in served.process.stderr:
        served.lines.append(line.rstrip())


def token(key: str = SECRET, algorithm: str = "HS256", **claims: object) -> str:
    """Return a token of a caller; `claims` replace those of a good one."""
    good = {"sub": "benchmark", "tenant": "a", "exp": time.time() + 86_400, "scope": "live jobs"}
    return jwt.encode({**good, **claims}, key, algorithm)


def bearer(text: str) -> dict[str, str]:
    """Return the header that carries a token."""
    return {"Authorization": f"Bearer {text}"}


def free_port() -> int:
    """Return a port that nobody uses now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextmanager
def program(call: list[str], port: int) -> Iterator[subprocess.Popen]:
    """Run a server until the end of the block; wait until its port answers."""
    if shutil.which(call[0]) is None:
        raise SystemExit(f"{call[0]} is not installed")
    process = subprocess.Popen(call, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 10
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                if time.monotonic() > until:
                    raise SystemExit(f"{call[0]} does not start") from None
                time.sleep(0.05)
        yield process
    finally:
        process.kill()
        process.wait()


def redis_call(port: int, folder: Path) -> list[str]:
    """Return what starts Redis."""
    return ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]


def nginx_call(folder: Path, port: int, replicas: list[str]) -> list[str]:
    """Write a configuration with the locations of launch/nginx.conf; return what starts nginx."""
    recipe = (ROOT / "launch" / "nginx.conf").read_text(encoding="utf-8")
    locations = recipe[recipe.index("# locations") : recipe.index("# end of locations")]
    servers = " ".join(f"server {address} max_fails=1 fail_timeout=2s;" for address in replicas)
    (folder / "nginx.conf").write_text(
        f"""daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 4096; }}
http {{
  access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  upstream diar {{ {servers} }}
  map $http_upgrade $connection_upgrade {{ default upgrade; '' ''; }}
  server {{ listen 127.0.0.1:{port}; {locations} }}
}}"""
    )
    return ["nginx", "-p", str(folder), "-c", str(folder / "nginx.conf")]


def audit(folder: Path) -> list[dict[str, object]]:
    """Return the lines of a server's audit log."""
    file = folder / "audit.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
