"""The recipes of `launch/` run, with stand-ins for a cluster's commands, and signals as clusters send."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import yaml

from diar.store.reader import load_index
from tests.commands import ROOT, clean_environment, write_archive
from tests.jobs.extract.test_interruption import published, wait_until
from tests.jobs.extract.test_join import start_together

pytestmark = pytest.mark.slow

COUNT = 300
TERMINAL = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return write_archive(tmp_path / "archive", [1.0 + number % 4 for number in range(COUNT)])


@pytest.fixture
def environment(tmp_path: Path, tiny_model_dir: Path) -> dict[str, str]:
    """Of a job: a repository with .venv, srun, scontrol and diar in the path, a small network."""
    programs = {
        ".venv/bin/python": f'exec {sys.executable} "$@"',
        "bin/srun": 'while [[ $1 == --* ]]; do shift; done; exec "$@"',
        "bin/scontrol": f'[[ $1 == show ]] && echo 127.0.0.1 || echo "$@" >> {tmp_path}/scontrol.log',
        "bin/diar": f'exec {sys.executable} -m diar "$@"',
    }
    for name, line in programs.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"#!/usr/bin/env bash\n{line}\n")
        file.chmod(0o755)
    options = {"MODEL_DIR": tiny_model_dir, "SEGMENTATION": "none", "DEVICE": "cpu", "WORKERS": 1}
    return clean_environment(
        PATH=f"{tmp_path}/bin:{os.environ['PATH']}",
        SLURM_SUBMIT_DIR=str(tmp_path),
        SLURM_JOB_ID="77",
        **{f"DIAR_EXTRACT_{name}": str(value) for name, value in options.items()},
        DIAR_EXTRACT_SHARD_FILES="16",
        DIAR_EXTRACT_LEASE="900",
    )


def programs_of(task: subprocess.Popen) -> list[psutil.Process]:
    """All processes of a job's step: whatever the batch shell has started."""
    return psutil.Process(task.pid).children(recursive=True)


def test_tasks_of_a_slurm_array_share_the_work(
    archive: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    script, out = ROOT / "launch/slurm_array.sbatch", tmp_path / "results" / "embeddings"
    call = ["bash", script, archive, tmp_path / "results"]
    tasks = start_together(lambda: subprocess.Popen(call, env=environment, **TERMINAL), out, 3)
    assert wait_until(lambda: len(published(out)) > 9, 900)
    for process in programs_of(tasks[0]):
        process.send_signal(signal.SIGUSR1)  # before the time limit, to all processes of the step
    for process in [*programs_of(tasks[1]), psutil.Process(tasks[1].pid)]:
        process.kill()  # its node dies
    assert len(published(out)) < COUNT, "the archive is too small"
    told = [task.communicate(timeout=600)[0] for task in tasks]
    assert tasks[0].returncode == 75, told[0]
    assert (tmp_path / "scontrol.log").read_text() == "requeue 77\n"
    assert tasks[2].returncode == 0, told[2]
    assert "is dead or cut off" in told[2]
    index = load_index(str(out))
    assert (len(index), index.unfinished) == (COUNT, 0)
    requeued = subprocess.run(call, env=environment, timeout=600, **TERMINAL)
    assert requeued.returncode == 0, requeued.stdout
    assert "all was done already" in requeued.stdout


def test_torchrun_under_slurm_does_stage_1_then_stage_2(environment: dict[str, str], tmp_path: Path) -> None:
    archive = write_archive(tmp_path / "archive", [2.0] * 6)
    (archive / "part_0/broken.wav").write_text("no audio")
    (tmp_path / "detect_boundaries.py").write_text("print('stage 2 follows')\n")  # noise has no turns
    call = ["bash", ROOT / "launch/slurm_torchrun.sbatch", archive, tmp_path / "results"]
    nodes = {
        "SLURM_JOB_NODELIST": "node",
        "SLURM_NNODES": "1",
        "SLURM_NODEID": "0",
        "SLURM_GPUS_ON_NODE": "2",
    }
    del environment["DIAR_EXTRACT_WORKERS"], environment["DIAR_EXTRACT_LEASE"]
    done = subprocess.run(call, env={**environment, **nodes}, timeout=600, **TERMINAL)
    assert done.returncode == 3, done.stdout  # some recordings failed
    assert "stage 2 follows" in done.stdout
    index = load_index(str(tmp_path / "results/embeddings"))
    assert (len(index), index.unfinished) == (7, 0)
    assert not (tmp_path / "scontrol.log").exists(), "nothing is queued again"


def test_a_pod_that_is_evicted_says_so_and_the_next_goes_on(
    archive: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    (job,) = yaml.safe_load_all((ROOT / "launch/kubernetes/base/extract.yaml").read_text())
    (after,) = yaml.safe_load_all((ROOT / "launch/kubernetes/base/detect.yaml").read_text())
    pod = job["spec"]["template"]["spec"]
    (stage_1,) = pod["containers"]
    (waiting,) = after["spec"]["template"]["spec"]["initContainers"]
    (script,) = stage_1["args"]
    assert "--grace 60" in script and pod["terminationGracePeriodSeconds"] > 60
    codes = [rule["onExitCodes"]["values"] for rule in job["spec"]["podFailurePolicy"]["rules"][::2]]
    assert codes == [[75], [2]]
    script = (
        script.replace("/data/audio", str(archive))
        .replace("9464", "0")
        .replace("/data/result", str(tmp_path / "result"))
    )
    out = tmp_path / "result/embeddings"
    evicted = subprocess.Popen(["bash", "-c", script], env=environment, **TERMINAL)
    assert wait_until(lambda: len(published(out)) > 9, 900)
    evicted.terminate()  # the kubelet signals the first process alone
    told, _ = evicted.communicate(timeout=600)
    assert evicted.returncode == 75, told
    assert len(published(out)) < COUNT, "the archive is too small"
    (archive / "part_0/broken.wav").write_text("no audio")
    again = subprocess.run(["bash", "-c", script], env=environment, timeout=600, **TERMINAL)
    assert again.returncode == 0, again.stdout  # in place of 3: some failed
    assert load_index(str(out)).unfinished == 0
    wait = waiting["args"][0].replace("/data/result", str(tmp_path / "result"))
    waited = subprocess.run(["bash", "-c", wait], env=environment, timeout=120)
    assert waited.returncode == 0, "stage 2 begins once stage 1 is finished, also with failures"
