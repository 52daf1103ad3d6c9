"""`index.html` by the real command: it agrees with the other outputs, and each run leaves a new one."""

import csv
import json
import shutil
from pathlib import Path

import pytest

from diar.formats.rttm import read_turns
from diar.formats.turns_json import read_recording_turns
from tests.commands import detect_here
from tests.detect.observations_sample import METADATA, Conversation, converse, make_voices, write_store
from tests.formats.html.test_document import numbers
from tests.pages import ReadPage, read_page

VOICES = make_voices(4, 11)
LONG = "/".join(["very long folder " * 8] * 3) + "/x.wav"
NAMES = [
    "a/<b>&\"'.wav",
    "a/會議 日本語 😀#1?%41.wav",
    "a/silence.wav",
    LONG,
    "</script><script>alert(1).wav",
]
QUIET = ("--no_plot", "--processes", 1)
NO_FOLDERS = ("--place", "none")


def talks() -> dict[str, Conversation]:
    pairs = ([0, 1], [1, 2], [0], [3, 0], [2, 3])
    found = {
        name: converse(VOICES[pair], 40.0, overlap=0.3, seed=n)
        for n, (name, pair) in enumerate(zip(NAMES, pairs, strict=True))
    }
    return {**found, NAMES[2]: Conversation(20.0, VOICES[:1], [])}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    warned = {NAMES[0]: {"warnings": ("clipped <hard>",)}}
    write_store(folder, talks(), METADATA, known=warned)
    return folder


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def check_recordings(page: ReadPage, result: Path) -> None:
    """Every recording, its people and its turns are those of the other outputs."""
    rows = rows_of(result / "recordings.csv")
    assert page.column("recordings", "Recording") == [row["recording_id"] for row in rows] == NAMES
    assert page.column("recordings", "Turns") == [int(row["turns"] or 0) for row in rows]
    texts = page.column("recordings", "Who spoke when")
    for row, people, text in zip(rows, page.column("recordings", "People"), texts, strict=True):
        found = read_recording_turns(result / row["folder"] / "turns.json")
        spoken = {speaker.name: speaker.speech_seconds for speaker in found.speakers}
        assert people == sorted(spoken, key=lambda name: -spoken[name])
        read, start = numbers(text), 0
        ordered = sorted((turn.start, turn.end, people.index(turn.speaker)) for turn in found.turns)
        assert len(read) == 3 * len(ordered)
        for place, (begin, end, speaker) in enumerate(ordered):
            start += read[3 * place]
            assert start / 100 == pytest.approx(begin, abs=0.006)
            assert read[3 * place + 1] / 100 == pytest.approx(end - begin, abs=0.011)
            assert read[3 * place + 2] == speaker
    people = rows_of(result / "speakers.csv")
    assert page.column("people", "Person") == [row["name"] for row in people]
    assert page.column("people", "Recordings") == [int(row["num_recordings"]) for row in people]
    assert sum(page.column("people", "Share")) == pytest.approx(1.0)


def test_the_page_agrees_with_the_other_outputs(root: Path, tmp_path: Path) -> None:
    result = tmp_path / "R"
    done = detect_here(root / "E", result, "--task", "all", "--segment_size", 2, *QUIET, *NO_FOLDERS)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == f"one look at the result: {result / 'index.html'}"
    page = read_page(result / "index.html")
    page.check_alone()
    check_recordings(page, result)
    assert f"recordings {len(NAMES)} " in page.text
    document = json.loads((result / "speaker_boundary_detection_result.json").read_text(encoding="utf-8"))
    assert page.column("boundaries", "Position") == [one["index"] for one in document["boundaries"]]
    doubtful = sorted(one["confidence"] for one in document["boundaries"] if one["confidence"] < 0.8)
    assert (page.column("doubtful", "Confidence") if doubtful else []) == doubtful
    assert page.column("files", "File") == [row["path"] for row in rows_of(result / "files.csv")]
    remarks = dict(zip(page.column("remarks", "Recording"), page.column("remarks", "What"), strict=True))
    assert remarks[NAMES[2]] == "no speech"
    assert "clipped <hard>" in page.column("remarks", "Why")
    assert {f"recordings/{name}/turns.json" for name in NAMES} <= set(page.files_of_rows("recordings"))
    assert page.headings[:2] == ["Who spoke: R", "Look here first"]
    moved = tmp_path / "moved"
    shutil.copytree(result, moved)
    shutil.rmtree(result)
    read_page(moved / "index.html").check_alone()


def test_each_run_leaves_a_new_page_of_what_is_there(root: Path, tmp_path: Path) -> None:
    result = tmp_path / "R"
    page = result / "index.html"
    assert detect_here(root / "E", result, "--task", "turns", *QUIET).returncode == 0
    told = read_page(page)
    assert set(told.data["tables"]) == {"remarks", "doubted", "people", "recordings"}
    estimates = [share for share in told.column("recordings", "Est. DER") if share is not None]
    assert told.column("doubted", "Estimated DER") == [max(estimates)] and len(estimates) == 4
    with (result / "recordings.csv").open(newline="") as rows:
        written = [row["estimated_der"] for row in csv.DictReader(rows)]
    assert sorted(float(share) for share in written if share) == pytest.approx(sorted(estimates), abs=1e-3)
    assert detect_here(root / "E", result, "--segment_size", 2, *NO_FOLDERS, "--no_plot").returncode == 0
    assert {"recordings", "files"} <= set(read_page(page).data["tables"])
    alone = ("--task", "turns", "--num_speakers", 1, "--times", "file")
    assert detect_here(root / "E", result, *alone, *QUIET).returncode == 0
    counts = [len(people) for people in read_page(page).column("recordings", "People")]
    assert counts == [1, 1, 0, 1, 1]
    found = read_turns(result / "all.rttm")
    assert sum(read_page(page).column("recordings", "Turns")) == sum(map(len, found.values()))
    (result / "files.csv").write_text("position,path\n0,x\n")  # of the other task, damaged
    assert detect_here(root / "E", result, *alone, *QUIET).returncode == 0
    assert "files.csv is damaged" in read_page(page).text
    page.unlink()
    page.mkdir()
    done = detect_here(root / "E", result, *alone, *QUIET)
    assert done.returncode == 0
    assert "warning: no page was written: " in done.stdout
