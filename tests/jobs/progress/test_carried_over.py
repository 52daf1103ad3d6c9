"""A rank that was started again goes on counting where the dead one was."""

import json
from pathlib import Path

import pytest

from diar import storage
from diar.archive.listing import Recording
from diar.jobs.extract.plan import ShardLimits, make_plan, save_plan
from diar.jobs.progress.carried_over import earlier_counters
from diar.jobs.progress.counters import Counters, Totals
from diar.jobs.progress.reporter import RankProgress
from diar.store.layout import Layout


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """Six recordings of 10 to 15 bytes in three shards."""
    layout = Layout(str(tmp_path))
    recordings = [Recording(f"{i}.wav", f"/a/{i}.wav", 10 + i, 1.0) for i in range(6)]
    save_plan(layout, make_plan(recordings, ShardLimits(2, 1000)))
    return layout


def report(layout: Layout, rank: int, run_id: str, counters: Counters) -> None:
    progress = RankProgress(run_id, rank, 2, "here", 1, 1.0, Totals(6, 75, 0, 0), 2.0, counters)
    storage.write_bytes_atomic(layout.progress(rank), json.dumps(progress.record()).encode())


def test_what_will_be_met_again_as_published_is_not_counted_twice(layout: Layout) -> None:
    dead = Counters(files=3, bytes=33, audio_seconds=9.0, compute_seconds=1.5)
    report(layout, 1, "now", dead)
    report(layout, 0, "now", Counters(files=1))
    counters = earlier_counters(layout, 1, "now", finished={0})  # and one recording of shard 2
    assert (counters.files, counters.audio_seconds, counters.compute_seconds) == (3, 9.0, 1.5)
    assert counters.files + counters.skipped_files == 2, "what shard 0 holds"
    assert counters.bytes + counters.skipped_bytes == 10 + 11
    assert (dead.skipped_files, dead.skipped_bytes) == (0, 0)


def test_without_a_report_of_this_run_finished_shards_still_count(layout: Layout) -> None:
    report(layout, 1, "an earlier run", Counters(files=100))
    counters = earlier_counters(layout, 1, "now", finished={0, 1})
    assert (counters.files, counters.skipped_files, counters.skipped_bytes) == (0, 4, 10 + 11 + 12 + 13)
