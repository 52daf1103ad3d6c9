"""`diar words` of an extraction in a bucket: one run at a time, or several that share the work."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from diar.cli import main
from diar.errors import EXIT_ERROR, EXIT_OK
from diar.leases.alone import Waiting, lease_of_run
from diar.leases.places import anybody
from diar.outputs.managed_directory import lock_of
from diar.store.reader import done_shards
from diar.store.words import WordsLayout, read_words
from tests.asr.servers import Asked, Reply, answer, serving
from tests.commands import clean_environment, run_module
from tests.custody.sample import write_extraction, write_result
from tests.remote.servers import Proxy, client
from tests.remote.test_results import contents
from tests.remote.test_stages import download, keys, upload, variables

HEARD = [{"word": "good", "start": 1.0, "end": 1.4}, {"word": "day", "start": 1.5, "end": 1.9}]


@dataclass
class Gate:
    """A recogniser that keeps its answers back until it is opened."""

    url: str = ""
    opened: threading.Event = field(default_factory=threading.Event)
    waiting: int = 0

    def hear(self, asked: Asked) -> Reply:
        self.waiting += 1
        self.opened.wait(900)
        return answer({"text": "Good day.", "language": "english", "words": HEARD})


@pytest.fixture
def gate() -> Iterator[Gate]:
    held = Gate()
    with serving(held.hear) as server:
        held.url = server.url
        yield held
        held.opened.set()


@pytest.fixture
def outputs(tmp_path: Path) -> tuple[Path, Path]:
    """An extraction of four shards without words, and its result."""
    embeddings, result = write_extraction(tmp_path, files_a_shard=1), write_result(tmp_path)
    shutil.rmtree(embeddings / "_words")
    return embeddings, result


def words_call(embeddings: object, gate: Gate, *options: object) -> list[str]:
    call = ("words", "--embeddings_dir", embeddings, "--asr", gate.url, "--workers", 1, "--batch", 1)
    return ["-m", "diar", *map(str, (*call, "--asr_timeout", 900, *options))]


def start(embeddings: object, gate: Gate, *options: object, **more: str) -> subprocess.Popen[str]:
    call = [sys.executable, *words_call(embeddings, gate, *options)]
    pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    return subprocess.Popen(call, env=clean_environment(**more), start_new_session=True, text=True, **pipes)


def wait_until(found: Callable[[], bool], *tasks: subprocess.Popen[str]) -> None:
    until = time.monotonic() + 900
    while not found():
        ended = [task.communicate()[1] for task in tasks if task.poll() is not None]
        assert not ended and time.monotonic() < until, ended
        time.sleep(0.1)


def worker_at(server: str, bucket: str, place: str) -> psutil.Process:
    told = client(server).get_object(Bucket=bucket, Key=f"E/_words/{place}")["Body"].read()
    return psutil.Process(json.loads(told)["pid"])


def kill(task: subprocess.Popen[str], worker: psutil.Process) -> None:
    os.killpg(task.pid, signal.SIGKILL)
    worker.kill()
    task.communicate()


def all_words(embeddings: Path) -> dict[str, list[tuple[float, str]]]:
    layout = WordsLayout(str(embeddings))
    return {
        recording: [(word.start, word.text) for word in words]
        for shard in done_shards(layout)
        for recording, (_, words) in read_words(layout, shard).items()
    }


@pytest.mark.slow
def test_of_two_runs_one_is_refused_and_a_dead_one_holds_nobody_up(
    through: Proxy, bucket: str, gate: Gate, outputs: tuple[Path, Path], tmp_path: Path
) -> None:
    here, _ = outputs
    upload(through.server, bucket, here, "E")
    there, more = f"s3://{bucket}/E", variables(through)
    first = start(there, gate, **more)
    wait_until(lambda: gate.waiting > 0, first)
    worker = worker_at(through.server, bucket, "running/place_000.json")
    for joining in ((), ("--join",)):
        refused = run_module(*words_call(there, gate, *joining)[1:], **more)
        assert refused.returncode == EXIT_ERROR, refused.stderr
        assert f"another run is writing here, process {worker.pid} on " in refused.stderr
        assert f"and holds {there}/_words/running" in refused.stderr
    assert gate.waiting == 1, "who is refused recognises nothing"
    kill(first, worker)
    gate.opened.set()
    for place, given in ((there, more), (here, {})):
        done = run_module(*words_call(place, gate)[1:], **given)
        assert done.returncode == EXIT_OK, done.stderr
    found = all_words(download(through.server, bucket, "E", tmp_path / "copy"))
    assert found == all_words(here) and len(found) == 4 and all(found.values())
    assert not [key for key in keys(through.server, bucket, "E") if "running" in key]
    assert main(["verify", there]) == EXIT_OK


@pytest.mark.slow
def test_of_three_joined_processes_two_do_the_rest_when_one_dies(
    through: Proxy, bucket: str, gate: Gate, outputs: tuple[Path, Path], tmp_path: Path
) -> None:
    here, result = outputs
    for folder, name in ((here, "E"), (result, "R")):
        upload(through.server, bucket, folder, name)
    there, options = f"s3://{bucket}/E", ("--join", "--result", f"s3://{bucket}/R")
    through.faults, through.kinds = 0.02, ("500", "503", "reset", "cut")
    tasks = []
    for number in range(3):
        tasks.append(start(there, gate, *options, **variables(through)))
        wait_until(lambda wanted=number: gate.waiting > wanted, *tasks)
    refused = run_module(*words_call(there, gate)[1:], **variables(through))
    assert refused.returncode == EXIT_ERROR and "share its work with --join" in refused.stderr, refused.stderr
    kill(tasks[1], worker_at(through.server, bucket, "joined/place_001.json"))
    gate.opened.set()
    told = [tasks[number].communicate(timeout=900)[1] for number in (0, 2)]
    assert [tasks[number].returncode for number in (0, 2)] == [EXIT_OK, EXIT_OK], told
    assert "is dead or cut off: its shards are taken over" in "".join(told)
    assert sum("words of 4 recordings -> " in text for text in told) >= 1, told
    through.faults = 0.0

    half = here / f"_words/shards/.diar-{'0' * 32}.tmp"
    half.parent.mkdir(parents=True)
    half.write_bytes(b"half a file of a killed run")
    alone = run_module(*words_call(here, gate, "--result", result)[1:])
    assert alone.returncode == EXIT_OK, alone.stderr
    assert not half.exists()
    assert all_words(download(through.server, bucket, "E", tmp_path / "E copy")) == all_words(here)
    written = contents(download(through.server, bucket, "R", tmp_path / "R copy"))
    assert written == contents(result)
    assert sum(name.endswith("words.srt") for name in written) == 4
    assert not anybody(f"{there}/_words/joined"), "only the dead one has left its place"
    assert not keys(through.server, bucket, "R/_detection/running")


def test_words_wait_for_who_writes_to_the_result(
    through: Proxy, bucket: str, gate: Gate, outputs: tuple[Path, Path]
) -> None:
    here, result = outputs
    upload(through.server, bucket, result, "R")
    gate.opened.set()
    place = f"s3://{bucket}/R"
    with lease_of_run(lock_of(place), True, 60.0, Waiting(0.0, print), print):
        task = start(here, gate, "--result", place, **variables(through))
        wait_until(lambda: len(all_words(here)) == 4, task)
        time.sleep(2)
        assert task.poll() is None and not [key for key in keys(through.server, bucket, "R") if ".srt" in key]
    told = task.communicate(timeout=900)[1]
    assert task.returncode == EXIT_OK, told
    assert sum(key.endswith("words.srt") for key in keys(through.server, bucket, "R")) == 4
