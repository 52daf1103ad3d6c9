"""`--names`: what people are called, in every output of stage 2 and of `diar words`."""

import csv
import json
import shutil
from pathlib import Path

import pytest

from diar.formats.rttm import read_turns
from diar.formats.turns_json import read_recording_turns
from diar.formats.words.document import read_recording_words
from tests.commands import detect_here, run_diar
from tests.detect.observations_sample import METADATA, converse, make_voices, write_store
from tests.pages import read_page

VOICES = make_voices(3, 7)
HOSTILE = "</script><img src=x onerror=alert(1)>"
TURNS = ("--task", "turns", "--no_plot", "--processes", 1)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("names")
    part = {"offset": 100.0, "part_seconds": 40.0}
    talks = {"a.wav": converse(VOICES[:2], 40.0, seed=1), "b.wav": converse(VOICES[1:], 40.0, seed=2)}
    write_store(folder, talks, METADATA, known={"b.wav": part})
    assert detect_here(folder / "E", folder / "plain", *TURNS).returncode == 0
    return folder


def people(result: Path) -> dict[str, str]:
    with (result / "speakers.csv").open(encoding="utf-8", newline="") as file:
        return {row["speaker_id"]: row["name"] for row in csv.DictReader(file)}


def moment(result: Path, recording: str, person: str) -> dict:
    """A second in which somebody speaks, as the page saves it."""
    found = read_recording_turns(result / "recordings" / recording / "turns.json")
    turn = max((t for t in found.turns if t.speaker == person), key=lambda turn: turn.end - turn.start)
    return {"recording": recording, "time": (turn.start + turn.end) / 2}


def saved(path: Path, names: dict[str, str], heard: dict[str, dict]) -> Path:
    document = {"schema": "diar.names", "schema_version": "1.0", "names": names, "heard": heard}
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def test_names_are_in_every_output(root: Path, tmp_path: Path) -> None:
    plain, result = root / "plain", tmp_path / "R"
    first, second, third = sorted(people(plain))
    heard = {second: moment(plain, "b.wav", second), "person_0042": moment(plain, "a.wav", first)}
    names = saved(tmp_path / "names.json", {second: HOSTILE, "person_0042": "Ann Baker"}, heard)
    done = detect_here(root / "E", result, *TURNS, "--times", "file", "--names", names)
    assert done.returncode == 0, done.stderr
    called = {first: "Ann Baker", second: HOSTILE, third: third}
    assert people(result) == called
    for name, before in read_turns(plain / "all.rttm").items():
        now = read_turns(result / "all.rttm")[name]
        assert [turn.speaker for turn in now] == [called[turn.speaker] for turn in before]
        folder = result / "recordings" / name
        told = read_recording_turns(folder / "turns.json")
        assert [turn.speaker for turn in told.turns] == [turn.speaker for turn in now]
        assert {one.name for one in told.speakers} == {turn.speaker for turn in now}
        assert HOSTILE in (folder / "labels.txt").read_text()
        assert HOSTILE in (folder / "turns.TextGrid").read_text()
    page = read_page(result / "index.html")
    page.check_alone()
    assert set(page.column("people", "Person")) == set(called.values())
    assert page.data["listen"]["ids"] == [
        next(id_ for id_, name in called.items() if name == shown) for shown in page.data["names"]
    ]
    _check_words(root, tmp_path, result, called)


def _check_words(root: Path, folder: Path, result: Path, called: dict[str, str]) -> None:
    """The words have the names of the turns; others by `diar words --names`."""
    embeddings = folder / "E"
    shutil.copytree(root / "E", embeddings)
    turns = read_recording_turns(root / "plain/recordings/a.wav/turns.json").turns
    lines = [f"a.wav 1 {turn.start + 0.1:.2f} 0.2 <b>{i}\n" for i, turn in enumerate(turns)]
    (folder / "words.ctm").write_text("".join(lines))
    words = ("words", "--embeddings_dir", embeddings, "--words", folder / "words.ctm", "--workers", 1)
    done = run_diar(*words, "--result", result, "--format", "json,srt", "--device", "cpu")
    assert done.returncode in (0, 3), done.stderr
    spoken = {word.speaker for word in read_recording_words(result / "recordings/a.wav/words.json").words}
    assert spoken == {"Ann Baker", HOSTILE}
    script = (result / "recordings/a.wav/words.js").read_text()
    assert script.startswith('takeWords({"recording":"a.wav"')
    assert "<" not in script
    page = read_page(result / "index.html")
    page.check_alone()
    assert page.column("recordings", "Words") == ["yes", ""]
    ann = next(person for person, name in called.items() if name == "Ann Baker")
    (folder / "other.json").write_text(json.dumps({ann: "Bo"}))
    done = run_diar(*words, "--result", result, "--format", "srt", "--names", folder / "other.json")
    assert done.returncode in (0, 3), done.stderr
    assert "Bo:" in (result / "recordings/a.wav/words.srt").read_text()
    listen = read_page(result / "index.html").data
    assert listen["names"][listen["listen"]["inTurns"].index("Ann Baker")] == "Bo"
    assert detect_here(root / "E", result, *TURNS).returncode == 0  # the words have speakers of another run
    page = read_page(result / "index.html")
    assert page.column("recordings", "Words") == ["older than the turns", ""]
    assert "the words of 1 recording are older than the turns" in page.text


def test_names_that_cannot_be_given_are_refused_before_anything_is_written(
    root: Path, tmp_path: Path
) -> None:
    for given, complaint in (
        ({"person_0009": "Ann"}, "no such person"),
        ({"person_0001": "Ann", "person_0002": "Ann"}, "lower --link_probability"),
        ({"person_0001": "person_0003"}, "which is person_0003"),
    ):
        (tmp_path / "names.json").write_text(json.dumps(given))
        done = detect_here(root / "E", tmp_path / "R", *TURNS, "--names", tmp_path / "names.json")
        assert (done.returncode, complaint in done.stderr) == (2, True), done.stderr
        assert not (tmp_path / "R/all.rttm").exists()
    words = ("words", "--embeddings_dir", root / "E", "--result", root / "plain")
    done = run_diar(*words, "--names", tmp_path / "names.json")
    assert (done.returncode, "which is person_0003" in done.stderr) == (2, True), done.stderr
