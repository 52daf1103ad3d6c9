"""Remote files read in blocks: the bytes, the requests, the memory, and what a fault does to a decoder."""

from __future__ import annotations

import io
import threading
import tracemalloc

import numpy as np
import pytest
import soundfile as sf
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from diar import storage
from diar.archive.decoders.decode import decode
from diar.archive.recording import Recording
from diar.errors import StoreUnavailable
from diar.remote import ranged, retries
from diar.remote.ranged import BLOCK, RangedFile
from tests.remote.servers import Proxy, client

CONTENT = np.random.default_rng(0).integers(0, 256, 5 * BLOCK + 12_345, np.uint8).tobytes()


@pytest.fixture
def url(through: Proxy, bucket: str) -> str:
    client(through.server).put_object(Bucket=bucket, Key="a", Body=CONTENT)
    return f"s3://{bucket}/a"


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, len(CONTENT) + 10), st.integers(0, 3 * BLOCK)), max_size=5))
def test_any_part_is_what_a_local_file_gives(url: str, parts: list[tuple[int, int]]) -> None:
    with storage.open_binary(url) as handle:
        for start, count in parts:
            assert handle.seek(start) == start
            assert handle.read(count) == CONTENT[start : start + count]
        assert handle.seek(0, io.SEEK_END) == len(CONTENT)


def test_a_small_file_takes_one_request_and_a_large_one_a_request_a_block(
    through: Proxy, url: str, bucket: str
) -> None:
    for size in (0, 1, 100_000):
        client(through.server).put_object(Bucket=bucket, Key="small", Body=CONTENT[:size])
        before = through.requests.total()
        assert RangedFile(f"s3://{bucket}/small").open().read() == CONTENT[:size]
        assert through.requests.total() - before <= 1
    before = through.requests.total()
    assert RangedFile(url).open().read() == CONTENT
    assert through.requests.total() - before == 6 + 1  # its size


def test_several_readers_share_blocks_and_memory_is_bounded(through: Proxy, url: str) -> None:
    file, found = RangedFile(url), []

    def read() -> None:
        with file.open() as handle:
            found.append(
                all(handle.read(65_536) == CONTENT[at : at + 65_536] for at in range(0, len(CONTENT), 65_536))
            )

    readers = [threading.Thread(target=read) for _ in range(4)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    assert found == [True] * 4
    assert len(file._blocks) <= ranged._KEPT


def speech(through: Proxy, bucket: str, name: str, seconds: float, **how: str) -> np.ndarray:
    samples = (0.1 * np.random.default_rng(1).standard_normal(round(seconds * 16_000))).astype(np.float32)
    content = io.BytesIO()
    with sf.SoundFile(content, "w", 16_000, 1, **how) as file:
        for start in range(0, len(samples), 16_000):  # libsndfile's Vorbis crashes on minutes at once
            file.write(samples[start : start + 16_000])
    client(through.server).put_object(Bucket=bucket, Key=name, Body=content.getvalue())
    content.seek(0)
    return sf.read(content, dtype="float32")[0]


@pytest.mark.parametrize(
    ("name", "how"),
    [("a.flac", {"format": "FLAC"}), ("a.wav", {"format": "WAV"}), ("a.ogg", {"format": "OGG"})],
)
def test_audio_is_decoded_as_from_a_disk(through: Proxy, bucket: str, name: str, how: dict[str, str]) -> None:
    expected = speech(through, bucket, name, 400.0, **how)
    through.faults = 0.2
    tracemalloc.start()
    found = decode(Recording(name, f"s3://{bucket}/{name}", 0, 0.0), 16_000)
    tracemalloc.stop()
    assert not found.gaps
    if name != "a.ogg":  # FFmpeg decodes it in other steps than libsndfile
        np.testing.assert_array_equal(found.samples, expected)
    assert len(found.samples) == pytest.approx(len(expected), abs=4_000)


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg"])
def test_audio_whose_store_goes_away_is_no_shorter_audio(
    through: Proxy, bucket: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    speech(through, bucket, name, 600.0, format=name[2:].upper())
    recording = Recording(name, f"s3://{bucket}/{name}", 0, 0.0)
    monkeypatch.setattr(retries, "PATIENCE", 0.5)
    monkeypatch.setattr(ranged, "BLOCK", 1 << 18)
    through.refuse_after(4)
    with pytest.raises(StoreUnavailable):
        decode(recording, 16_000)
