"""Packed tracks: many recordings in one file, read back one by one, and by the readers that users have."""

import json
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diar import storage
from diar.archive.listing import Recording
from diar.jobs.extract.plan import ShardLimits, make_plan, save_plan
from diar.records import RecordingRow, Tracks
from diar.store import packed, parquet
from diar.store.layout import PACKED, Layout
from diar.store.reader import StoreError, TracksReader, load_index, read_tracks
from diar.store.schema import SCHEMA_VERSION, rounded
from diar.store.writer import PackedWriter
from tests.store.test_store import DIMENSION, METADATA, make_tracks, unit

NAMES = ["a/1.wav", "a/2.wav", "b/3.wav", "b/4.wav", "top.wav"]  # shards 0, 0, 0, 1, 1


def write_packed(root: Path, rows_of: dict[str, int]) -> dict[str, Tracks]:
    """An extraction with shards of three recordings, which finish in reverse order."""
    rng = np.random.default_rng(0)
    layout = Layout(str(root))
    writer = PackedWriter(layout, DIMENSION, METADATA)
    plan = make_plan([Recording(name, f"/audio/{name}", 10, 1.0) for name in rows_of], ShardLimits(3, 10**9))
    save_plan(layout, plan)
    config = {
        "schema_version": SCHEMA_VERSION,
        "input_dir": "/audio",
        "metadata": METADATA,
        "layout": PACKED,
    }
    storage.write_bytes_atomic(layout.config, json.dumps(config).encode())
    tracks = {
        name: replace(
            made := make_tracks(rng, n), windows=made.start[:, None] + np.sort(rng.random((n, 2)) * [0, 9])
        )
        for name, n in rows_of.items()
    }
    shards: dict[int, list[RecordingRow]] = {}
    for name, shard in zip(plan["recording_id"].to_pylist(), plan["shard"].to_pylist(), strict=True):
        row = RecordingRow(
            name, f"/audio/{name}", duration=3.0, tracks=rows_of[name], embedding=unit(rng, 1)[0]
        )
        shards.setdefault(shard, []).append(replace(row, gaps=((0.5, 0.75),)))
    for shard, rows in reversed(shards.items()):
        for row in reversed(rows):
            writer.write_tracks(shard, row, tracks[row.recording_id])
    for shard, rows in shards.items():
        writer.write_shard(shard, rows)
    return tracks


def assert_same(found: Tracks, written: Tracks) -> None:
    for name in ("start", "end", "local_speaker", "speech_seconds", "clean_seconds"):
        np.testing.assert_array_equal(getattr(found, name), getattr(written, name))
    for name in ("active", "activity"):
        for one, two in zip(getattr(found, name), getattr(written, name), strict=True):
            np.testing.assert_array_equal(one, two)
            assert one.dtype == two.dtype
    np.testing.assert_array_equal(found.embedding, rounded(written.embedding))
    np.testing.assert_allclose(found.windows, written.windows, atol=1e-6)


@pytest.fixture
def extraction(tmp_path: Path) -> tuple[Path, dict[str, Tracks]]:
    return tmp_path / "out", write_packed(tmp_path / "out", dict(zip(NAMES, [3, 1, 2, 4, 3], strict=True)))


def files_of(root: Path) -> list[str]:
    found = (path.relative_to(root).as_posix() for path in root.rglob("*"))
    return sorted(path for path in found if path.endswith((".parquet", ".tmp")) and path[0] != "_")


def test_there_is_a_file_for_each_folder_and_shard(extraction) -> None:
    root, _ = extraction
    expected = ["a/shard_00000.parquet", "b/shard_00000.parquet", "b/shard_00001.parquet"]
    assert files_of(root) == [*expected, "shard_00001.parquet"]


def test_a_recording_comes_back_as_it_was_written(extraction) -> None:
    root, written = extraction
    index = load_index(str(root))
    for position, name in enumerate(index.recording_id):
        found = read_tracks(str(root), name)
        assert_same(found.tracks, written[name])
        assert (found.recording.recording_id, found.recording.gaps) == (name, ((0.5, 0.75),))
        np.testing.assert_array_equal(found.recording.embedding, index.embedding[position])
        assert found.metadata == METADATA


def test_the_rows_of_a_finished_shard_are_in_archive_order(extraction) -> None:
    root, _ = extraction
    rows = pq.read_table(root / "a/shard_00000.parquet")["recording_id"].to_pylist()
    assert rows == ["a/1.wav"] * 3 + ["a/2.wav"]


