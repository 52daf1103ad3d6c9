"""Steps at growing sizes: the real steps run on what the stand-in wrote, and growth is what it should be."""

import re
from pathlib import Path

import numpy as np
import pytest
import stand_in_store
from scaling_archive import Point, extrapolate, extrapolate_memory, growth

from diar.jobs.detect.boundaries import detect_boundaries
from diar.jobs.detect.config import DetectConfig
from diar.store.reader import TracksReader, load_index
from tests.commands import run


def test_growth_and_what_follows_from_it() -> None:
    points = [Point(size, 2.0 * (size / 100) ** 2, 1000 + 5 * size) for size in (100, 200, 400)]
    assert growth(points, lambda point: point.seconds) == pytest.approx(2)
    assert extrapolate(points, 4000) == pytest.approx(3200)
    assert extrapolate_memory(points, 4000) == pytest.approx(21_000)


def test_steps_of_the_command_are_measured(tmp_path: Path) -> None:
    sizes = ("--files", 1500, 3000, "--walked", 100, 200, "--short", 4, 8)
    others = (
        "--conversations",
        1,
        2,
        "--hours",
        "--chunks",
        1,
        2,
        "--speakers",
        400,
        800,
        "--ranks",
        2,
        "--shards",
        50,
    )
    done = run("benchmarks/scaling.py", "archive", *sizes, *others)
    assert done.returncode == 0, done.stderr
    rows = re.findall(r"^\| ([a-z0-9][^|]+) \| [\d,]+: [\d.e-]+, [\d,]+: ", done.stdout, re.MULTILINE)
    assert len(rows) == 14, done.stdout
    rate = re.search(r"^\| 2 \| ([\d,]+) \| [\d,]+ \| ([\d,]+) \| [\d,]+ \|$", done.stdout, re.MULTILINE)
    assert rate is not None and min(int(each.replace(",", "")) for each in rate.groups()) > 50


def test_the_stand_in_is_what_stage_2_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stand_in_store, "BLOCK", 40)
    stand_in_store.write_short(tmp_path / "E", 120)
    index = load_index(str(tmp_path / "E"))
    assert len(index) == 120 and index.unfinished == 0
    tracks = TracksReader(str(tmp_path / "E")).read(index.recording_id[70], int(index.shard[70])).tracks
    assert np.median(tracks.embedding @ index.embedding[70]) > 0.3
    found = detect_boundaries(
        DetectConfig(embeddings_dir=str(tmp_path / "E"), output_dir=str(tmp_path / "R"), place="none")
    )
    assert [segment.start for segment in found.segments] == [0, 40, 80]
    assert len(found.speakers) == 3
