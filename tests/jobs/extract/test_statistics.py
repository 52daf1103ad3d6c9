import json
from dataclasses import asdict
from pathlib import Path

import pytest

from diar import storage
from diar.archive.recording import Recording
from diar.jobs.extract.plan import ShardLimits, make_plan, save_plan
from diar.jobs.extract.statistics import summarise_ranks, write_statistics
from diar.jobs.progress.counters import Counters
from diar.records import RecordingRow
from diar.store.layout import Layout
from diar.store.schema import SCHEMA_VERSION
from diar.store.writer import make_writer

METADATA = {"model": "m", "model_sha256": "0", "architecture": "a", "fingerprint": "f"}


def rank(number: int, **counters: float) -> dict:
    return {"rank": number, "device": "cpu", "seconds": 12.0, **asdict(Counters(**counters))}


def test_the_run_is_the_sum_of_its_ranks_and_keeps_each() -> None:
    run = summarise_ranks(
        [
            rank(0, files=3, working_seconds=10, compute_seconds=9, audio_seconds=50, decode_step=4),
            rank(1, files=1, working_seconds=5, decode_wait_seconds=4, audio_seconds=10, decode_step=1),
        ]
    )
    assert (run["seconds"], run["working_seconds"], run["startup_seconds"]) == (12, 10, 2)
    assert (run["recordings"], run["audio_seconds"], run["times_real_time"]) == (4, 60, 5)
    assert run["steps"] == {
        "decode": 5,
        "enhance": 0,
        "fbank": 0,
        "segment": 0,
        "embed": 0,
        "rows": 0,
        "write": 0,
    }
    assert run["loop"] == pytest.approx(
        {"compute": 9 / 15, "wait_decode": 4 / 15, "wait_write": 0, "other": 2 / 15}
    )
    assert run["bound_by"] == "the encoder"
    assert run["idle_share"] == pytest.approx(0.25)
    assert [one["bound_by"] for one in run["ranks"]] == ["the encoder", "decoding"]
    assert run["ranks"][1]["loop"]["wait_decode"] == pytest.approx(0.8)
    assert run["ranks"][1]["steps"]["decode"] == 1


def test_a_run_that_found_everything_done_has_no_shares() -> None:
    run = summarise_ranks([rank(0, skipped_files=7)])
    assert (run["times_real_time"], run["idle_share"], run["already_published"]) == (0, 0, 7)
    assert set(run["loop"].values()) == {0}
    assert run["bound_by"] == "start-up"


def test_recordings_are_counted_by_kind_also_before_any_shard_is_done(tmp_path: Path) -> None:
    layout = Layout(str(tmp_path))
    listed = [Recording(f"{number}.wav", f"/a/{number}.wav", 10, 1.0) for number in range(5)]
    save_plan(layout, make_plan(listed, ShardLimits(5, 1000)))
    config = {"schema_version": SCHEMA_VERSION, "settings": {}, "metadata": METADATA, "input_dir": "/a"}
    storage.write_bytes_atomic(layout.config, json.dumps({**config, "fingerprint": "f"}).encode())
    before = write_statistics(layout, METADATA, [rank(0)])["recordings"]
    assert (before["planned"], before["ok"], before["failed"], before["with_gaps"]) == (5, 0, 0, 0)
    kinds = ["empty", "missing", "empty", "missing", "silent"]
    gaps = [((0.0, 1.0),), (), (), ((1.0, 2.0), (3.0, 4.0)), ()]
    rows = [
        RecordingRow(one.recording_id, one.url, status=kind, gaps=gap)
        for one, kind, gap in zip(listed, kinds, gaps, strict=True)
    ]
    make_writer("mirror", layout, 4, METADATA).write_shard(0, rows)
    after = write_statistics(layout, METADATA, [rank(0)])["recordings"]
    assert list(after["failed_by_kind"].items()) == [("empty", 2), ("missing", 2), ("silent", 1)]
    assert (after["ok"], after["failed"], after["with_gaps"]) == (0, 5, 2)
