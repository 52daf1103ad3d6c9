"""Asked to stop, a run finishes what it is at, says "run me again" by its code, and loses nothing."""

import http.server
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from diar.jobs.extract.sections import stored_chunks
from diar.store.layout import Layout
from tests.commands import (
    clean_environment,
    command,
    extract,
    extract_arguments,
    handling,
    start_extract,
    write_archive,
    write_noise,
)
from tests.jobs.extract.comparison import assert_same_extraction
from tests.jobs.extract.test_interruption import published, wait_until

COUNT = 300
TERMINAL = {"stderr": subprocess.PIPE, "text": True, "start_new_session": True}


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_archive(tmp_path_factory.mktemp("archive"), [1.0 + number % 3 for number in range(COUNT)])


@pytest.fixture(scope="module")
def whole(archive: Path, tiny_model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What an undisturbed run makes of the archive."""
    folder = tmp_path_factory.mktemp("whole") / "out"
    assert extract(archive, folder, "--model_dir", tiny_model_dir).returncode == 0
    return folder


@pytest.fixture
def notice(tmp_path: Path) -> Iterator[tuple[str, Callable[[], None]]]:
    """An address that answers 404, and what makes it answer 200, as a cloud's metadata service does."""
    given = threading.Event()

    class Metadata(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if given.is_set() else 404)
            self.end_headers()

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Metadata) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/spot/instance-action", given.set
        server.shutdown()


def interrupt(process: subprocess.Popen, out: Path, act: Callable[[], None]) -> str:
    """Act once something is published; return what the run says until its end."""
    assert wait_until(lambda: len(published(out)) > 2, 900)
    act()
    _, errors = process.communicate(timeout=600)
    assert "Traceback" not in errors
    return str(errors)


def assert_goes_on(archive: Path, out: Path, whole: Path, model: Path) -> None:
    """Nothing is left half done; the same command makes the rest, and only the rest."""
    before = published(out)
    assert 0 < len(before) < COUNT, "the archive is too small to be interrupted"
    assert not list(out.rglob(".*")), "temporary files are left"
    assert extract(archive, out, "--model_dir", model).returncode == 0
    after = published(out)
    assert {name: after[name] for name in before} == before, "a published recording was computed twice"
    assert_same_extraction(whole, out)


def test_a_signal_to_all_processes_as_schedulers_send_it(
    archive: Path, whole: Path, tiny_model_dir: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    process = start_extract(archive, out, "--model_dir", tiny_model_dir, **TERMINAL)
    told = interrupt(process, out, lambda: os.killpg(process.pid, signal.SIGUSR1))
    assert process.returncode == 75, told
    assert f"interrupted (signal {int(signal.SIGUSR1)}); finishing the recordings that are begun" in told
    assert "stopped before the end; the same command goes on from here" in told
    assert_goes_on(archive, out, whole, tiny_model_dir)


def wait_for_all_but_the_endless_one(process: subprocess.Popen, out: Path) -> None:
    """They are published although their batch is not full, and long before the other one is given up."""
    wait_until(lambda: len(published(out)) == 3 or process.poll() is not None, 900)
    assert len(published(out)) == 3 and process.poll() is None


def endless(server: str, folder: Path) -> Path:
    """A list of which all but one recording can be read; that one is never done."""
    for number in range(3):
        write_noise(folder / f"{number}.wav", 1.0, number)
    names = [f"{server}/a.wav", *(f"{number}.wav" for number in range(3))]
    (folder / "list.jsonl").write_text("\n".join(json.dumps({"audio_filepath": name}) for name in names))
    return folder / "list.jsonl"


@pytest.mark.slow
def test_a_notice_of_a_spot_market_even_where_a_recording_hangs(
    notice: tuple[str, Callable[[], None]], silent_server: str, tiny_model_dir: Path, tmp_path: Path
) -> None:
    address, give = notice
    archive, out = endless(silent_server, tmp_path / "archive"), tmp_path / "out"
    options = ("--model_dir", tiny_model_dir, "--workers", 1, "--protocols", "http")
    options += ("--grace", 2, "--interruption_notice", address)
    process = start_extract(archive, out, *options, **TERMINAL)
    wait_for_all_but_the_endless_one(process, out)
    give()
    told = str(process.communicate(timeout=600)[1])
    assert process.returncode == 75, told
    assert f"interrupted (interruption notice {address})" in told
    assert len(published(out)) == 3


@pytest.mark.slow
def test_torchrun_lets_its_ranks_finish(archive: Path, tiny_model_dir: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    script = command("extract_embeddings_multigpu.py", *extract_arguments(archive, out))
    call = [sys.executable, *torchrun, *script[1:], "--model_dir", str(tiny_model_dir)]
    process = subprocess.Popen(call, env=clean_environment(), **TERMINAL)
    assert wait_until(lambda: len(published(out)) > 2, 900)
    process.terminate()
    _, told = process.communicate(timeout=600)
    assert process.returncode == 1, "torchrun's own code"
    assert "interrupted (signal 15); finishing the recordings that are begun" in told
    assert "stopped before the end" in told
    assert 0 < len(published(out)) < COUNT
    assert not list(out.rglob(".*")), "temporary files are left"


@pytest.mark.slow
def test_a_long_recording_keeps_what_is_computed(tiny_model_dir: Path, tmp_path: Path) -> None:
    archive, out = tmp_path / "archive", tmp_path / "out"
    write_noise(archive / "long.wav", 3600.0, 1)
    options = ("--model_dir", tiny_model_dir, "--workers", 1)
    process = start_extract(archive, out, *options, "--grace", 1, **TERMINAL)
    layout = Layout(str(out))
    assert wait_until(lambda: chunks(layout), 900)
    process.terminate()
    time.sleep(0.1)
    process.communicate(timeout=600)
    if process.returncode == 0:
        pytest.skip("done within the grace")
    assert process.returncode == 75
    assert chunks(layout), "which tests/jobs/extract/test_sections.py resumes"
    assert not published(out)


def chunks(layout: Layout) -> int:
    """How many chunks of the only recording are stored."""
    folders = Path(layout.sections(0)).glob("*")
    return sum(len(stored_chunks(str(folder))) for folder in folders)


@pytest.mark.slow
def test_a_second_signal_stops_at_once(silent_server: str, tiny_model_dir: Path, tmp_path: Path) -> None:
    archive, out = endless(silent_server, tmp_path / "archive"), tmp_path / "out"
    options = ("--model_dir", tiny_model_dir, "--workers", 1, "--protocols", "http", "--grace", 600)
    with handling(signal.SIGINT, signal.default_int_handler):
        process = start_extract(archive, out, *options, **TERMINAL)
    wait_for_all_but_the_endless_one(process, out)
    os.killpg(process.pid, signal.SIGINT)
    time.sleep(1.5)
    assert process.poll() is None
    os.killpg(process.pid, signal.SIGINT)
    _, told = process.communicate(timeout=600)
    assert process.returncode == 75
    assert "stopped at once; the same command goes on from here" in told
