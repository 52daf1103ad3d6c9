"""Remote files by a real S3 server: what is repeated, what fails at once, and what is never done."""

from __future__ import annotations

import time

import pytest

from diar import storage
from diar.errors import DiarError, StoreUnavailable
from diar.remote import objects, retries
from tests.remote.servers import Proxy, client

CONTENT = bytes(range(256)) * 4_000


def test_what_a_store_holds_is_found_read_and_removed(through: Proxy, bucket: str) -> None:
    root = f"s3://{bucket}/archive"
    for name in ("a.wav", "deep/b c.wav", "deep/ä%2F.wav"):
        storage.write_bytes_atomic(f"{root}/{name}", name.encode())
    client(through.server).put_object(
        Bucket=bucket, Key="archive/deep/", Body=b""
    )  # as consoles mark folders
    assert storage.list_names(root) == ["a.wav", "deep"]
    assert storage.list_names(f"{root}/deep") == ["b c.wav", "ä%2F.wav"]
    assert storage.list_names(f"{root}/nothing") == []
    path, files = storage.find_remote(root)
    assert sorted(file.path.removeprefix(path) for file in files) == [
        "/a.wav",
        "/deep/b c.wav",
        "/deep/ä%2F.wav",
    ]
    assert all(abs(file.mtime - time.time()) < 600 for file in files)
    assert [file.path for file in storage.find_remote(f"{root}/d*/b*", pattern=True)[1]] == [
        f"{bucket}/archive/deep/b c.wav"
    ]
    assert storage.read_bytes(f"{root}/deep/ä%2F.wav") == "deep/ä%2F.wav".encode()
    assert storage.is_dir(root) and storage.exists(f"{root}/a.wav") and not storage.exists(f"{root}/b.wav")
    assert storage.remote_file(f"{root}/a.wav").size == 5 and storage.remote_file(root) is None
    storage.remove(f"{root}/a.wav")
    storage.remove(f"{root}/a.wav")
    storage.remove_folder(root)
    assert not storage.exists(root)


def test_of_two_writers_one_creates_a_file(through: Proxy, bucket: str) -> None:
    url = f"s3://{bucket}/claim"
    assert objects.create(url, b"first")
    assert not objects.create(url, b"second")
    assert objects.create(url, b"first")  # whose answer was lost
    assert storage.read_bytes(url) == b"first"


def test_requests_that_meet_faults_are_repeated(through: Proxy, bucket: str) -> None:
    through.faults = 0.3
    for number in range(30):
        storage.write_bytes_atomic(f"s3://{bucket}/{number}", CONTENT)
        assert storage.read_bytes(f"s3://{bucket}/{number}") == CONTENT
        assert not storage.exists(f"s3://{bucket}/missing{number}")
    assert len(storage.list_names(f"s3://{bucket}")) == 30
    assert len(through.injected) > 3, through.injected


def test_a_store_that_goes_away_for_a_while_is_waited_for(through: Proxy, bucket: str) -> None:
    storage.write_bytes_atomic(f"s3://{bucket}/a", CONTENT)
    before = retries.repeated_requests()
    through.down(3.0)
    assert storage.read_bytes(f"s3://{bucket}/a") == CONTENT
    assert retries.repeated_requests() > before


def test_what_no_repetition_mends_fails_at_once(
    through: Proxy, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = through.requests.total()
    with pytest.raises(FileNotFoundError):
        storage.read_bytes(f"s3://{bucket}/nothing")
    assert through.requests.total() - started <= 2
    with pytest.raises(DiarError, match="there is no bucket nowhere; create it first"):
        storage.write_bytes_atomic("s3://nowhere/a", CONTENT)
    assert [
        found["Name"]
        for found in client(through.server).list_buckets()["Buckets"]
        if found["Name"] == "nowhere"
    ] == []
    monkeypatch.setattr(retries, "PATIENCE", 1.0)
    through.refusing = True
    with pytest.raises(StoreUnavailable, match=rf"s3://{bucket}/a: the store gave no usable answer for 1 s"):
        storage.read_bytes(f"s3://{bucket}/a")


def test_a_driver_that_is_missing_is_named() -> None:
    with pytest.raises(
        DiarError, match=r"cannot open gs://b/a: its driver is not installed .*: .*pip install .*gcsfs"
    ):
        storage.exists("gs://b/a")
