"""Who is at work in an object store: runs keep each other out or share the work; the dead hold nobody up."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from diar import storage
from diar.cli import main
from diar.errors import EXIT_ERROR, EXIT_OK, NoConditions
from diar.leases import places as places_module
from diar.leases.alone import Waiting, lease_of_run
from diar.leases.leases import Leases
from diar.leases.places import Place, Places, State, anybody
from tests.commands import clean_environment, command, extract, extract_arguments, write_archive
from tests.remote.servers import Proxy, client
from tests.remote.test_stages import assert_same, download, keys, variables


def never(reason: str) -> None:
    raise AssertionError(reason)


def put(folder: str, place: Place) -> None:
    """A process elsewhere writes its place."""
    storage.write_bytes_atomic(f"{folder}/place_{place.number:03d}.json", json.dumps(asdict(place)).encode())


def test_places_and_claims_in_a_store_are_as_on_a_disk(
    through: Proxy, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places_module, "_REMOTE_LOOK", 0.2)
    through.faults, through.kinds, folder = 0.1, ("500", "503", "reset", "cut"), f"s3://{bucket}/joined"
    here = [Places(folder, 900.0, never) for _ in range(3)]
    for places in here:
        places.enter(0)
    assert [places.own.number for places in here] == [0, 1, 2]
    leases = [Leases(f"{folder}/claims", places) for places in here]
    assert [one.take("5") for one in leases] == [True, False, False]
    assert leases[1].owner("5", 0) == (0, here[0].own.id)
    assert leases[1].take("5", 1) and leases[0]._lost() == "others have taken over 5"
    leases[1].release("5")
    assert leases[2].newest() == {"5": 0}
    storage.remove(f"{folder}/claims/5.0")
    assert leases[0]._lost() == "others have taken over 5", "nobody has it, so it is not ours"
    leases[0]._own.clear()

    other = Place(7, "id 7", "another", 7, "another-kernel 5", 1.5)
    put(folder, other)
    assert here[0].look()[7][1] == State.UNKNOWN and anybody(folder)
    time.sleep(1.1)  # a store tells times in seconds
    put(folder, replace(other, beat=1))
    assert here[0].look()[7][1] == State.ALIVE
    time.sleep(1.7)
    assert here[0].look()[7][1] == State.DEAD
    assert [state for _, state in here[1].look().values()].count(State.ALIVE) == 2
    for places in here:
        places.leave()
    assert not here[0].is_empty()
    here[0].remove(7)
    assert here[0].is_empty()


def test_while_the_store_is_away_nobody_is_taken_for_dead(through: Proxy, bucket: str) -> None:
    folder = f"s3://{bucket}/joined"
    here, other = Places(folder, 4.0, never), Place(7, "id 7", "another", 7, "another-kernel 5", 1.0)
    here.enter(0)
    put(folder, other)
    here.look()
    through.down(4.0)
    time.sleep(3.0)
    assert here.look()[7][1] != State.DEAD, "it had no chance to tell"
    until = time.monotonic() + 60
    while here.look()[7][1] != State.DEAD:
        assert time.monotonic() < until
        time.sleep(0.3)
    here.leave()


def test_one_run_holds_an_output_until_it_ends_or_dies(
    through: Proxy, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places_module, "_REMOTE_LOOK", 0.2)
    lock, told = f"s3://{bucket}/E/_extraction/run.lock", []
    held = lease_of_run(lock, True, 900.0, Waiting(0.5, told.append), never)
    folder, other = (
        f"s3://{bucket}/E/_extraction/running",
        Place(0, "7", "another", 7, "kernel 5", 1.5, "run"),
    )
    put(folder, other)
    storage.write_bytes_atomic(f"{folder}/claims/run.0", b"0 7")
    with held:  # the other one is silent
        assert told == ["waiting to know whether process 7 on another still works here, at most 2 s"]
        assert keys(through.server, bucket, "E/_extraction/running/") == ["claims/run.1", "place_001.json"]
        with lease_of_run(lock, False, 900.0, Waiting(0.5, never), never):
            pass
    assert keys(through.server, bucket, "E/") == []

    through.conditions = False
    with pytest.raises(NoConditions, match="the store replaces a file that may only be created"):
        joined = Places(f"s3://{bucket}/joined", 60.0, never)
        joined.enter(0)
        Leases(f"s3://{bucket}/joined/claims", joined).take("plan")
    joined.leave()
    with lease_of_run(lock, True, 900.0, Waiting(0.5, told.append), never):
        assert "nothing keeps a second run out of this output, start one at a time" in told[-1]


def start(archive: Path, output: str, *options: object, **variables: str) -> subprocess.Popen[str]:
    call = command("extract_embeddings_multigpu.py", *extract_arguments(archive, output, *options))
    pipes: Any = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(call, env=clean_environment(**variables), start_new_session=True, **pipes)


def stop_at_work(server: str, bucket: str, folder: str, task: subprocess.Popen[str]) -> psutil.Process:
    """Wait until a run has claimed something, and suspend its worker."""
    until = time.monotonic() + 900
    while not any(f"{folder}/claims/" in key and "plan" not in key for key in keys(server, bucket, "E/")):
        assert time.monotonic() < until and task.poll() is None, task.communicate()[1]
        time.sleep(0.1)
    place = client(server).get_object(Bucket=bucket, Key=f"E/_extraction/{folder}/place_000.json")
    worker = psutil.Process(json.loads(place["Body"].read())["pid"])
    worker.suspend()
    return worker


def kill(*processes: psutil.Process) -> None:
    for process in processes:
        process.kill()


def test_of_two_runs_one_is_refused_and_a_dead_one_holds_nobody_up(
    through: Proxy, bucket: str, tiny_model_dir: Path, tmp_path: Path
) -> None:
    archive = write_archive(tmp_path / "archive", [1.0] * 12)
    output, options = f"s3://{bucket}/E", ("--model_dir", tiny_model_dir, "--workers", 1, "--shard_files", 3)
    assert extract(archive, tmp_path / "here", *options).returncode == EXIT_OK
    first = start(archive, output, *options, **variables(through))
    worker = stop_at_work(through.server, bucket, "running", first)
    for more in ((), ("--join",)):
        refused = extract(archive, output, *options, *more, **variables(through))
        assert refused.returncode == EXIT_ERROR, refused.stderr
        assert f"another run is writing here, process {worker.pid} on " in refused.stderr
        assert f"and holds {output}/_extraction/running" in refused.stderr
    os.killpg(first.pid, signal.SIGKILL)
    kill(worker)
    first.communicate()
    again = extract(archive, output, *options, **variables(through))
    assert again.returncode == EXIT_OK, again.stderr
    assert_same(tmp_path / "here", download(through.server, bucket, "E", tmp_path / "there"))
    assert main(["verify", output]) == EXIT_OK
    assert not [key for key in keys(through.server, bucket, "E") if "running" in key]


def test_of_three_joined_processes_two_do_the_rest_when_one_dies(
    through: Proxy, bucket: str, tiny_model_dir: Path, tmp_path: Path
) -> None:
    archive = write_archive(tmp_path / "archive", [1.0 + 0.1 * (number % 20) for number in range(60)])
    output, model = f"s3://{bucket}/E", ("--model_dir", tiny_model_dir)
    assert extract(archive, tmp_path / "here", *model).returncode == EXIT_OK
    options = (*model, "--workers", 1, "--shard_files", 15, "--join")  # so that a shard takes a while
    through.faults, through.kinds = 0.05, ("500", "503", "reset", "cut")
    first = start(archive, output, *options, **variables(through))
    worker = stop_at_work(through.server, bucket, "joined", first)
    others = [start(archive, output, *options, **variables(through)) for _ in range(2)]
    until = time.monotonic() + 900
    while len(keys(through.server, bucket, "E/_extraction/joined/place_")) < 3:
        assert time.monotonic() < until and None in [task.poll() for task in others]
        time.sleep(0.1)
    kill(worker, psutil.Process(first.pid))
    told = [task.communicate(timeout=900)[1] for task in others]
    first.communicate()
    assert [task.returncode for task in others] == [EXIT_OK, EXIT_OK], told
    assert "is dead or cut off: its shards are taken over" in "".join(told)
    through.faults = 0.0
    assert_same(tmp_path / "here", download(through.server, bucket, "E", tmp_path / "there"))
    assert main(["verify", output]) == EXIT_OK
    left = keys(through.server, bucket, "E/_extraction/joined/")
    assert [key for key in left if key.startswith("place")] == ["place_000.json"], "only the dead one's"
