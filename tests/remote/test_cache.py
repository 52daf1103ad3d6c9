"""Copies of remote files: bounded, shared by processes, never of an older content."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from diar.remote.cache import FileCache
from tests.remote.servers import Proxy, client


@pytest.fixture
def put(through: Proxy, bucket: str) -> object:
    def put(name: str, content: bytes) -> str:
        client(through.server).put_object(Bucket=bucket, Key=name, Body=content)
        return f"s3://{bucket}/{name}"

    return put


def held(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


def test_a_copy_is_fetched_once_and_again_after_a_change(through: Proxy, put, tmp_path: Path) -> None:
    cache, url = FileCache(tmp_path / "made", 10_000), put("a", b"1" * 1_000)
    for _ in range(3):
        with cache.copy_of(url) as copy:
            assert copy is not None and copy.read_bytes() == b"1" * 1_000
    assert through.requests["GET"] == 1
    put("a", b"2" * 1_001)
    with cache.copy_of(url) as copy:
        assert copy is not None and copy.read_bytes() == b"2" * 1_001
    with pytest.raises(FileNotFoundError), cache.copy_of(url + "missing"):
        pass


def test_the_copies_stay_within_the_limit_and_those_in_use_stay(through: Proxy, put, tmp_path: Path) -> None:
    cache = FileCache(tmp_path, 3_500)
    urls = [put(str(number), bytes([number]) * 1_000) for number in range(6)]
    with cache.copy_of(urls[0]) as first:
        for number, url in enumerate(urls[1:], start=1):
            with cache.copy_of(url) as copy:
                os.utime(copy, (number, number))  # type: ignore[arg-type]
            assert held(tmp_path) <= 3_500
        assert first is not None and first.exists()
    with cache.copy_of(put("large", bytes(3_501))) as large:
        assert large is None
    before = through.requests["GET"]
    with cache.copy_of(urls[5]), cache.copy_of(urls[4]):
        assert through.requests["GET"] == before  # the last ones are there


def test_many_readers_of_few_places_all_read_what_they_asked_for(through: Proxy, put, tmp_path: Path) -> None:
    cache = FileCache(tmp_path, 2_500)
    urls = [put(str(number), bytes([number]) * 1_000) for number in range(5)]

    def read(start: int) -> None:
        for number in (*range(start, 5), *range(start)) * 5:
            with cache.copy_of(urls[number]) as copy:
                assert copy is not None and copy.read_bytes() == bytes([number]) * 1_000

    with ThreadPoolExecutor(4) as readers:
        list(readers.map(read, range(4)))
    assert not list(tmp_path.glob("*.partial"))
