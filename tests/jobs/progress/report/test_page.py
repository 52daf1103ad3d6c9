"""`diar status --report` and `--watch`: what a page says of an extraction in every state."""

import json
import os
import re
import threading
import time
from pathlib import Path

import pytest

from diar import storage
from diar.cli import main
from diar.jobs.progress import command
from diar.jobs.ranks.lock import run_lock
from diar.records import RecordingRow
from diar.store.layout import Layout
from diar.store.writer import make_writer
from tests.jobs.progress.test_status import METADATA, report, write_output


def finish(layout: Layout, gaps: list[float]) -> None:
    """Give the indices the times at which shards were finished: seconds after each other."""
    when = 1_700_000_000.0
    for shard, gap in enumerate(gaps):
        when += gap
        rows = [RecordingRow(f"{2 * shard + i}.wav", "/a", duration=3600.0) for i in range(2)]
        rows = rows[:1] if shard == 3 else rows
        if shard == 0:
            rows[0] = RecordingRow("0.wav", "/a", status="undecodable", error="<b>damaged</b>")
        make_writer("mirror", layout, 4, METADATA).write_shard(shard, rows)
        os.utime(layout.shard(shard), (when, when))


def test_a_page_says_how_fast_it_was_when_what_failed_and_what_to_do(tmp_path: Path) -> None:
    layout, page = write_output(tmp_path), tmp_path / "page.html"
    finish(layout, [0.0, 100.0, 100.0, 5_000.0])
    assert main(["status", layout.root, "--report", str(page)]) == 3
    text = page.read_text()
    for told in ("finished", "7 of 7", "1 recording failed", "--retry_failed", "1.4 h", "undecodable: 1"):
        assert told in text, told
    heights = [float(bar) for bar in re.findall(r'<rect [^>]* height="([0-9.]+)"', text)]
    assert len(heights) == 4 and heights[1] == heights[2] == 0 < heights[3] < heights[0], "a pause is empty"
    assert ">20 ×</text>" in text and ">10 ×</text>" in text, "the scale"
    assert "Pauses, in which no shard was finished" in text
    assert "<b>damaged" not in text, "what comes from files is escaped"
    assert storage.exists(str(page))


def test_an_output_that_has_just_begun_has_a_page_too(tmp_path: Path) -> None:
    layout, page = write_output(tmp_path), tmp_path / "page.html"
    assert main(["status", layout.root, "--report", str(page)]) == 1
    assert "It stopped before the end" in page.read_text() and "Too few shards" in page.read_text()


def test_watching_ends_with_the_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "_WATCH_SECONDS", 0.2)
    layout = write_output(tmp_path)
    report(layout, 1, time.time())
    records = [json.loads(Path(layout.progress(rank)).read_text()) for rank in (0, 1)]
    with run_lock(layout.lock, first=True):
        stop = threading.Timer(
            1.0, lambda: [old(layout, rank, record) for rank, record in enumerate(records)]
        )
        stop.start()
        assert main(["status", layout.root, "--watch"]) == 1
    told = capsys.readouterr().out
    assert told.index("running: ") < told.index("stopped before the end: ")


def old(layout: Layout, rank: int, record: dict) -> None:
    """Let a rank be silent for long."""
    text = json.dumps({**record, "updated": record["updated"] - 1000})
    storage.write_bytes_atomic(layout.progress(rank), text.encode())
