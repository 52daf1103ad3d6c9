"""Text to speech over HTTP: time to the first audio, kept answers, many clients, and a soak.

    python benchmarks/speech.py
    python benchmarks/speech.py --clients 4 --minutes 30

Starts `diar serve --voices` and lets clients ask for sentences, one after the other each. The table: time to
the first audio of texts that are new and of texts that were spoken before, characters a second, real-time
factor, refusals; with `--minutes`, memory of all processes of the service at the beginning and the end.
"""

from __future__ import annotations

import argparse
import http.client
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import psutil

from diar.demo.sentences import REPLIES, SENTENCES

PORT = 8671


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--voices", default="kokoro-82m")
    parser.add_argument("--voice", default="alpha")
    parser.add_argument("--clients", type=int, default=1)
    parser.add_argument("--texts", type=int, default=16, help="of each client, without --minutes")
    parser.add_argument("--minutes", type=float, help="soak for so long")
    options = parser.parse_args()
    with service(options.voices) as process:
        ask(options.voices, options.voice, "The first text opens the synthesizer.")
        before = memory(process)
        results = load(options)
        after = memory(process)
    tell(options, results, before, after)


@contextmanager
def service(voices: str) -> Iterator[psutil.Process]:
    """Start the service; its caller is everybody on this machine."""
    call = [sys.executable, "-m", "diar", "serve", "--insecure", "--port", str(PORT), "--voices", voices]
    limits = ["--requests_per_minute", "1000000", "--characters_per_minute", "100000000", "--audit_log", ""]
    limits += ["--caller_speech", "16"]
    with subprocess.Popen([*call, *limits, "--job_workers", "0", "--asr", ""]) as started:
        try:
            while not ready():
                time.sleep(0.2)
            yield psutil.Process(started.pid)
        finally:
            started.terminate()


def ready() -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=5)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def ask(model: str, voice: str, text: str) -> tuple[int, float, float]:
    """Return the status, and the seconds to the first audio and to the last."""
    connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=600)
    body = {"model": model, "voice": voice, "input": text, "response_format": "pcm"}
    began = time.perf_counter()
    connection.request("POST", "/v1/audio/speech", json.dumps(body), {"Content-Type": "application/json"})
    answer = connection.getresponse()
    answer.read(1)
    first = time.perf_counter() - began
    answer.read()
    connection.close()
    return answer.status, first, time.perf_counter() - began


def load(options: argparse.Namespace) -> list[tuple[str, int, float, float, int]]:
    """Let all clients ask; return kind, status, seconds to first and last audio, and characters of each."""
    found: list[tuple[str, int, float, float, int]] = []
    until = time.monotonic() + 60 * options.minutes if options.minutes else None

    def client(number: int) -> None:
        rng = np.random.default_rng(number)
        asked = 0
        while time.monotonic() < until if until else asked < options.texts:
            texts = [*rng.choice(SENTENCES, 2), f"{REPLIES[asked % len(REPLIES)]} Number {number} {asked}."]
            text = " ".join(map(str, texts))
            for kind in ("new", "kept"):
                found.append((kind, *ask(options.voices, options.voice, text), len(text)))
            asked += 1

    threads = [threading.Thread(target=client, args=(number,)) for number in range(options.clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def memory(process: psutil.Process) -> float:
    """Return MiB of the service's processes that no other has."""
    family = [process, *process.children(recursive=True)]
    return sum(one.memory_full_info().uss for one in family) / 2**20


def tell(
    options: argparse.Namespace,
    results: list[tuple[str, int, float, float, int]],
    before: float,
    after: float,
) -> None:
    print(f"\n{options.voices}, {options.clients} clients, texts of three sentences")
    print(f"{'':6}{'texts':>7}{'refused':>9}{'first p50':>11}{'p95':>8}{'all p50':>9}{'char/s':>8}")
    for kind in ("new", "kept"):
        own = [one for one in results if one[0] == kind]
        good = [one for one in own if one[1] == 200]
        first, last = (np.array([one[place] for one in good]) for place in (2, 3))
        rate = sum(one[4] for one in good) / last.sum() * options.clients
        p50, p95 = np.percentile(first, [50, 95])
        print(
            f"{kind:6}{len(own):7}{len(own) - len(good):9}{p50:11.3f}{p95:8.3f}"
            f"{np.median(last):9.2f}{rate:8.0f}"
        )
    print(f"memory of the service: {before:.0f} MiB, then {after:.0f} MiB")


if __name__ == "__main__":
    main()
