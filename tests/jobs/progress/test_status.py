"""`diar status` of outputs in every state: it counts recordings, and says in plain words how it stands."""

import json
import time
from pathlib import Path

import pytest

from diar import storage
from diar.archive.recording import Recording
from diar.cli import main
from diar.jobs.extract.plan import ShardLimits, make_plan, save_plan
from diar.jobs.progress.counters import Counters, Totals
from diar.jobs.progress.reporter import RankProgress
from diar.jobs.ranks.lock import run_lock
from diar.records import RecordingRow
from diar.store.layout import Layout
from diar.store.schema import SCHEMA_VERSION
from diar.store.writer import make_writer

METADATA = {"model": "m", "model_sha256": "0", "architecture": "a", "fingerprint": "f"}


def write_output(root: Path, arrangement: str = "mirror", finished: int = 1) -> Layout:
    """Seven recordings in shards of two, of which some are finished; the first recording failed."""
    layout = Layout(str(root / "my E"))
    listed = [Recording(f"{number}.wav", f"/a/{number}.wav", 10, 1.0) for number in range(7)]
    save_plan(layout, make_plan(listed, ShardLimits(2, 1000)))
    config = {
        "schema_version": SCHEMA_VERSION,
        "layout": arrangement,
        "input_dir": "/a",
        "settings": {},
        "metadata": METADATA,
    }
    storage.write_bytes_atomic(layout.config, json.dumps(config).encode())
    for shard in range(finished):
        rows = [
            RecordingRow(one.recording_id, one.url, status="ok" if one is not listed[0] else "empty")
            for one in listed[2 * shard : 2 * shard + 2]
        ]
        make_writer("mirror", layout, 4, METADATA).write_shard(shard, rows)
    return layout


def report(layout: Layout, files: int, updated: float) -> None:
    """Of two ranks, in a run before which two recordings were done."""
    for rank in (0, 1):
        counters = Counters(files=files, bytes=10 * files, audio_seconds=1.0)
        told = RankProgress("now", rank, 2, "there", 1, updated - 9, Totals(7, 70, 2, 20), updated, counters)
        storage.write_bytes_atomic(layout.progress(rank), json.dumps(told.record()).encode())


def status(layout: Layout, capsys: pytest.CaptureFixture[str], *options: str) -> tuple[int, str]:
    code = main(["status", layout.root, *options])
    return code, capsys.readouterr().out


def test_a_stopped_run_counts_recordings_not_shards(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    layout = write_output(tmp_path)
    report(layout, files=1, updated=1.0)
    code, told = status(layout, capsys, "--failures")
    assert code == 1
    assert "stopped before the end: 4 of 7 recordings are done, 1 failed (--failures lists them)\n" in told
    assert f"diar extract --input_dir /a --output_dir '{layout.root}' …" in told
    assert "empty\t0.wav" in told


def test_a_packed_shard_that_is_interrupted_starts_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    layout = write_output(tmp_path, "packed")
    report(layout, files=1, updated=1.0)
    assert "stopped before the end: 2 of 7 recordings are done" in status(layout, capsys)[1]


def test_a_running_one_tells_its_ranks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    layout = write_output(tmp_path, "packed")
    report(layout, files=2, updated=time.time())
    with run_lock(layout.lock, first=True):
        code, told = status(layout, capsys)
    assert code == 1
    assert "running: 6 of 7 recordings are done\n6 of 7 files · 2.0 s of audio" in told
    assert "  rank 1 on there (pid 1): 2 files, " in told


def test_a_run_before_its_first_report_and_a_finished_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, told = status(write_output(tmp_path, finished=0), capsys)
    assert (code, "stopped before the end: 0 of 7 recordings are done\n" in told) == (1, True)
    code, told = status(write_output(tmp_path, finished=4), capsys)
    assert code == 3
    assert "finished: 7 of 7 recordings are done, 1 failed (--failures lists them)\n" in told


def test_damaged_figures_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    layout = write_output(tmp_path, finished=4)
    storage.write_bytes_atomic(layout.statistics, b"{}")
    assert main(["status", layout.root]) == 2
    assert "extraction_stats.json is damaged (KeyError: 'this_run')" in capsys.readouterr().err
    storage.write_bytes_atomic(layout.progress(0), b"{")
    assert main(["status", layout.root]) == 2
    assert "_extraction/progress is damaged" in capsys.readouterr().err
