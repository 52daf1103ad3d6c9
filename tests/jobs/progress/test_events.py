"""The event log of a rank: a line an event, of limited size, readable after a kill; and what a page says."""

import json
from pathlib import Path

import pytest

from diar.cli import main
from diar.jobs.progress.events import EventLog, read_events
from diar.jobs.progress.report.happened import Happened
from diar.records import RecordingRow
from diar.store.layout import Layout
from tests.jobs.progress.test_status import write_output

GOOD = RecordingRow("day 1/a.wav", "/a", duration=3.0)
BAD = RecordingRow("b.wav", "/b", status="undecodable", error="<i>cut</i>" + "x" * 5000)


def killed(log: EventLog) -> None:
    """Begin, and end without a word."""
    log.__enter__()


def test_starts_stops_deaths_retries_and_failures_are_told(tmp_path: Path) -> None:
    layout = write_output(tmp_path)
    killed(EventLog(layout, 0, "first run"))
    with EventLog(layout, 0, "first run") as again:
        again.recording(3, GOOD)
        again.asked()
    with pytest.raises(KeyError), EventLog(layout, 1, "second run") as failing:
        failing.recording(0, BAD)
        raise KeyError("x")
    killed(EventLog(layout, 1, "third run"))
    with Path(layout.events(1)).open("a") as file:
        file.write('{"time": 1.0, "eve')  # cut by the kill
    events = list(read_events(layout))
    assert [(one["rank"], one["event"]) for one in events] == [
        *((0, name) for name in ("start", "start", "done", "stop")),
        *((1, name) for name in ("start", "failed", "stop", "start")),
    ]
    assert {"recording": "day 1/a.wav", "shard": 3, "seconds": 3.0}.items() <= events[2].items()
    assert (events[3]["reason"], events[6]["reason"]) == ("asked to", "KeyError")
    assert events[5]["status"] == "undecodable" and len(events[5]["error"]) == 300
    made = Happened.of(iter(events))
    assert (made.counts["start"], made.silent, made.again, made.twice) == (4, 2, 1, 0)

    page = tmp_path / "page.html"
    assert main(["status", layout.root, "--report", str(page)]) == 1
    text = page.read_text()
    for told in ("What happened", "ended without a word: killed, or their machine was lost", "undecodable"):
        assert told in text
    assert "<i>cut" not in text, "what comes from files is escaped"


def test_a_log_is_of_limited_size(tmp_path: Path) -> None:
    layout = Layout(str(tmp_path))
    with EventLog(layout, 0, "run", most=2_000) as log:
        for number in range(100):
            log.recording(number, GOOD)
    sizes = [file.stat().st_size for file in Path(layout.events(0)).parent.iterdir()]
    assert len(sizes) == 2 and sum(sizes) < 4_500
    shards = [event["shard"] for event in read_events(layout) if "shard" in event]
    assert sorted(shards) == list(range(min(shards), 100)), "the latest are there"


def test_a_log_that_cannot_be_written_is_told_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    layout = Layout(str(tmp_path))
    Path(layout.events(0)).mkdir(parents=True)
    with EventLog(layout, 0, "run") as log:
        log.recording(0, GOOD)
    assert capsys.readouterr().err.count("warning: events cannot be written") == 1
    assert list(read_events(Layout(str(tmp_path / "none")))) == []


def test_json_lines_are_json(tmp_path: Path) -> None:
    layout = Layout(str(tmp_path))
    with EventLog(layout, 0, "run") as log:
        log.recording(0, RecordingRow("new\nline \ud800.wav", "/a"))
    lines = Path(layout.events(0)).read_bytes().splitlines()
    assert [json.loads(line)["event"] for line in lines] == ["start", "done", "stop"]
