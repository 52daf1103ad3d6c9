"""The contract between the stages, written and read back, also by the readers that users have."""

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from diar import storage
from diar.archive.listing import Recording
from diar.intervals import IntervalLists
from diar.jobs.extract.plan import ShardLimits, make_plan, save_plan
from diar.records import ActivityFrames, RecordingRow, Tracks
from diar.store.checks import typed_tracks
from diar.store.earlier_names import earlier_name, rename_earlier
from diar.store.layout import Layout
from diar.store.mirrored import write_mirrored
from diar.store.parquet import TracksFile
from diar.store.reader import StoreError, TracksReader, load_index, published_row, read_tracks
from diar.store.schema import (
    SCHEMA_VERSION,
    matrix,
    rounded,
    row_from_json,
    row_to_json,
    tracks_of,
    tracks_table,
)
from diar.store.writer import Writer

DIMENSION = 8
NAMES = ["2.wav", "10.wav", "bad.wav"]
METADATA = {
    "model": "m",
    "model_sha256": "s",
    "fingerprint": "f1",
    "activity_first_center": "0.03",
    "activity_step": "0.0168",
}


def unit(rng: np.random.Generator, rows: int, dimension: int = DIMENSION) -> np.ndarray:
    vectors = rng.standard_normal((rows, dimension)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def make_tracks(rng: np.random.Generator, rows: int) -> Tracks:
    start = np.arange(rows) * 0.75
    return Tracks(
        start=start,
        end=start + 1.5,
        local_speaker=np.arange(rows, dtype=np.int16) - 1,
        active=IntervalLists.of(
            np.array([[s, s + 0.5], [s + 1, s + 1.5]])[: n % 3] for n, s in enumerate(start)
        ),
        speech_seconds=np.full(rows, 1.5, np.float32),
        clean_seconds=np.full(rows, 1.5, np.float32),
        activity=[rng.integers(0, 256, 5 * (row > 0), dtype=np.uint8) for row in range(rows)],
        embedding=unit(rng, rows),
        windows=np.array([[0.0, 10.0], [4.404375, 14.404375]]),
        channel=np.arange(rows, dtype=np.int16) % 3 - 1,
        norm=rng.uniform(1, 20, rows).astype(np.float32),
    )


def save_config(layout: Layout, metadata: dict[str, str]) -> None:
    config = {"schema_version": SCHEMA_VERSION, "input_dir": "/audio", "metadata": metadata}
    storage.write_bytes_atomic(layout.config, json.dumps(config).encode())


@pytest.fixture
def extraction(tmp_path: Path) -> tuple[Layout, dict[str, Tracks], list[RecordingRow]]:
    """An output directory with two embedded recordings and one that failed, in two shards."""
    rng = np.random.default_rng(0)
    layout = Layout(str(tmp_path / "out"))
    writer = Writer(layout, DIMENSION, METADATA)
    listed = [Recording(name, f"/audio/{name}", 10, 1.0) for name in NAMES]
    save_plan(layout, make_plan(listed, ShardLimits(2, 10**9)))
    tracks = {name: make_tracks(rng, 3) for name in NAMES[:2]}
    rows = [
        RecordingRow(
            name, f"/audio/{name}", duration=3.0, gaps=((0.5, 0.75),), tracks=3, embedding=unit(rng, 1)[0]
        )
        for name in NAMES[:2]
    ]
    rows.append(RecordingRow("bad.wav", "/audio/bad.wav", status="undecodable", error="no audio in it"))
    for row in rows[:2]:
        writer.write_tracks(0, row, tracks[row.recording_id])
    save_config(layout, METADATA)
    writer.write_shard(1, rows[2:])
    writer.write_shard(0, rows[:2])
    return layout, tracks, rows


def test_the_index_comes_back_in_archive_order(extraction) -> None:
    layout, _, rows = extraction
    index = load_index(layout.root)
    assert index.recording_id == NAMES
    assert index.status == ["ok", "ok", "undecodable"]
    assert index.error[2] == "no audio in it"
    np.testing.assert_array_equal(index.embedding[0], rows[0].embedding)
    assert np.isnan(index.embedding[2]).all()
    assert (index.input, index.unfinished, index.metadata) == ("/audio", 0, METADATA)


def test_a_shard_that_is_not_finished_is_counted_not_invented(extraction) -> None:
    layout, _, _ = extraction
    Path(layout.shard(1)).unlink()
    index = load_index(layout.root)
    assert (index.recording_id, index.unfinished) == (NAMES[:2], 1)


def test_a_row_that_moved_to_a_new_shard_is_read_from_there_only(extraction) -> None:
    layout, _, rows = extraction
    listed = [Recording(name, f"/audio/{name}", 10, 1.0) for name in NAMES]
    previous = pq.read_table(layout.plan)
    save_plan(
        layout, make_plan(listed, ShardLimits(2, 10**9), previous, first_shard=2, redo=frozenset({"bad.wav"}))
    )
    assert load_index(layout.root).unfinished == 1
    again = replace(rows[2], status="ok", error="", embedding=rows[0].embedding)
    Writer(layout, DIMENSION, METADATA).write_shard(2, [again])
    assert load_index(layout.root).status == ["ok", "ok", "ok"]


def test_a_published_recording_is_known_by_its_footer(extraction) -> None:
    layout, _, rows = extraction
    row = published_row(layout, "2.wav", "f1")
    assert row is not None
    assert replace(row, embedding=None) == replace(rows[0], embedding=None)
    np.testing.assert_array_equal(row.embedding, rows[0].embedding)
    assert published_row(layout, "2.wav", "another fingerprint") is None
    assert published_row(layout, "bad.wav", "f1") is None
    Path(layout.tracks("2.wav")).write_text("not Parquet")
    assert published_row(layout, "2.wav", "f1") is None


def test_tracks_come_back_as_they_were_written(extraction) -> None:
    layout, tracks, rows = extraction
    found, written = read_tracks(layout.root, "2.wav"), tracks["2.wav"]
    assert replace(found.recording, embedding=None) == replace(rows[0], embedding=None)
    assert (found.frames, found.metadata) == (ActivityFrames(0.03, 0.0168), METADATA)
    for name in ("start", "end", "local_speaker", "speech_seconds", "clean_seconds", "windows", "norm"):
        np.testing.assert_array_equal(getattr(found.tracks, name), getattr(written, name))
    for name in ("active", "activity"):
        for one, two in zip(getattr(found.tracks, name), getattr(written, name), strict=True):
            np.testing.assert_array_equal(one, two)
            assert one.dtype == two.dtype
    np.testing.assert_array_equal(found.tracks.embedding, rounded(written.embedding))


def test_tracks_of_an_earlier_version_have_no_lengths(tmp_path: Path) -> None:
    tracks = make_tracks(np.random.default_rng(5), 4)
    older = tracks_table([("a.wav", tracks)]).drop_columns("norm")
    with pytest.raises(ValueError, match="without the column channel"):
        typed_tracks(older.drop_columns("channel"))
    assert tracks_of(typed_tracks(older), tracks.windows).norm is None
    path = tmp_path / "a.parquet"  # as a purge or a new key writes it again
    with path.open("wb") as file, TracksFile(file, DIMENSION) as written:
        written.write(older)
    again = pq.read_table(path)
    assert again.column_names[-2:] == ["norm", "embedding"]
    assert again["norm"].null_count == len(tracks)
    kept = tracks_of(typed_tracks(again), tracks.windows).take(np.array([True, False, True, False]))
    assert kept.norm is None
    assert len(kept) == 2


@pytest.mark.parametrize("wrong", [-1.0, np.nan, np.inf])
def test_lengths_that_are_none_are_damage(extraction, wrong: float) -> None:
    layout, tracks, rows = extraction
    norm = tracks["2.wav"].norm.copy()
    norm[1] = wrong
    damaged = replace(tracks["2.wav"], norm=norm)
    write_mirrored(layout, rows[0], damaged, {**METADATA, "schema_version": SCHEMA_VERSION})
    with pytest.raises(StoreError, match="norm is no length of a vector"):
        read_tracks(layout.root, "2.wav")


def test_tracks_without_a_segmentation_model_have_no_frames(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    writer = Writer(Layout(str(tmp_path)), DIMENSION, {"model": "m"})
    save_config(Layout(str(tmp_path)), {"model": "m"})
    writer.write_tracks(0, RecordingRow("a.wav", "/a.wav", tracks=1), make_tracks(rng, 1))
    found = read_tracks(str(tmp_path), "a.wav")
    assert (found.frames, len(found.tracks), len(found.tracks.active[0])) == (None, 1, 0)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("missing", "is missing"),
        ("cut", "is damaged"),
        ("garbled", "is damaged"),
        ("foreign", "schema version None"),
        ("version", f"schema version 1, not {SCHEMA_VERSION}"),
        ("moved", "holds tracks of '10.wav'"),
        ("types", "is damaged (ArrowNotImplementedError"),
    ],
)
def test_tracks_that_are_not_there_as_written_are_refused(extraction, damage: str, message: str) -> None:
    layout, _, _ = extraction
    file = Path(layout.tracks("2.wav"))
    content = file.read_bytes()
    if damage == "missing":
        file.unlink()
    elif damage == "cut":
        file.write_bytes(content[:-20])
    elif damage == "garbled":
        file.write_bytes(content[:4] + b"\xff" * 600 + content[604:])
    elif damage == "foreign":
        pq.write_table(pq.read_table(file).replace_schema_metadata({}), file)
    elif damage == "version":
        footer = {**pq.read_metadata(file).metadata, b"diar.schema_version": b"1"}
        pq.write_table(pq.read_table(file).replace_schema_metadata(footer), file)
    elif damage == "types":
        footer, table = pq.read_metadata(file).metadata, pq.read_table(file)
        place = table.column_names.index("active")
        table = table.set_column(place, "active", pa.array(["x"] * len(table)))
        pq.write_table(table.replace_schema_metadata(footer), file)
    else:
        file.write_bytes(Path(layout.tracks("10.wav")).read_bytes())
    with pytest.raises(StoreError, match=re.escape(message)) as caught:
        read_tracks(layout.root, "2.wav")
    assert str(file) in str(caught.value)


