"""Stage 2 writes to an output alone: a second one is refused, who was killed holds nobody up."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from diar.errors import EXIT_ERROR, EXIT_OK
from tests.commands import clean_environment, detect_here
from tests.custody.sample import diar, write_extraction

OPTIONS = ("--task", "turns", "--no_plot", "--processes", 1)
NAMES = {"schema": "diar.names", "schema_version": "1.0", "names": {"person_0001": "Anna"}}


@pytest.fixture(scope="module")
def embeddings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_extraction(tmp_path_factory.mktemp("writer"))


def wait_until(found: Callable[[], bool], process: subprocess.Popen) -> None:
    until = time.monotonic() + 600
    while not found():
        assert process.poll() is None and time.monotonic() < until, process.communicate()
        time.sleep(0.05)


def start(embeddings: Path, output: Path, pipe: Path) -> subprocess.Popen:
    """Start stage 2 and wait until it writes to `output`; it then waits for names from a pipe."""
    os.mkfifo(pipe)
    call = ["-m", "diar", "detect", "--embeddings_dir", embeddings, "--output_dir", output, *OPTIONS]
    process = subprocess.Popen(
        [sys.executable, *map(str, call), "--names", str(pipe)],
        env=clean_environment(),
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_until((output / "_detection/run.lock").exists, process)
    return process


def test_a_second_one_is_refused_and_the_first_ends_undisturbed(embeddings: Path, tmp_path: Path) -> None:
    output, pipe = tmp_path / "R", tmp_path / "names"
    first = start(embeddings, output, pipe)
    refused = detect_here(embeddings, output, *OPTIONS)
    assert refused.returncode == EXIT_ERROR
    who = f"another run is writing here, process {first.pid} on "
    assert who in refused.stderr and f"and holds {output}/_detection/run.lock" in refused.stderr
    pipe.write_text(json.dumps(NAMES))
    told = first.communicate(timeout=600)[1]
    assert first.returncode == EXIT_OK, told
    assert not (output / "_detection/run.lock").exists()
    assert diar("verify", output, "--embeddings_dir", embeddings).returncode == EXIT_OK
    again = detect_here(embeddings, output, *OPTIONS)
    assert again.returncode == EXIT_OK, again.stderr


def test_one_that_was_killed_holds_nobody_up(embeddings: Path, tmp_path: Path) -> None:
    output = tmp_path / "R"
    first = start(embeddings, output, tmp_path / "names")
    os.kill(first.pid, signal.SIGKILL)
    first.communicate()
    assert (output / "_detection/run.lock").exists(), "nobody has removed it"
    again = detect_here(embeddings, output, *OPTIONS)
    assert again.returncode == EXIT_OK, again.stderr
    looked = diar("verify", output)
    assert looked.returncode == EXIT_OK and "did not write" not in looked.stdout
    assert not (output / "_detection/run.lock").exists()


def test_what_is_refused_leaves_no_folder(embeddings: Path, tmp_path: Path) -> None:
    refused = detect_here(embeddings, tmp_path / "R", "--task", "turns", "--names", tmp_path / "nothing")
    assert refused.returncode == EXIT_ERROR
    assert not (tmp_path / "R").exists()
