"""`diar diarize`: the numbers of the two commands, one file without workers, several as one archive."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from diar.formats.rttm import read_rttm
from diar.jobs.diarize import stages
from tests.commands import RATE, detect_here, diarize_here, extract

SECONDS = 14


@pytest.fixture(scope="module")
def archive(conversation: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two voices in `my meeting.wav`; `people/Gustave/1.wav` is the first of them alone, elsewhere."""
    folder = tmp_path_factory.mktemp("diarize")
    (folder / "monday").mkdir()
    sf.write(folder / "monday" / "my meeting.wav", conversation[: SECONDS * RATE], RATE, subtype="PCM_16")
    return folder


@pytest.fixture
def no_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(config: object) -> int:
        raise AssertionError("workers were started for little audio")

    monkeypatch.setattr(stages, "start_workers", refuse)


@pytest.mark.usefixtures("no_workers")
def test_one_file_gives_what_the_two_commands_give(archive: Path, tmp_path: Path) -> None:
    audio, out = archive / "monday" / "my meeting.wav", tmp_path / "out"
    done = diarize_here(audio, "-o", out, "--num_speakers", 2)
    assert done.returncode == 0, done.stderr
    networks = ("--segmentation", "segmentation-3.0", "--speech", "segmentation")
    assert extract(audio, tmp_path / "E", *networks, "--workers", 1, "--threads", 1).returncode == 0
    assert detect_here(tmp_path / "E", tmp_path / "R", "--task", "turns", "--num_speakers", 2).returncode == 0
    name = "my meeting.wav.parquet"
    assert (out / "embeddings" / name).read_bytes() == (tmp_path / "E" / name).read_bytes()
    for file in ("all.rttm", "speakers.csv", "recordings.csv", "speakers.parquet"):
        assert (out / file).read_bytes() == (tmp_path / "R" / file).read_bytes(), file
    ours, theirs = (
        json.loads((root / "recordings" / "my meeting.wav" / "turns.json").read_text())
        for root in (out, tmp_path / "R")
    )
    for document in (ours, theirs):
        assert {document["parameters"].pop(name) for name in ("embeddings_dir", "output_dir")}
    assert ours == theirs

    assert (out / "index.html").exists()
    told = done.stdout.splitlines()
    assert told[0].startswith("my meeting.wav: 2 speakers in 14.0 s, ")
    shares = [int(line.split(" %")[0].split()[-1]) for line in told[1:3]]
    assert 99 <= sum(shares) <= 101 and shares[0] >= shares[1]
    assert told[3].startswith(f"-> {out}/recordings/my meeting.wav: labels.txt, timeline.png, ")

    again = diarize_here(audio, "-o", out, "--num_speakers", 1)
    assert again.returncode == 0, again.stderr
    run = json.loads((out / "embeddings" / "extraction_stats.json").read_text())["this_run"]
    assert (run["recordings"], len(run["ranks"])) == (0, 1), "embedded already"
    assert again.stdout.startswith("my meeting.wav: 1 speaker in 14.0 s, ")
    refused = diarize_here(archive / "monday", "-o", out)
    assert refused.returncode == 2
    assert "holds another extraction" in refused.stderr


@pytest.mark.usefixtures("no_workers")
def test_several_files_are_one_archive_with_people_known_by_their_audio(
    archive: Path, conversation: np.ndarray, tmp_path: Path
) -> None:
    found = diarize_here(archive / "monday", "-o", tmp_path / "first", "--num_speakers", 2, "--no_plot")
    assert found.returncode == 0, found.stderr
    turns = read_rttm(tmp_path / "first" / "all.rttm")["my meeting.wav"]
    first = turns[0].speaker
    alone = [t for t in read_rttm(tmp_path / "first" / "all.rttm")["my meeting.wav"] if t.speaker == first]
    own = np.concatenate([conversation[int(t.start * RATE) : int(t.end * RATE)] for t in alone])
    (tmp_path / "people" / "Gustave").mkdir(parents=True)
    sf.write(tmp_path / "people" / "Gustave" / "1.wav", own, RATE)
    (tmp_path / "tuesday").mkdir()
    sf.write(tmp_path / "tuesday" / "my meeting.wav", conversation[20 * RATE : 34 * RATE], RATE)
    (tmp_path / "broken.wav").write_bytes(b"no audio at all")
    audio = (archive / "monday", tmp_path / "tuesday" / "my meeting.wav", tmp_path / "broken.wav")
    known = ("--known_speakers", tmp_path / "people")
    done = diarize_here(*audio, "-o", tmp_path / "out", "--num_speakers", 2, "--no_plot", *known)
    assert done.returncode == 3, done.stderr
    with (tmp_path / "out" / "recordings.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    names = [row["recording_id"] for row in rows]
    assert [name.rpartition("/")[2] for name in names] == ["my meeting.wav", "my meeting.wav", "broken.wav"]
    assert len(set(names)) == 3, "files of one name in two folders"
    assert [row["status"] for row in rows] == ["ok", "ok", "undecodable"]
    speakers = {turn.speaker for own in read_rttm(tmp_path / "out" / "all.rttm").values() for turn in own}
    assert "Gustave" in speakers
    assert "broken.wav: undecodable: " in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("gone.wav", "-o", "out"), "gone.wav does not exist"),
        (("empty", "-o", "out"), "empty: no audio files found (1 files there have no audio suffix)"),
        (("broken.wav", "-o", "memory://out"), "--output_dir memory://out is not local"),
        (("broken.wav", "-o", "out", "--known_speakers", "nobody"), "nobody does not exist"),
        (("broken.wav", "-o", "out", "--segmentation", "none"), "--segmentation none finds no turns"),
        (("broken.wav",), "--output_dir is required"),
        (("-o", "out"), "AUDIO is required"),
        (("broken.wav", "-o", "out", "--clustering", "vbx"), "--clustering vbx needs --plda"),
    ],
)
def test_what_cannot_work_is_refused_and_leaves_nothing(
    arguments: tuple, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken.wav").write_bytes(b"no audio at all")
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "note.txt").write_text("")
    done = diarize_here(*arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("no_workers")
def test_a_file_that_gives_nothing_says_why(tmp_path: Path) -> None:
    (tmp_path / "broken.wav").write_bytes(b"no audio at all")
    done = diarize_here(tmp_path / "broken.wav", "-o", tmp_path / "out")
    assert done.returncode == 2
    assert "nothing to diarize\nbroken.wav: undecodable: " in done.stderr
