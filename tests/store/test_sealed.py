"""Seals: one flipped bit is never read as other data, and earlier files without a seal are read as before."""

import hashlib
import io
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from diar.archive.listing import Recording
from diar.jobs.extract.plan import ShardLimits, make_plan, save_plan
from diar.records import RecordingRow
from diar.store import sealed
from diar.store.checks import DAMAGED
from diar.store.layout import Layout
from diar.store.parquet import StoreError, open_parquet, read_rows_where, read_table, write_table
from diar.store.reader import TracksReader, load_index, published_row, read_shard
from diar.store.sealed import ChecksumError, checked, digest
from diar.store.writer import Writer
from tests.custody.sample import flip
from tests.store.test_packed import write_packed
from tests.store.test_store import DIMENSION, METADATA, NAMES, extraction, make_tracks, unit

__all__ = ["extraction"]  # a fixture
FLIPS = 60  # a file


def unsealed(path: Path) -> None:
    """Write a file again as earlier versions did, without a seal and, an index, without checksums."""
    table = pq.read_table(path)
    footer = {key: value for key, value in pq.read_metadata(path).metadata.items() if key[:5] == b"diar."}
    columns = [name for name in table.column_names if name != "tracks_sha256"]
    pq.write_table(table.select(columns).replace_schema_metadata(footer), path, compression="zstd")


def everything(root: str) -> list[object]:
    """What an extraction says: index, plan and tracks, in plain Python, so that it can be compared."""
    index, reader = load_index(root), TracksReader(root)
    told: list[object] = [
        index.recording_id,
        index.status,
        index.embedding.tolist(),
        index.details.to_pylist(),
    ]
    for recording_id, shard, status in zip(index.recording_id, index.shard, index.status, strict=True):
        if status == "ok":
            stored = reader.read(recording_id, int(shard))
            arrays = (stored.tracks.start, stored.tracks.embedding, stored.tracks.active.intervals)
            told += [repr(stored.recording), *(one.tolist() for one in arrays)]
            told.append([row.tolist() for row in stored.tracks.activity])
    return told


@pytest.mark.parametrize("kind", ["tracks", "packed", "index", "plan"])
def test_a_flipped_bit_is_told_or_changes_nothing(extraction, tmp_path: Path, kind: str) -> None:
    layout, _, _ = extraction
    path = Path(
        {"tracks": layout.tracks("2.wav"), "index": layout.shard(0), "plan": layout.plan}.get(kind, "")
    )
    if kind == "packed":
        write_packed(tmp_path / "packed", {"a/1.wav": 3, "a/2.wav": 2})
        layout = Layout(str(tmp_path / "packed"))
        path = Path(layout.packed(layout.folder("a/1.wav"), 0))
    content, whole, told = path.read_bytes(), repr(everything(layout.root)), 0
    rng = random.Random(kind)
    for bit in rng.sample(range(8 * len(content)), FLIPS):
        path.write_bytes(content)
        flip(path, bit)
        try:
            index = load_index(layout.root)
            if DAMAGED in index.status:  # of an index: its recordings are told one by one
                named = [
                    text for status, text in zip(index.status, index.error, strict=True) if status == DAMAGED
                ]
                assert all(str(path) in text for text in named)
                told += 1
                continue
            assert repr(everything(layout.root)) == whole, f"bit {bit} is read as other data"
        except StoreError as error:
            assert str(path) in str(error)
            told += 1
    assert told > 0.9 * FLIPS, "all but some bits of the seal's own name matter"


def test_the_index_holds_the_sha256_of_each_file_also_of_those_found_published(extraction) -> None:
    layout, _, rows = extraction
    for _ in range(2):
        for row in read_shard(layout, 0).to_pylist():
            data = Path(layout.tracks(row["recording_id"])).read_bytes()
            assert row["tracks_sha256"] == hashlib.sha256(data).hexdigest()
        resumed = Writer(layout, DIMENSION, METADATA)  # as a run that goes on after a kill
        assert resumed.published("2.wav") and resumed.published("10.wav")
        resumed.write_shard(0, rows[:2])
    assert read_shard(layout, 1)["tracks_sha256"].to_pylist() == [None], "it failed"