vectors = arrays(np.float32, (4, DIMENSION), elements=st.floats(-1, 1, width=32, allow_subnormal=False))


@given(matrix=vectors)
def test_rounding_changes_a_number_by_less_than_a_4096th_of_it(matrix: np.ndarray) -> None:
    found = rounded(matrix)
    assert (np.abs(found - matrix.astype(np.float64)) <= 2.0**-12 * np.abs(matrix)).all()
    assert (found.view(np.uint32) % 2**12 == 0).all()


def test_rounding_keeps_directions() -> None:
    exact = unit(np.random.default_rng(0), 1000).astype(np.float64)
    stored = rounded(exact.astype(np.float32)).astype(np.float64)
    norms = np.linalg.norm(stored, axis=1)
    assert np.abs(norms - 1).max() < 1e-3
    assert (1 - (exact * stored).sum(axis=1) / norms).max() < 1e-6


def test_tracks_take_less_room_than_plain_parquet(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    row, tracks = RecordingRow("a.wav", "/a.wav", tracks=500), make_tracks(rng, 500)
    tracks = replace(tracks, embedding=unit(rng, 500, 192))
    Writer(Layout(str(tmp_path)), 192, METADATA).write_tracks(0, row, tracks)
    assert Path(Layout(str(tmp_path)).tracks("a.wav")).stat().st_size < 0.6 * tracks.embedding.nbytes


def test_a_failed_row_survives_json() -> None:
    row = RecordingRow("ü\n.wav", "/a", status="empty", error="0 bytes", size=3, mtime=1.5)
    assert row_from_json(row_to_json(row)) == row


@pytest.mark.parametrize("damage", ["missing", "foreign", "schema", "plan"])
def test_a_directory_that_is_no_extraction_is_refused(extraction, tmp_path: Path, damage: str) -> None:
    layout, _, _ = extraction
    if damage == "missing":
        layout = Layout(str(tmp_path / "nowhere"))
    elif damage == "foreign":
        Path(layout.config).unlink()
    elif damage == "schema":
        Path(layout.config).write_text(json.dumps({"schema_version": "9" * 5000}))
    else:
        Path(layout.plan).write_bytes(b"PAR1 damaged")
    with pytest.raises(StoreError) as caught:
        load_index(layout.root)
    assert layout.root in str(caught.value) and len(str(caught.value)) < 1000


def test_vectors_are_arrays_in_every_reader(extraction) -> None:
    duckdb = pytest.importorskip("duckdb")
    polars = pytest.importorskip("polars")
    pandas = pytest.importorskip("pandas")
    datasets = pytest.importorskip("datasets")
    layout, tracks, _ = extraction
    file, expected = layout.tracks("10.wav"), rounded(tracks["10.wav"].embedding)
    activity = [row.tobytes() for row in tracks["10.wav"].activity]

    assert (
        str(pq.read_schema(file).field("embedding").type) == f"fixed_size_list<element: float>[{DIMENSION}]"
    )
    np.testing.assert_array_equal(matrix(pq.read_table(file)["embedding"]), expected)

    frame = polars.read_parquet(file)
    assert frame.schema["embedding"] == polars.Array(polars.Float32, DIMENSION)
    np.testing.assert_array_equal(frame["embedding"].to_numpy(), expected)
    assert frame["activity"].to_list() == activity

    np.testing.assert_array_equal(np.stack(pandas.read_parquet(file)["embedding"]), expected)

    columns = 'recording_id, "end", embedding, active[2].start, activity'
    rows = duckdb.sql(f"SELECT {columns} FROM '{file}'").fetchall()
    np.testing.assert_array_equal(np.array([row[2] for row in rows], np.float32), expected)
    assert [row[3] for row in rows] == [None, None, 2.5]
    assert [row[4] for row in rows] == activity

    loaded = datasets.Dataset.from_parquet(file).with_format("numpy")
    assert loaded["recording_id"][0] == "10.wav"
    assert [bytes(row) for row in loaded["activity"][:]] == activity
    np.testing.assert_array_equal(np.stack(loaded["embedding"][:]), expected)


def test_the_glob_that_comes_to_mind_finds_tracks_only(extraction) -> None:
    duckdb = pytest.importorskip("duckdb")
    layout, tracks, _ = extraction
    query = f"SELECT recording_id, count(*) FROM read_parquet('{layout.root}/**/*.parquet') GROUP BY 1"
    assert dict(duckdb.sql(query).fetchall()) == {name: len(one) for name, one in tracks.items()}
    index = duckdb.sql(f"SELECT recording_id FROM read_parquet('{layout.shards}/*.pq') ORDER BY 1").fetchall()
    assert [name for (name,) in index] == sorted([*tracks, "bad.wav"])


def test_an_earlier_output_is_read_and_gets_the_names_of_today(extraction) -> None:
    layout, tracks, _ = extraction
    wanted = load_index(layout.root)
    today = [Path(layout.plan), *(Path(layout.shard(shard)) for shard in (0, 1))]
    for path in today:
        path.rename(earlier_name(str(path)))
    for _ in range(2):
        found = load_index(layout.root)
        assert (found.recording_id, found.status) == (wanted.recording_id, wanted.status)
        assert len(TracksReader(layout.root).read(NAMES[0]).tracks) == len(tracks[NAMES[0]])
        rename_earlier(layout)
        assert [path.exists() for path in today] == [True, True, True]
        assert not list(Path(layout.private).rglob("*.parquet"))


def test_the_index_too_is_read_with_its_missing_vectors(extraction) -> None:
    polars = pytest.importorskip("polars")
    layout, _, rows = extraction
    frame = polars.read_parquet(Path(layout.shards) / "*.pq").sort("recording_id")
    assert frame["embedding"].is_null().to_list() == [False, False, True]
    assert frame.filter(polars.col("status") == "ok")["embedding"][1].to_list() == rows[0].embedding.tolist()


def test_reading_ends_cleanly(extraction) -> None:
    # Arrow's threads on a Python file aborted every other process at its exit when the plan was large
    layout, _, _ = extraction
    many = [Recording(f"{i}.wav", f"/audio/{i}.wav", 10, 1.0) for i in range(20_000)]
    save_plan(layout, make_plan(many, ShardLimits(500, 10**9)))
    code = "from diar.store.layout import Layout; from diar.store.reader import count_planned; "
    code += f"print(count_planned(Layout({layout.root!r})))"
    for _ in range(6):
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert (done.returncode, done.stdout) == (0, "20000\n"), done.stderr


def test_a_reader_never_sees_half_a_file(extraction, monkeypatch: pytest.MonkeyPatch) -> None:
    layout, tracks, rows = extraction
    before = Path(layout.tracks("2.wav")).read_bytes()

    written = pq.ParquetWriter.write_table

    def fail_half_way(self, *arguments, **options):
        written(self, *arguments, **options)
        raise OSError("disk full")

    monkeypatch.setattr(pq.ParquetWriter, "write_table", fail_half_way)
    with pytest.raises(OSError, match="disk full"):
        Writer(layout, DIMENSION, METADATA).write_tracks(0, rows[0], tracks["2.wav"])
    folder = Path(layout.root)
    assert Path(layout.tracks("2.wav")).read_bytes() == before
    assert sorted(path.name for path in folder.iterdir()) == [
        "10.wav.parquet",
        "2.wav.parquet",
        "_extraction",
    ]
