"""Processes that share a plan by the output's folder alone: whoever dies, the others do the rest."""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from diar.store.layout import Layout
from diar.store.reader import load_index, read_planned
from tests.commands import (
    clean_environment,
    command,
    extract,
    extract_arguments,
    run_diar,
    start_extract,
    write_archive,
)
from tests.jobs.extract.comparison import assert_same_extraction
from tests.jobs.extract.test_interruption import published, wait_until, workers_of

pytestmark = pytest.mark.slow

COUNT = 500
TERMINAL = {"stderr": subprocess.PIPE, "text": True}


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = random.Random(3)
    return write_archive(tmp_path_factory.mktemp("archive"), [rng.uniform(0.5, 4.0) for _ in range(COUNT)])


@pytest.fixture(scope="module")
def whole(archive: Path, tiny_model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What an undisturbed run makes of the archive."""
    folder = tmp_path_factory.mktemp("whole") / "out"
    assert extract(archive, folder, "--model_dir", tiny_model_dir).returncode == 0
    return folder


def workers(out: Path) -> list[psutil.Process]:
    """The processes that tell how far they are, by their number."""
    files = sorted(Path(Layout(str(out)).progress(0)).parent.glob("rank_*.json"))
    return [psutil.Process(json.loads(file.read_text())["pid"]) for file in files]


def start_together(start: Callable[[], subprocess.Popen], out: Path, count: int) -> list[subprocess.Popen]:
    """Start processes that join, and hold each until all are there; their leases must be long."""
    tasks = []
    for number in range(count):
        tasks.append(start())
        assert wait_until(lambda wanted=number: len(workers(out)) > wanted, 900)
        workers(out)[number].suspend()
    for worker in workers(out):
        worker.resume()
    return tasks


def test_three_share_the_work_and_two_do_the_rest_when_one_dies(
    archive: Path, whole: Path, tiny_model_dir: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    options = ("--model_dir", tiny_model_dir, "--workers", 1, "--shard_files", 16, "--join", "--lease", 900)
    tasks = start_together(lambda: start_extract(archive, out, *options, **TERMINAL), out, 3)
    assert wait_until(lambda: len(published(out)) > 9, 900)
    for victim in [psutil.Process(tasks[1].pid), workers(out)[1]]:
        victim.kill()
    left = len(published(out))
    assert left < COUNT, "the archive is too small"
    told = [task.communicate(timeout=600)[1] for task in tasks]
    assert [tasks[number].returncode for number in (0, 2)] == [0, 0], told
    assert any("is dead or cut off: its shards are taken over" in told[number] for number in (0, 2)), told
    assert "Traceback" not in told[0] + told[2]
    assert_same_extraction(whole, out)
    statistics = json.loads((out / "extraction_stats.json").read_text())
    assert statistics["recordings"]["ok"] == COUNT
    assert {rank["rank"] for rank in statistics["this_run"]["ranks"]} <= {0, 1, 2}
    done = [rank["files"] for rank in statistics["this_run"]["ranks"]]
    assert len(done) == 2 and all(done)
    claim = next(path.name for path in (out / "_extraction/joined/claims").iterdir())  # the dead one's
    planned = read_planned(Layout(str(out)), int(claim.partition(".")[0]))["recording_id"][0].as_py()
    half = (out / planned).with_name(f".diar-{'0' * 32}.tmp")
    half.write_bytes(b"half a file")
    again = extract(archive, out, *options)
    assert again.returncode == 0
    assert "all was done already" in again.stderr
    assert not half.exists()
    left = [path.name for path in (out / "_extraction/joined").rglob("*") if path.is_file()]
    assert left == ["run.json"], "who left or died has left something behind"


def test_who_was_silent_for_too_long_loses_its_shards_and_hears_of_it(
    archive: Path, whole: Path, tiny_model_dir: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    options = ("--model_dir", tiny_model_dir, "--workers", 1, "--shard_files", 16, "--join", "--lease", 3)
    silent = start_extract(archive, out, *options, **TERMINAL)
    assert wait_until(lambda: len(published(out)) > 2, 900)
    # The one that works, before it tells how far it is, which is late
    frozen = max(workers_of(psutil.Process(silent.pid)), key=lambda one: sum(one.cpu_times()[:2]))
    frozen.suspend()
    assert len(published(out)) < COUNT, "the archive is too small"
    other = start_extract(archive, out, *options, **TERMINAL)
    claims = out / "_extraction/joined/claims"
    assert wait_until(lambda: any(claims.glob("*.1")), 900), "nobody takes over"
    frozen.resume()
    told = silent.communicate(timeout=600)[1]
    assert silent.returncode == 0, told
    assert "was silent for too long, and others have taken" in told
    told = other.communicate(timeout=900)[1]
    assert other.returncode == 0, told
    assert "is dead or cut off: its shards are taken over" in told
    assert_same_extraction(whole, out)


def test_a_run_alone_is_kept_out_while_others_may_join(
    archive: Path, tiny_model_dir: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    options = ("--model_dir", tiny_model_dir, "--workers", 1)
    joined = start_extract(archive, out, *options, "--join", **TERMINAL)
    assert wait_until(lambda: workers(out) and len(published(out)) > 2, 900)
    (worker,) = workers(out)
    worker.suspend()  # so that it is not done meanwhile
    listed = run_diar("status", out)
    assert "running" in listed.stdout
    assert f"(pid {worker.pid})" in listed.stdout
    refused = extract(archive, out, *options)
    worker.resume()
    assert refused.returncode == 2, refused.stderr
    assert f"another run is writing here, process {worker.pid} on {socket.gethostname()}" in refused.stderr
    contradicting = extract(archive, out, *options, "--join", "--overwrite")
    assert contradicting.returncode == 2
    assert "--overwrite would remove what others have done" in contradicting.stderr
    assert joined.communicate(timeout=600)[1] and joined.returncode == 0
    assert load_index(str(out)).unfinished == 0


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


def test_of_two_machines_under_torchrun_the_survivor_does_the_rest(
    archive: Path, whole: Path, tiny_model_dir: Path, tmp_path: Path
) -> None:
    out, port = tmp_path / "out", free_port()
    script = command("extract_embeddings_multigpu.py", *extract_arguments(archive, out))
    options = ["--model_dir", str(tiny_model_dir), "--shard_files", "16"]
    nodes = []
    for number in range(2):
        torchrun = ["-m", "torch.distributed.run", "--nnodes", "2", "--nproc-per-node", "1"]
        torchrun += ["--node-rank", str(number), "--master-addr", "127.0.0.1", "--master-port", str(port)]
        call = [sys.executable, *torchrun, *script[1:], *options]
        nodes.append(subprocess.Popen(call, env=clean_environment(), start_new_session=True, **TERMINAL))
    assert wait_until(lambda: len(workers(out)) == 2 and len(published(out)) > 9, 900)
    children = psutil.Process(nodes[0].pid).children(recursive=True)
    (worker,) = (child for child in children if "extract_embeddings" in " ".join(child.cmdline()))
    worker.kill()  # its agent ends, too, and with it the store of the ranks
    assert len(published(out)) < COUNT, "the archive is too small"
    done = wait_until(lambda: (out / "extraction_stats.json").exists(), 900)
    time.sleep(1.0)
    for node in nodes:
        if node.poll() is None:  # torchrun waits up to 300 s for the other machine
            os.killpg(node.pid, signal.SIGKILL)
    told = nodes[1].communicate(timeout=600)[1]
    nodes[0].communicate(timeout=600)
    assert done, told
    assert "is dead or cut off: its shards are taken over; the same command" in told
    assert_same_extraction(whole, out)
