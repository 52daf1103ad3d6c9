"""Throughput and latency of Triton with our networks against its batch delay: one Markdown table.

    python benchmarks/export_triton.py --triton TRITONSERVER_FOLDER [--delays 0,2,5,20] [--clients 64]
        [--requests 4] [--seconds 2]

TRITONSERVER_FOLDER is `pytriton/tritonserver` of an environment with nvidia-pytriton, onnxruntime and this
Python's version. Each client sends requests of noise, one after the other, to the ensemble, which answers by
both networks of Triton's Python backend on the CPU. Batch: requests of one forward pass of the encoder, in
the mean. Seconds: from a request to its answer, JSON included.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from diar.cli import main as diar_main

RATE = 16_000
PORT = 18_766
ADDRESS = f"http://127.0.0.1:{PORT}/v2"


def main(arguments: list[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--triton", type=Path, required=True)
    parser.add_argument("--delays", default="0,2,5,20", help="milliseconds")
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--requests", type=int, default=4, help="of each client")
    parser.add_argument("--seconds", type=float, default=2.0, help="of audio in a request")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        repository = Path(folder) / "repository"
        command = ["export", "--format", "triton", "--triton_backend", "python"]
        if diar_main([*command, "--output_dir", str(repository)]):
            sys.exit("no repository was made")
        print("| delay ms | requests a second | p50 s | p95 s | batch |\n|---|---|---|---|---|", flush=True)
        for delay in options.delays.split(","):
            set_delay(repository, float(delay))
            with served(options.triton, repository, Path(folder)):
                cells = measure(options.clients, options.requests, options.seconds)
            print(f"| {delay} | " + " | ".join(cells) + " |", flush=True)


def set_delay(repository: Path, milliseconds: float) -> None:
    """Change the time that requests wait for others."""
    for file in repository.glob("*/config.pbtxt"):
        text = re.sub(r"(delay_microseconds: )\d+", rf"\g<1>{round(1000 * milliseconds)}", file.read_text())
        file.write_text(text)


def measure(clients: int, requests: int, seconds: float) -> list[str]:
    """Return the cells of a line."""
    body = request_body(seconds)
    ask(body)  # a first request opens what is opened late
    executions, answered = counts()
    began = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        took = sorted(
            one
            for own in pool.map(lambda _: [ask(body) for _ in range(requests)], range(clients))
            for one in own
        )
    passed = time.perf_counter() - began
    later, total = counts()
    batch = (total - answered) / (later - executions)
    quantiles = [f"{np.quantile(took, share):.2f}" for share in (0.5, 0.95)]
    return [f"{len(took) / passed:.1f}", *quantiles, f"{batch:.1f}"]


def request_body(seconds: float) -> bytes:
    """Return a request for noise and one speaker who speaks all the time."""
    waveform = np.random.default_rng(0).normal(0, 0.1, (1, int(seconds * RATE))).astype(np.float32)
    masks = np.ones((1, 1, 1 + (waveform.shape[1] - 400) // 160), np.float32)
    inputs = [
        {"name": name, "shape": list(array.shape), "datatype": "FP32", "data": array.ravel().tolist()}
        for name, array in (("waveform", waveform), ("masks", masks))
    ]
    return json.dumps({"inputs": inputs}).encode()


def ask(body: bytes) -> float:
    """Return the seconds that an answer took."""
    began = time.perf_counter()
    with urllib.request.urlopen(f"{ADDRESS}/models/speakers/infer", body, timeout=300) as answer:
        json.load(answer)
    return time.perf_counter() - began


def counts() -> tuple[int, int]:
    """Return the forward passes of the encoder so far, and the requests that they answered."""
    with urllib.request.urlopen(f"{ADDRESS}/models/speaker_embedding/stats", timeout=60) as answer:
        (told,) = json.load(answer)["model_stats"]
    return int(told["execution_count"]), int(told["inference_count"])


@contextmanager
def served(home: Path, repository: Path, folder: Path) -> Iterator[None]:
    """Serve a repository within the block."""
    backends = folder / "backends"
    if not backends.is_dir():
        stubs = home / "python_backend_stubs" / f"{sys.version_info.major}.{sys.version_info.minor}"
        shutil.copytree(home / "backends", backends)
        shutil.copy(stubs / "triton_python_backend_stub", backends / "python")
    environment = os.environ | {
        "LD_LIBRARY_PATH": str(home.parent.parent / "nvidia_pytriton.libs"),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    command = [str(home / "bin/tritonserver"), f"--model-repository={repository}", f"--http-port={PORT}"]
    command += [f"--backend-directory={backends}", "--http-address=127.0.0.1", "--allow-grpc=false"]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [*command, "--allow-metrics=false"], env=environment, stdout=log, stderr=log
        )
    try:
        while not is_ready():
            if process.poll() is not None:
                sys.exit((folder / "log").read_text()[-5000:])
            time.sleep(0.5)
        yield
    finally:
        process.terminate()
        process.wait(120)


def is_ready() -> bool:
    """Whether all models can be asked."""
    try:
        urllib.request.urlopen(f"{ADDRESS}/health/ready", timeout=5).close()
    except OSError:
        return False
    return True


if __name__ == "__main__":
    main()
