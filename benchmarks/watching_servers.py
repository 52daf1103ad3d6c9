"""What `watching.py` runs: commands of diar, Prometheus, the service, files of metrics over HTTP."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from running import ROOT

LAUNCH = ROOT / "launch"


def free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def start(*arguments: object, **options: Any) -> subprocess.Popen:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    call = [sys.executable, "-m", "diar", *map(str, arguments)]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.Popen(call, env=environment, **{**quiet, **options})


def run(*arguments: object) -> None:
    """Run a command of diar to its end. SystemExit unless it was done."""
    process = start(*arguments, stderr=subprocess.PIPE, text=True)
    told = process.communicate()[1]
    if process.returncode not in (0, 3):
        raise SystemExit(f"diar {arguments[0]} ended with {process.returncode}:\n{told}")


def end(process: subprocess.Popen) -> None:
    process.terminate()
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()


@contextmanager
def files_served(folder: Path, port: int) -> Iterator[Path]:
    """Serve metrics files over HTTP."""
    folder.mkdir(exist_ok=True)

    class Quiet(SimpleHTTPRequestHandler):
        extensions_map = {".prom": "text/plain; version=0.0.4"}

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield folder
    finally:
        server.shutdown()


def write_config(path: Path, ports: dict[str, int], also: list[str]) -> None:
    def job(name: str, port: int, where: str = "/metrics") -> dict[str, Any]:
        return {
            "job_name": name,
            "metrics_path": where,
            "static_configs": [{"targets": [f"127.0.0.1:{port}"]}],
        }

    jobs = [
        job("archive", ports["extract"]),
        job("archive-detect", ports["detect"]),
        job("live", ports["serve"]),
    ]
    jobs += [job(name, ports["files"], f"/{name}.prom") for name in ("extract", "detect", "score")]
    for name, _, target in (one.partition("=") for one in also):
        jobs.append({"job_name": name, "static_configs": [{"targets": [target]}]})
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "2s"},
        "rule_files": [str(LAUNCH / "prometheus" / name) for name in ("rules.yaml", "alerts.yaml")],
        "scrape_configs": jobs,
    }
    path.write_text(json.dumps(config))  # JSON is YAML


@contextmanager
def prometheus(folder: Path, port: int) -> Iterator[None]:
    call = [
        "prometheus",
        f"--config.file={folder / 'prometheus.yaml'}",
        f"--storage.tsdb.path={folder / 'tsdb'}",
    ]
    call.append(f"--web.listen-address=127.0.0.1:{port}")
    with (folder / "prometheus.log").open("w") as log:
        process = subprocess.Popen(call, stdout=log, stderr=log)
        try:
            wait_for(f"http://127.0.0.1:{port}/-/ready", process)
            yield
        finally:
            end(process)


@contextmanager
def service(folder: Path, port: int) -> Iterator[None]:
    options = ("--insecure", "--port", port, "--open_metrics", "--asr", "", "--log_format", "json")
    with (folder / "serve.log").open("w") as log:
        process = start("serve", *options, stderr=log)
        try:
            wait_for(f"http://127.0.0.1:{port}/readyz", process)
            yield
        finally:
            end(process)


def wait_for(url: str, process: subprocess.Popen) -> None:
    until = time.monotonic() + 300
    while time.monotonic() < until and process.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except OSError:
            time.sleep(0.3)
    raise SystemExit(f"{url} does not answer")


def send_job(port: int, audio: Path) -> str:
    """Upload a recording; return where its job is."""
    jobs = f"http://127.0.0.1:{port}/v1/jobs"
    call = urllib.request.Request(
        f"{jobs}?name={urllib.parse.quote(audio.name)}", audio.read_bytes(), method="POST"
    )
    with urllib.request.urlopen(call, timeout=60) as answer:
        return f"{jobs}/{json.load(answer)['id']}"


def wait_for_job(url: str) -> None:
    until = time.monotonic() + 600
    while time.monotonic() < until:
        with urllib.request.urlopen(url, timeout=60) as answer:
            if json.load(answer)["status"] in ("done", "failed"):
                return
        time.sleep(1)
    raise SystemExit(f"{url} does not end")
