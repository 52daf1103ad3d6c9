"""The archive's speakers, as DuckDB, pandas and people read them."""

import csv
import io
from dataclasses import replace
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from diar.outputs.speakers_table import ArchiveSpeakers, SpeakerTotals, speakers_csv, write_speakers
from tests.outputs.sample import make_turns

ANN = 'Ann "A" Ö'


def make_speakers() -> ArchiveSpeakers:
    totals = SpeakerTotals()
    totals.add(make_turns("1.wav"))
    second = make_turns("2.wav")
    totals.add(replace(second, speakers=second.speakers[:1]))
    names = [ANN, "speaker_001", "silent"]
    centroid = np.random.default_rng(0).normal(size=(3, 192))
    ids = ["speaker_002", "speaker_001", "speaker_003"]
    return ArchiveSpeakers.of(totals, ids, names, np.array([1, 0, 1]), centroid)


def test_the_table_is_read_by_others(tmp_path: Path) -> None:
    speakers, path = make_speakers(), tmp_path / "speakers.parquet"
    write_speakers(str(path), speakers, {"model": "m", "link_threshold": "0.5"})
    rows = duckdb.sql(f"SELECT * FROM '{path}'").fetchall()
    assert [row[:7] for row in rows] == [
        ("speaker_002", ANN, True, 1, ["1.wav"], 3.25, 1),
        ("speaker_001", "speaker_001", False, 2, ["1.wav", "2.wav"], 11.75, 4),
        ("speaker_003", "silent", True, 0, [], 0.0, 0),
    ]
    frame = pd.read_parquet(path)
    assert np.array_equal(np.stack(frame["centroid"]), speakers.centroid.astype(np.float32))
    schema = pq.read_schema(path)
    assert (
        str(schema.field("centroid").type).startswith("fixed_size_list<") and schema.names[-1] == "centroid"
    )
    assert schema.metadata[b"diar.link_threshold"] == b"0.5"


def test_an_archive_without_speech(tmp_path: Path) -> None:
    none = ArchiveSpeakers.of(SpeakerTotals(), [], [], np.zeros(0, bool), np.empty((0, 192), np.float32))
    write_speakers(str(tmp_path / "speakers.parquet"), none, {})
    table = pq.read_table(tmp_path / "speakers.parquet")
    assert len(table) == 0 and table.schema.field("centroid").type.list_size == 192
    assert len(speakers_csv(none).splitlines()) == 1


def test_people_get_those_who_talk_most_first() -> None:
    rows = list(csv.DictReader(io.StringIO(speakers_csv(make_speakers()), newline="")))
    assert [row["name"] for row in rows] == ["speaker_001", ANN, "silent"]
    assert [row["known"] for row in rows] == ["no", "yes", "yes"]
    assert rows[0]["speech_seconds"] == "11.750"