def test_damaged_tracks_are_not_taken_for_published(extraction) -> None:
    layout, _, _ = extraction
    assert published_row(layout, "2.wav", "f1") is not None
    flip(Path(layout.tracks("2.wav")), 8 * 300)
    assert published_row(layout, "2.wav", "f1") is None


def test_outputs_of_before_are_read_and_may_be_continued(extraction) -> None:
    layout, _, rows = extraction
    whole = repr(everything(layout.root))
    for path in (layout.plan, layout.shard(0), layout.tracks("2.wav")):
        unsealed(Path(path))
        assert sealed._MAGIC not in Path(path).read_bytes()
    assert repr(everything(layout.root)) == whole, "an old and a new index side by side"
    listed = [Recording(name, f"/audio/{name}", 10, 1.0) for name in NAMES]
    again = make_plan(
        listed, ShardLimits(2, 10**9), read_table(layout.plan), first_shard=2, redo=frozenset({"bad.wav"})
    )
    save_plan(layout, again)
    Writer(layout, DIMENSION, METADATA).write_shard(2, [replace(rows[2], status="missing")])
    assert load_index(layout.root).status == ["ok", "ok", "missing"]


def test_a_large_file_is_checked_where_it_is_read(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    table = pa.table({"shard": np.repeat(np.arange(40), 5_000), "noise": rng.integers(0, 2**62, 200_000)})
    path = tmp_path / "large.pq"
    write_table(str(path), table, {}, row_group_size=20_000)
    assert path.stat().st_size > sealed._WHOLE
    assert read_table(str(path)).equals(table)
    flip(path, 8 * 300_000)
    assert len(read_rows_where(str(path), "shard", 39)) == 5_000, "elsewhere"
    with pytest.raises(StoreError, match=r"large.pq is damaged: bytes 294,912 to 311,295 are not those"):
        read_table(str(path))
    with path.open("rb") as file, pytest.raises(ChecksumError):
        digest(file)


def test_what_is_read_in_parts_is_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, rng = tmp_path / "t.pq", random.Random(0)
    write_table(str(path), pa.table({"x": [rng.random() for _ in range(20_000)]}), {"diar.k": "v" * 70_000})
    monkeypatch.setattr(sealed, "_WHOLE", 1_000)
    data = path.read_bytes()
    with path.open("rb") as file:
        reader = checked(file)
        assert reader.seek(0, io.SEEK_END) == len(data)
        for _ in range(200):
            start, length = rng.randrange(len(data)), rng.choice([0, 1, 70, 16_384, 100_000])
            reader.seek(start)
            assert reader.read(length) == data[start : start + length]
        reader.seek(-9, io.SEEK_END)
        assert reader.read() == data[-9:]
    with open_parquet(str(path), "") as parquet:
        assert len(parquet.read(use_threads=False)) == 20_000


def test_a_file_that_is_cut_or_grows_is_told(extraction) -> None:
    layout, _, _ = extraction
    path = Path(layout.tracks("2.wav"))
    content = path.read_bytes()
    for data in (content[:-1], content[: len(content) // 2], content + b"\0", b"\0" + content, b"", b"PAR1"):
        path.write_bytes(data)
        with pytest.raises(StoreError, match=r"2\.wav"):
            TracksReader(layout.root).read("2.wav")


def test_pages_have_checksums_for_other_readers(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    layout = Layout(str(tmp_path))
    writer = Writer(layout, DIMENSION, METADATA)
    writer.write_tracks(0, RecordingRow("a.wav", "/a.wav", tracks=9), make_tracks(rng, 9))
    writer.write_shard(0, [RecordingRow("a.wav", "/a.wav", tracks=9, embedding=unit(rng, 1)[0])])
    for path in map(Path, (layout.tracks("a.wav"), layout.shard(0))):
        first = pq.read_metadata(path).row_group(0).column(1).data_page_offset
        flip(path, 8 * (first + 60))
        with pytest.raises(OSError, match=r"CRC|corrupt|decompress"):
            pq.ParquetFile(path, page_checksum_verification=True).read()