@settings(max_examples=20)
@given(
    rows=st.lists(st.integers(1, 9), min_size=1, max_size=12),
    waiting=st.integers(1, 12),
    group=st.integers(1, 9),
)
def test_any_recording_is_found_wherever_row_groups_end(tmp_path_factory, rows, waiting, group) -> None:
    root = tmp_path_factory.mktemp("packed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packed, "_WAITING_ROWS", waiting)
        patch.setattr(parquet, "TRACKS_ROW_GROUP", group)
        written = write_packed(root, {f"{i:02}.wav": count for i, count in enumerate(rows)})
    reader, index = TracksReader(str(root)), load_index(str(root))
    for name, shard in zip(index.recording_id, index.shard.tolist(), strict=True):
        assert_same(reader.read(name, shard).tracks, written[name])


def test_a_file_is_opened_once_for_all_of_its_recordings(extraction, monkeypatch: pytest.MonkeyPatch) -> None:
    root, _ = extraction
    opened: list[str] = []
    really_open = storage.open_binary
    monkeypatch.setattr(storage, "open_binary", lambda url: opened.append(url) or really_open(url))
    reader, index = TracksReader(str(root)), load_index(str(root))
    opened.clear()
    reader.read("a/1.wav", int(index.shard[0]))
    before = len(opened)
    reader.read("a/2.wav", int(index.shard[1]))
    assert len(opened) == before


def test_nothing_is_seen_of_a_shard_that_is_not_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packed, "_WAITING_ROWS", 2)
    writer = PackedWriter(Layout(str(tmp_path)), DIMENSION, METADATA)
    rng = np.random.default_rng(0)
    rows = [RecordingRow(f"{i}.wav", "/audio", tracks=3) for i in range(2)]
    writer.write_tracks(0, rows[0], make_tracks(rng, 3))
    assert [name[:6] for name in files_of(tmp_path)] == [".diar-"]  # a day of audio does not wait in memory
    writer.write_tracks(0, rows[1], make_tracks(rng, 3))
    writer.write_shard(0, rows)
    assert files_of(tmp_path) == ["shard_00000.parquet"]


def test_a_failed_write_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = PackedWriter(Layout(str(tmp_path)), DIMENSION, METADATA)
    row = RecordingRow("a.wav", "/audio", tracks=3)
    writer.write_tracks(0, row, make_tracks(np.random.default_rng(0), 3))

    def fail(*_, **__):
        raise OSError("disk full")

    monkeypatch.setattr(pq.ParquetWriter, "write_table", fail)
    with pytest.raises(OSError, match="disk full"):
        writer.write_shard(0, [row])
    assert files_of(tmp_path) == []


def test_threads_may_write_to_several_shards_at_a_time(tmp_path: Path) -> None:
    layout = Layout(str(tmp_path))
    writer = PackedWriter(layout, DIMENSION, METADATA)
    tracks = make_tracks(np.random.default_rng(0), 3)
    shards = {s: [RecordingRow(f"{i % 3}/{s}-{i}.wav", "/a", tracks=3) for i in range(40)] for s in range(4)}

    def write(part: int) -> None:
        for shard, rows in shards.items():
            for row in rows[part::4]:
                writer.write_tracks(shard, row, tracks)

    threads = [threading.Thread(target=write, args=(part,)) for part in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for shard, rows in shards.items():
        writer.write_shard(shard, rows)
        for folder in range(3):
            table = pq.read_table(layout.packed(str(tmp_path / str(folder)), shard))
            ids = table["recording_id"].to_pylist()
            assert ids == [row.recording_id for row in rows[folder::3] for _ in range(3)]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("missing", "is missing"),
        ("cut", "is damaged"),
        ("other", "holds no tracks"),
        ("foreign", "version None"),
    ],
)
def test_a_damaged_file_is_refused_with_a_remedy(extraction, damage: str, message: str) -> None:
    root, _ = extraction
    file = root / "a/shard_00000.parquet"
    if damage == "missing":
        file.unlink()
    elif damage == "cut":
        file.write_bytes(file.read_bytes()[:-20])
    elif damage == "other":
        file.write_bytes((root / "b/shard_00000.parquet").read_bytes())
    else:
        pq.write_table(pq.read_table(file), file)
    with pytest.raises(StoreError, match=message) as caught:
        read_tracks(str(root), "a/1.wav")
    assert str(file) in str(caught.value)


def test_an_unknown_recording_is_said_to_be_unknown(extraction) -> None:
    with pytest.raises(StoreError, match=r"has no recording 'c\.wav' among its "):
        read_tracks(str(extraction[0]), "c.wav")


def test_no_recordings_own_file_has_the_name_of_a_packed_one() -> None:
    layout = Layout("/out")
    own = layout.tracks("a/shard_00012")
    assert own != layout.packed("/out/a", 12)
    assert own.startswith("/out/a/shard_00012~")
    assert layout.tracks("shard_00012/shard_00012.wav") == "/out/shard_00012/shard_00012.wav.parquet"


def test_other_readers_see_the_same_columns(extraction) -> None:
    duckdb = pytest.importorskip("duckdb")
    polars = pytest.importorskip("polars")
    root, written = extraction
    query = f"SELECT recording_id, count(*) FROM '{root}/[ab]/*.parquet' GROUP BY 1 ORDER BY 1"
    assert duckdb.sql(query).fetchall() == [(name, len(written[name])) for name in NAMES[:4]]
    frame = polars.read_parquet(root / "b/shard_00001.parquet")
    assert frame.schema["embedding"] == polars.Array(polars.Float32, DIMENSION)
    np.testing.assert_array_equal(frame["embedding"].to_numpy(), rounded(written["b/4.wav"].embedding))
