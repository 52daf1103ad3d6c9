"""A real MLflow on loopback: its tracking server with registry, and a served model.

MLflow may live in an environment of its own: DIAR_MLFLOW_PYTHON names its Python. A served model needs this
environment's packages as well (a .pth file that names its folder, see `.ci/run`).
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.commands import clean_environment

PYTHON = os.environ.get("DIAR_MLFLOW_PYTHON", sys.executable)
MISSING = "no MLflow server: pip install mlflow, or name the Python that has it by DIAR_MLFLOW_PYTHON"
_START_SECONDS = 240  # on a machine that others use, too


def has_mlflow() -> bool:
    """Whether there is a whole MLflow, which has a server."""
    code = (
        "import importlib.util as u, sys; sys.exit(not all(map(u.find_spec, ('mlflow', 'flask', 'alembic'))))"
    )
    return subprocess.run([PYTHON, "-c", code], capture_output=True).returncode == 0


@contextlib.contextmanager
def tracking_server(folder: Path, port: int = 0) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Start a tracking server that keeps everything in `folder`; give its address and process."""
    folder.mkdir(parents=True, exist_ok=True)
    port = port or free_port()
    command = [PYTHON, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", port, "--workers", 1]
    places = [
        "--backend-store-uri",
        f"sqlite:///{folder}/db",
        "--artifacts-destination",
        folder / "artifacts",
    ]
    with _running([*command, *places], folder / "server.log", f"http://127.0.0.1:{port}/health") as process:
        yield f"http://127.0.0.1:{port}", process


@contextlib.contextmanager
def served_model(model: str, server: str, folder: Path) -> Iterator[str]:
    """Start `mlflow models serve` of a registered model; give its address."""
    port = free_port()
    command = [PYTHON, "-m", "mlflow", "models", "serve", "-m", model, "--env-manager", "local"]
    where = ["--host", "127.0.0.1", "--port", port]
    with _running([*command, *where], folder / "served.log", f"http://127.0.0.1:{port}/ping", server):
        yield f"http://127.0.0.1:{port}/invocations"


@contextlib.contextmanager
def _running(
    command: list[Any], log: Path, url: str, server: str | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    environment = clean_environment(PATH=f"{Path(PYTHON).parent}{os.pathsep}{os.environ['PATH']}")
    environment["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] = "false"  # seven processes that nobody here needs
    if server is not None:
        environment["MLFLOW_TRACKING_URI"] = server
    with log.open("ab") as out:
        process = subprocess.Popen(
            [str(word) for word in command], stdout=out, stderr=out, env=environment, start_new_session=True
        )
    try:
        _wait_until_up(url, process, log)
        yield process
    finally:
        stop(process)


def stop(process: subprocess.Popen[bytes]) -> None:
    """Kill a server and its workers, as `kill -9` does."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, 9)
    process.wait()


def _wait_until_up(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + _START_SECONDS
    while True:
        assert process.poll() is None, log.read_text()[-2000:]
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            assert time.monotonic() < until, log.read_text()[-2000:]
            time.sleep(0.2)


def ask(url: str, document: Any = None, timeout: float = 120) -> Any:
    """GET, or POST a document; return the answer's."""
    body = None if document is None else json.dumps(document).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=timeout) as answer:
        return json.loads(answer.read())


def runs_of(server: str, *, name: str | None = None, parent: str | None = None) -> list[dict[str, Any]]:
    """Return the runs of all experiments with a name or parent, the newest first, by what they hold."""
    api = f"{server}/api/2.0/mlflow"
    experiments = ask(f"{api}/experiments/search", {"max_results": 100})["experiments"]
    query: dict[str, Any] = {
        "experiment_ids": [one["experiment_id"] for one in experiments],
        "max_results": 1000,
    }
    conditions = []
    if name is not None:
        conditions.append(f"attributes.run_name = '{name}'")
    if parent is not None:
        conditions.append(f"tags.`mlflow.parentRunId` = '{parent}'")
    query["filter"] = " AND ".join(conditions)
    return [_plain(run) for run in ask(f"{api}/runs/search", query).get("runs", [])]


def history_of(server: str, run: str, metric: str) -> list[float]:
    """Return all values of a metric of a run, in order of time."""
    path = f"{server}/api/2.0/mlflow/metrics/get-history?run_id={run}&metric_key={metric}"
    return [point["value"] for point in ask(path)["metrics"]]


def artifacts_of(server: str, run: str) -> set[str]:
    """Return the names of the artifacts of a run itself."""
    found = ask(f"{server}/api/2.0/mlflow/artifacts/list?run_id={run}").get("files", [])
    return {file["path"] for file in found}


def _plain(run: dict[str, Any]) -> dict[str, Any]:
    data = run["data"]
    return {
        "id": run["info"]["run_id"],
        "status": run["info"]["status"],
        "name": run["info"]["run_name"],
        **{
            part: {one["key"]: one["value"] for one in data.get(part, ())}
            for part in ("metrics", "params", "tags")
        },
    }


def free_port() -> int:
    """Return a TCP port that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])
