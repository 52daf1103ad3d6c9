"""Results in a bucket: words are written into them, they are verified and purged, as on a disk."""

from __future__ import annotations

import os
from pathlib import Path

from diar import storage
from diar.errors import EXIT_ERROR, EXIT_FAILURES, EXIT_OK
from diar.jobs.words.config import WordsConfig
from diar.jobs.words.result import write_result
from diar.leases.alone import Waiting, lease_of_run
from diar.leases.places import Places
from diar.outputs.managed_directory import lock_of
from diar.store.layout import Layout
from tests.commands import run_module
from tests.custody.sample import diar, write_extraction
from tests.custody.sample import write_result as write_turns
from tests.remote.servers import Proxy, client
from tests.remote.test_stages import download, keys, upload, variables


def contents(folder: Path) -> dict[str, bytes]:
    """What a result holds, without what names its place or the moment."""
    files = (path for path in folder.rglob("*") if path.is_file())
    found = {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}
    return {name: data for name, data in found.items() if name != "index.html" and "_detection" not in name}


def test_words_verify_and_purge_of_a_result_in_a_bucket(through: Proxy, bucket: str, tmp_path: Path) -> None:
    here, result = write_extraction(tmp_path), write_turns(tmp_path)
    upload(through.server, bucket, here, "E")
    upload(through.server, bucket, result, "R")
    store, there = f"s3://{bucket}", f"s3://{bucket}/R"
    client(through.server).put_object(Bucket=bucket, Key="R/mine.txt", Body=b"mine")
    through.faults, through.kinds = 0.05, ("500", "503", "reset", "cut")

    before = through.requests["PUT"]
    write_result(WordsConfig(embeddings_dir=f"{store}/E", result=there))
    assert through.requests["PUT"] - before < 40, "only what is new is written"
    write_result(WordsConfig(embeddings_dir=str(here), result=str(result)))
    copy = download(through.server, bucket, "R", tmp_path / "with words")
    assert (copy / "mine.txt").read_bytes() == b"mine"
    (copy / "mine.txt").unlink()
    assert contents(copy) == contents(result)
    assert "words.srt" in {path.name for path in copy.rglob("*")}

    looked = diar("verify", there, "--embeddings_dir", f"{store}/E")
    assert looked.returncode == EXIT_OK, looked.stdout
    assert f"{there} (result): " in looked.stdout and "the first is mine.txt" in looked.stdout
    assert "/tmp" not in looked.stdout
    name = next(key for key in keys(through.server, bucket, "R") if key.endswith("turns.json"))
    kept = storage.read_bytes(there + name)
    storage.write_bytes_atomic(there + name, kept[:100])
    damaged = diar("verify", there)
    assert damaged.returncode == EXIT_FAILURES and f"damaged\t{name[1:]}" in damaged.stdout
    storage.write_bytes_atomic(there + name, kept)

    with lease_of_run(Layout(f"{store}/E").lock, True, 60.0, Waiting(0.0, print), print):
        assert diar("verify", f"{store}/E").returncode == EXIT_OK
    call = ("--recording", "day 1/b.wav")
    planned = diar("purge", f"{store}/E", there, *call, "--dry_run")
    assert "1 recording would go from 2 outputs" in planned.stdout, planned.stderr
    gone = diar("purge", f"{store}/E", there, *call)
    assert gone.returncode == EXIT_OK, gone.stdout + gone.stderr
    assert diar("purge", here, result, *call).returncode == EXIT_OK
    client(through.server).delete_object(Bucket=bucket, Key="R/mine.txt")
    left = keys(through.server, bucket, "R")
    assert left == sorted(f"/{path.relative_to(result)}" for path in result.rglob("*") if path.is_file())
    assert not [key for key in (*left, *keys(through.server, bucket, "E")) if "day 1/b" in key]
    assert contents(download(through.server, bucket, "R", tmp_path / "purged")) == contents(result)
    for place in (there, f"{store}/E"):
        looked = diar("verify", place)
        assert looked.returncode == EXIT_OK and "leftover" not in looked.stdout, looked.stdout


def test_what_a_run_writes_to_is_not_purged(through: Proxy, bucket: str, tmp_path: Path) -> None:
    upload(through.server, bucket, write_extraction(tmp_path), "E")
    joined = Places(f"s3://{bucket}/E/_extraction/joined", 900.0, print)
    joined.enter(0)
    refused = diar("purge", f"s3://{bucket}/E", "--recording", "day 1/b.wav")
    assert refused.returncode == EXIT_ERROR
    assert f"a run is writing here, process {os.getpid()} on " in refused.stderr
    joined.leave()
    assert not [key for key in keys(through.server, bucket, "E") if "running" in key or "joined" in key]


def test_of_two_that_write_a_result_one_is_refused(through: Proxy, bucket: str, tmp_path: Path) -> None:
    here, place = write_extraction(tmp_path), f"s3://{bucket}/R"
    call = ("detect", "--embeddings_dir", here, "--output_dir", place, "--task", "turns", "--no_plot")
    with lease_of_run(lock_of(place), True, 60.0, Waiting(0.0, print), print):
        refused = run_module("diar", *call, **variables(through))
        assert refused.returncode == EXIT_ERROR, refused.stderr
        assert f"another run is writing here, process {os.getpid()} on " in refused.stderr
        assert f"and holds {place}/_detection/running" in refused.stderr
        assert keys(through.server, bucket, "R/recordings") == []
    done = run_module("diar", *call, **variables(through))
    assert done.returncode == EXIT_OK, done.stderr
    assert not [key for key in keys(through.server, bucket, "R/_detection/") if "running" in key]
    assert len(keys(through.server, bucket, "R/recordings/day 1")) > 1
    with lease_of_run(lock_of(place), True, 60.0, Waiting(0.0, print), print):
        looked = diar("verify", place, "--embeddings_dir", here)
    assert looked.returncode == EXIT_OK and "did not write" not in looked.stdout, looked.stdout
