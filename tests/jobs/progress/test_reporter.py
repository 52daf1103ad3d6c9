"""What a rank tells of itself, others read: of the newest run only, and as it was told."""

import json
from pathlib import Path

import pytest

from diar import storage
from diar.jobs.progress.counters import Counters, Totals
from diar.jobs.progress.reporter import ProgressReporter, RankProgress, read_ranks
from diar.store.layout import Layout

TOTALS = Totals(files=10, bytes=1000, files_before=1, bytes_before=100)


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(str(tmp_path / "out"))


def test_progress_comes_back_from_its_file_and_unknown_figures_do_not_matter() -> None:
    told = RankProgress("now", 1, 2, "here", 7, 1.5, TOTALS, 2.5, Counters(files=3, embed_step=0.5))
    record = json.loads(json.dumps(told.record()))
    assert record["totals"] == {"files": 10, "bytes": 1000, "files_before": 1, "bytes_before": 100}
    assert record["counters"]["embed_step"] == 0.5
    assert RankProgress.of({**record, "of a later version": 1}) == told


def test_only_the_newest_run_is_read_and_an_earlier_one_may_have_told_other_figures(layout: Layout) -> None:
    old = {"run_id": "earlier", "rank": 2, "started": 1.0, "counters": {"shards": 1}}
    storage.write_bytes_atomic(layout.progress(2), json.dumps(old).encode())
    counters = Counters(files=2, bytes=200)
    for rank in (1, 0):
        with ProgressReporter(layout, "now", rank, 2, TOTALS, counters, 5.0):
            counters.add("files", 1)
    first, second = read_ranks(layout)
    assert (first.rank, second.rank) == (0, 1)
    assert (first.counters.files, second.counters.files) == (4, 3)
    assert first.totals == TOTALS
    assert first.updated > first.started
    assert Counters.total([first.counters, second.counters]).bytes == 400


def test_there_is_nothing_to_read_before_the_first_run(layout: Layout) -> None:
    assert read_ranks(layout) == []
