"""kill -9 at random moments: what was published stays, nothing is computed twice, the end is the same.

Three kills by default, one of each kind; DIAR_KILLS=10 for the full exercise.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from diar.jobs.progress.events import read_events
from diar.store.layout import Layout
from diar.store.reader import load_index
from tests.commands import (
    clean_environment,
    command,
    extract,
    extract_arguments,
    handling,
    start_extract,
    write_archive,
)
from tests.jobs.extract.comparison import assert_same_extraction

KILLS = int(os.environ.get("DIAR_KILLS", "3"))
TARGETS = ("one worker", "all", "launcher")


def published(output: Path) -> dict[str, tuple[int, int]]:
    """Published recordings with inode and time: both change if one is written again."""
    files = output.rglob("*.wav.parquet")
    return {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in files}


def workers_of(launcher: psutil.Process) -> list[psutil.Process]:
    servers = [child for child in launcher.children() if "forkserver" in " ".join(child.cmdline())]
    return [worker for server in servers for worker in server.children()]


def kill(launcher: psutil.Process, target: str, rng: random.Random) -> None:
    workers = workers_of(launcher)
    victims = {"one worker": [rng.choice(workers)], "all": [launcher, *workers], "launcher": [launcher]}[
        target
    ]
    for victim in victims:
        victim.send_signal(signal.SIGKILL)


def wait_until(condition, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return False


@pytest.mark.slow
@pytest.mark.timeout(600 + 120 * KILLS)
def test_killed_at_random_moments_the_run_goes_on_where_it_was(tiny_model_dir: Path, tmp_path: Path) -> None:
    rng = random.Random(7)
    archive = write_archive(tmp_path / "archive", [rng.uniform(0.5, 3.0) for _ in range(200 + 150 * KILLS)])
    model = ("--model_dir", tiny_model_dir)
    whole = tmp_path / "whole"
    assert extract(archive, whole, *model).returncode == 0

    out = tmp_path / "out"
    interrupted = 0
    for number in range(KILLS):
        before = published(out)
        process = start_extract(archive, out, *model, "--max_restarts", 0)
        launcher = psutil.Process(process.pid)
        started = wait_until(lambda seen=before: len(published(out)) > len(seen) + 1, 240)
        assert started or process.poll() is not None
        time.sleep(rng.uniform(0, 1.0))
        if process.poll() is None:
            orphans = workers_of(launcher)
            kill(launcher, TARGETS[number % len(TARGETS)], rng)
            process.wait(240)
            assert process.returncode != 0
            assert wait_until(lambda left=orphans: not any(p.is_running() for p in left), 60), "orphans go on"
            interrupted += 1
        after = published(out)
        assert {name: after[name] for name in before} == before, "a published recording was computed twice"
    assert interrupted >= min(KILLS, 3), "the archive is too small to be interrupted"

    before = published(out)
    last = extract(archive, out, *model)
    assert last.returncode == 0, last.stderr
    after = published(out)
    assert {name: after[name] for name in before} == before, "a published recording was computed twice"
    assert_same_extraction(whole, out)
    assert not list(out.rglob(".*")), "temporary files are left"


def progress(output: Path) -> dict[int, dict[str, Any]]:
    """What the ranks say of themselves, by rank."""
    files = (Path(Layout(str(output)).progress(rank)) for rank in (0, 1))
    records = [json.loads(file.read_text()) for file in files if file.exists()]
    return {record["rank"]: record for record in records}


def test_a_killed_worker_is_started_again_and_hurts_nobody(tiny_model_dir: Path, tmp_path: Path) -> None:
    rank = 0  # which holds most: the plan, the display, the final statistics
    archive = write_archive(tmp_path / "archive", [1.0] * 600)
    out = tmp_path / "out"
    terminal = {"stderr": subprocess.PIPE, "text": True}
    process = start_extract(archive, out, "--model_dir", tiny_model_dir, "--overwrite", **terminal)
    assert wait_until(lambda: len(published(out)) > 2 and len(progress(out)) == 2, 240)
    pids = {number: record["pid"] for number, record in progress(out).items()}
    before = published(out)
    half_written = out / "_extraction" / f".diar-{'0' * 32}.tmp"
    half_written.touch()
    os.kill(pids[rank], signal.SIGKILL)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    assert f"worker {rank} died (signal 9, SIGKILL" in errors
    assert "Traceback" not in errors
    after = published(out)
    assert len(after) == 600
    assert {name: after[name] for name in before} == before, "a published recording was computed twice"
    records = progress(out)
    assert records[rank]["pid"] != pids[rank]
    assert records[1 - rank]["pid"] == pids[1 - rank], "the other worker was started again, too"
    counted = [record["counters"] for record in records.values()]
    assert sum(counters["files"] + counters["skipped_files"] for counters in counted) == 600
    assert load_index(str(out)).unfinished == 0
    assert not half_written.exists() and not list(out.rglob(".*")), "of the worker that died"
    events = [(event["rank"], event["event"]) for event in read_events(Layout(str(out)))]
    assert [event for event in events if event[1] in ("start", "stop")] == [
        *((0, name) for name in ("start", "start", "stop")),
        *((1, name) for name in ("start", "stop")),
    ]


@pytest.mark.slow
def test_torchrun_starts_all_its_workers_again(tiny_model_dir: Path, tmp_path: Path) -> None:
    archive = write_archive(tmp_path / "archive", [1.0] * 600)
    out = tmp_path / "out"
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "--max-restarts", "1"]
    script = command("extract_embeddings_multigpu.py", *extract_arguments(archive, out))
    call = [sys.executable, *torchrun, *script[1:], "--model_dir", str(tiny_model_dir)]
    process = subprocess.Popen(call, env=clean_environment(), stderr=subprocess.PIPE, text=True)
    assert wait_until(lambda: len(published(out)) > 2 and len(progress(out)) == 2, 240)
    before = published(out)
    os.kill(progress(out)[1]["pid"], signal.SIGKILL)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    assert "started again (restart 1)" in errors
    after = published(out)
    assert len(after) == 600
    assert {name: after[name] for name in before} == before, "a published recording was computed twice"


def test_an_interrupt_from_the_keyboard_says_how_to_go_on(tiny_model_dir: Path, tmp_path: Path) -> None:
    archive = write_archive(tmp_path / "archive", [4.0] * 400)
    out = tmp_path / "out"
    terminal = {"stderr": subprocess.PIPE, "text": True, "start_new_session": True}
    with handling(signal.SIGINT, signal.default_int_handler):
        process = start_extract(archive, out, "--model_dir", tiny_model_dir, **terminal)
    assert wait_until(lambda: Path(Layout(str(out)).plan).exists(), 240)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 75
    assert "the same command goes on from here" in errors
    assert "Traceback" not in errors


@pytest.mark.slow
def test_under_nohup_a_run_outlives_its_terminal(tiny_model_dir: Path, tmp_path: Path) -> None:
    archive, out = write_archive(tmp_path / "archive", [1.0] * 100), tmp_path / "out"
    alone = {"stderr": subprocess.PIPE, "text": True, "start_new_session": True}
    with handling(signal.SIGHUP, signal.SIG_IGN):  # what nohup does
        process = start_extract(archive, out, "--model_dir", tiny_model_dir, "--workers", 1, **alone)
    assert wait_until(lambda: len(published(out)) > 0, 240)
    os.killpg(process.pid, signal.SIGHUP)
    unfinished = len(published(out)) < 100
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    assert unfinished, "the archive is too small to hang up on"
    assert load_index(str(out)).unfinished == 0
