"""Stages 1 and 2 with input and output in an S3 store: the real commands, also with faults on the way."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from diar.errors import EXIT_ERROR, EXIT_FAILURES, EXIT_OK
from diar.store.reader import TracksReader, load_index
from tests.commands import detect, extract, run_module, write_archive
from tests.remote.servers import KEYS, Proxy, client, environment


def upload(address: str, bucket: str, folder: Path, prefix: str) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            client(address).upload_file(str(path), bucket, f"{prefix}/{path.relative_to(folder)}")


def keys(address: str, bucket: str, prefix: str) -> list[str]:
    pages = client(address).get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    return sorted(one["Key"].removeprefix(prefix) for page in pages for one in page.get("Contents", []))


def download(address: str, bucket: str, prefix: str, folder: Path) -> Path:
    for key in keys(address, bucket, prefix):
        path = folder / key.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        client(address).download_file(bucket, prefix + key, str(path))
    return folder


def assert_same(first: Path, second: Path) -> None:
    """The same index and the same tracks, in either layout; vectors up to rounding."""
    one, other = load_index(str(first)), load_index(str(second))
    assert (one.recording_id, one.status) == (other.recording_id, other.status)
    np.testing.assert_array_equal(one.duration, other.duration)
    readers = TracksReader(str(first)), TracksReader(str(second))
    for row in [row for row, status in enumerate(one.status) if status == "ok"]:
        name, shard = one.recording_id[row], int(one.shard[row])
        tracks = [reader.read(name, shard).tracks for reader in readers]
        np.testing.assert_array_equal(tracks[0].start, tracks[1].start)
        assert np.sum(tracks[0].embedding * tracks[1].embedding, axis=1).min() > 0.999


def variables(proxy: Proxy) -> dict[str, str]:
    return {name: environment(proxy.address)[name] for name in (*KEYS, "AWS_ENDPOINT_URL", "FSSPEC_S3")}


@pytest.mark.parametrize("layout", ["mirror", "packed"])
def test_an_archive_in_a_bucket_gives_what_it_gives_on_a_disk(
    layout: str, proxy: Proxy, bucket: str, tiny_model_dir: Path, tmp_path: Path
) -> None:
    archive = write_archive(tmp_path / "archive", [1.0 + 0.2 * number for number in range(14)])
    (archive / "broken.wav").write_bytes(b"RIFF, and then nothing")
    upload(proxy.server, bucket, archive, "archive")
    options = ("--model_dir", tiny_model_dir, "--layout", layout, "--shard_files", 5)
    assert extract(archive, tmp_path / "here", *options).returncode == EXIT_FAILURES

    proxy.faults, root = 0.1, f"s3://{bucket}"
    more = ("--workers", 2, "--cache_dir", tmp_path / "cache")
    there = extract(f"{root}/archive", f"{root}/E", *options, *more, **variables(proxy))
    assert there.returncode == EXIT_FAILURES, there.stderr
    assert proxy.injected.total() > 3
    proxy.faults = 0.0
    assert_same(tmp_path / "here", download(proxy.server, bucket, "E", tmp_path / "there"))
    assert not [key for key in keys(proxy.server, bucket, "E") if ".tmp" in key]
    told = run_module("diar", "status", f"{root}/E", "--failures", **variables(proxy))
    assert told.returncode == EXIT_FAILURES and "broken.wav" in told.stdout, told.stderr

    before = proxy.requests["PUT"]
    again = extract(f"{root}/archive", f"{root}/E", *options, **variables(proxy))
    assert again.returncode == EXIT_FAILURES and proxy.requests["PUT"] - before < 20, again.stderr


def test_results_in_a_bucket_are_those_of_a_disk_and_nothing_else_is_touched(
    proxy: Proxy, bucket: str, tiny_model_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables(proxy).items():
        monkeypatch.setenv(name, value)
    archive = write_archive(tmp_path / "archive", [1.0] * 10)
    extracted = tmp_path / "E"
    assert extract(archive, extracted, "--model_dir", tiny_model_dir).returncode == EXIT_OK
    place, options = f"s3://{bucket}/R", ("--place", "copy", "--min_segment", 2)
    assert detect(extracted, tmp_path / "R", *options).returncode == EXIT_OK
    proxy.faults = 0.1
    made = detect(extracted, place, *options)
    assert made.returncode == EXIT_OK, made.stderr
    assert place in made.stdout and "/tmp" not in made.stdout.replace(str(tmp_path), "")
    here = sorted(
        f"/{path.relative_to(tmp_path / 'R')}" for path in (tmp_path / "R").rglob("*") if path.is_file()
    )
    assert keys(proxy.server, bucket, "R") == here

    client(proxy.server).put_object(Bucket=bucket, Key="R/speaker_001/mine.txt", Body=b"mine")
    assert detect(extracted, place, "--place", "none").returncode == EXIT_OK
    left = keys(proxy.server, bucket, "R")
    assert "/speaker_001/mine.txt" in left
    assert [key for key in left if key.endswith(".wav")] == []
    foreign = f"s3://{bucket}/foreign"
    client(proxy.server).put_object(Bucket=bucket, Key="foreign/files.csv", Body=b"mine")
    refused = detect(extracted, foreign)
    assert refused.returncode == EXIT_ERROR and f"{foreign}/files.csv is in the way" in refused.stderr
    assert keys(proxy.server, bucket, "foreign") == ["/files.csv"]


def test_what_cannot_work_is_said_at_once(
    proxy: Proxy, bucket: str, tiny_model_dir: Path, tmp_path: Path
) -> None:
    archive = write_archive(tmp_path / "archive", [1.0])
    model = ("--model_dir", tiny_model_dir)
    refused = extract(archive, "memory://E", *model)
    assert refused.returncode == EXIT_ERROR and "--output_dir memory://E" in refused.stderr
    missing = extract(archive, "s3://nowhere/E", *model, **variables(proxy))
    assert (
        missing.returncode == EXIT_ERROR and "there is no bucket nowhere; create it first" in missing.stderr
    )
    nothing = {**variables(proxy), "AWS_ENDPOINT_URL": "http://127.0.0.1:9"}
    for places in ((archive, f"s3://{bucket}/E"), (f"s3://{bucket}/archive", tmp_path / "E")):
        alone = extract(*places, *model, **nothing)
        assert alone.returncode == EXIT_ERROR and alone.stderr.count("\n") == 1, alone.stderr
        assert "gave no usable answer for 5 s" in alone.stderr and "Traceback" not in alone.stderr


def test_a_store_that_goes_away_for_good_ends_the_run_and_fails_no_recording(
    proxy: Proxy, bucket: str, tiny_model_dir: Path, tmp_path: Path
) -> None:
    archive = write_archive(tmp_path / "archive", [1.0] * 40)
    upload(proxy.server, bucket, archive, "archive")
    proxy.refuse_after(25)
    options = ("--model_dir", tiny_model_dir, "--workers", 1)
    quick = {"DIAR_REMOTE_PATIENCE": "2"}
    ended = extract(f"s3://{bucket}/archive", tmp_path / "E", *options, **variables(proxy), **quick)
    assert ended.returncode == EXIT_ERROR, ended.stderr
    assert "the store gave no usable answer for 2 s" in ended.stderr and "Traceback" not in ended.stderr
    proxy.allowed = None
    assert (
        extract(f"s3://{bucket}/archive", tmp_path / "E", *options, **variables(proxy)).returncode == EXIT_OK
    )
    statistics = json.loads((tmp_path / "E" / "extraction_stats.json").read_text())
    assert statistics["recordings"]["failed"] == 0
