"""The archive's folder of turns: what is written, read back by other means, replaced, and left alone."""

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import jsonschema
import numpy as np
import pytest
import soundfile as sf

from diar.formats.rttm import read_turns
from diar.formats.turns_json import RecordingTurns, from_json, read_recording_turns
from diar.outputs.boundaries import write_results
from diar.outputs.folders import Placement
from diar.outputs.managed_directory import OutputError
from diar.outputs.speaker_audio import AudioSource, SpeakerAudio
from diar.outputs.speakers_table import ArchiveSpeakers, SpeakerTotals
from diar.outputs.turns import ArchiveTurns, RecordingFiles, recording_folder, write_recording
from diar.records import Turn
from tests.outputs.sample import make_audio, make_result, make_table, make_turns

FILES = ["labels.txt", "timeline.png", "turns.TextGrid", "turns.exclusive.rttm", "turns.json", "turns.rttm"]
PLAIN = RecordingFiles(labels=False, timeline=False)
SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "turns-schema.json").read_text(encoding="utf-8"))
CLIPS = RecordingFiles(labels=False, timeline=False, audio=SpeakerAudio("clips"))


def write_archive(
    output: Path, results: Sequence[RecordingTurns], files: RecordingFiles = PLAIN, exclusive: bool = True
) -> None:
    totals = SpeakerTotals()
    with ArchiveTurns(str(output), [r.recording_id for r in results], exclusive=exclusive) as archive:
        for result in results:
            result = result if exclusive else replace(result, exclusive=None)
            archive.add(write_recording(str(output), result, files))
            totals.add(result)
        archive.add_failed("bad.wav", "/archive/bad.wav", "undecodable", "no audio")
        names = list(totals.recordings)
        known, centroid = np.zeros(len(names), bool), np.eye(len(names), 4)
        archive.write_speakers(ArchiveSpeakers.of(totals, names, names, known, centroid), {"model": "m"})


def listing(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def visible(folder: Path) -> list[str]:
    return [name for name in listing(folder) if not name.startswith("_") and "/." not in f"/{name}"]


@pytest.fixture
def source(tmp_path: Path) -> str:
    path = tmp_path / "audio" / "talk.wav"
    path.parent.mkdir()
    sf.write(path, np.random.default_rng(0).normal(0, 0.1, 12 * 8_000), 8_000)
    return str(path)


def test_a_recording_gets_its_files(tmp_path: Path) -> None:
    result = make_turns()
    returned = write_recording(str(tmp_path), result, RecordingFiles(), reference=result.turns)
    folder = tmp_path / "recordings" / "a" / "talk 1.wav"
    assert visible(folder) == FILES
    assert read_recording_turns(folder / "turns.json") == returned == result
    jsonschema.validate(json.loads((folder / "turns.json").read_text(encoding="utf-8")), SCHEMA)
    assert (
        (folder / "turns.rttm").read_text(encoding="utf-8").startswith("SPEAKER a/talk%201.wav 1 0.500 2.750")
    )
    assert read_turns(folder / "turns.exclusive.rttm") == {result.recording_id: result.exclusive}
    assert (folder / "timeline.png").read_bytes().startswith(b"\x89PNG")


def test_the_archive_is_summed_up_in_its_order(tmp_path: Path) -> None:
    results = [make_turns("b/2.wav"), replace(make_turns("c.wav"), turns=[], speakers=[]), make_turns()]
    write_archive(tmp_path, results)
    assert visible(tmp_path)[:2] == ["all.exclusive.rttm", "all.rttm"]
    found = read_turns(tmp_path / "all.rttm")
    assert list(found) == ["b/2.wav", "a/talk 1.wav"]
    assert found["a/talk 1.wav"] == results[2].turns
    assert read_turns(tmp_path) == found
    exclusive = read_turns(tmp_path / "all.exclusive.rttm")
    assert exclusive["b/2.wav"] == results[0].exclusive
    text = (tmp_path / "recordings.csv").read_bytes().decode()
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert [row["recording_id"] for row in rows] == ["b/2.wav", "c.wav", "a/talk 1.wav", "bad.wav"]
    assert [row["status"] for row in rows] == ["ok", "no_speech", "ok", "undecodable"]
    assert [row["speakers"] for row in rows] == ["2", "0", "2", ""]
    assert (rows[2]["rttm_id"], rows[2]["overlap_seconds"]) == ("a/talk%201.wav", "0.500")
    for row in rows[:3]:
        assert from_json((tmp_path / row["folder"] / "turns.json").read_text(encoding="utf-8"), "x")


def test_audio_of_speakers_and_what_becomes_of_it_without_a_source(source: str, tmp_path: Path) -> None:
    result = make_turns()
    folder = tmp_path / recording_folder(result.recording_id)
    assert write_recording(str(tmp_path), result, CLIPS, source=AudioSource(source)) == result
    clips = [
        'speakers/Ann "A" Ö/03.250-06.000.wav',
        "speakers/speaker_001/00.500-02.750.wav",
        "speakers/speaker_001/08.000-11.125.wav",
    ]
    assert [name for name in visible(folder) if name.endswith(".wav")] == clips
    Path(source).unlink()
    returned = write_recording(str(tmp_path), result, CLIPS, source=AudioSource(source))
    assert returned.warnings[1].startswith(f"no audio of speakers: {source}: does not exist")
    assert visible(folder) == ["turns.exclusive.rttm", "turns.json", "turns.rttm"]
    assert read_recording_turns(folder / "turns.json").warnings == returned.warnings


def test_a_second_run_replaces_only_its_own(source: str, tmp_path: Path) -> None:
    output = tmp_path / "R"
    results = [replace(make_turns(name), path=source) for name in ("a/1.wav", "a/2.wav", "b/c/3.wav")]
    write_archive(output, results, CLIPS)
    mine = [
        output / "recordings/a/1.wav/speakers/notes.txt",
        output / "recordings/mine.txt",
        output / "x.rttm",
    ]
    for path in mine:
        path.write_text("mine")
    write_archive(output, results[:1], RecordingFiles(timeline=False), exclusive=False)
    assert not (output / "recordings/a/2.wav").exists() and not (output / "recordings/b").exists()
    assert visible(output) == sorted(
        [
            "all.rttm",
            "recordings.csv",
            *(f"recordings/a/1.wav/{name}" for name in ("labels.txt", "turns.TextGrid")),
            *(f"recordings/a/1.wav/{name}" for name in ("turns.json", "turns.rttm")),
            "speakers.csv",
            "speakers.parquet",
            *(path.relative_to(output).as_posix() for path in mine),
        ]
    )
    assert [path.read_text() for path in mine] == ["mine"] * 3


def test_both_tasks_share_a_directory(tmp_path: Path) -> None:
    make_audio(tmp_path / "audio")
    output = tmp_path / "R"
    table, placement = make_table(tmp_path / "audio"), Placement("symlink", None)
    seen = []
    for _ in range(2):
        write_results(str(output), make_result(), table, placement, plot=False, debug=None)
        seen.append(visible(output))
        write_archive(output, [make_turns()])
        seen.append(visible(output))
    assert set(seen[0]) < set(seen[1])
    assert seen[1] == seen[2] == seen[3]


@pytest.mark.parametrize(
    "place", ["all.rttm", "recordings/a/talk 1.wav", "recordings/a/talk 1.wav/turns.rttm"]
)
def test_what_someone_else_put_there_stops_the_run(place: str, tmp_path: Path) -> None:
    (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / place).write_text("mine")
    with pytest.raises(OutputError, match=r"is in the way.*`output_dir`"):
        write_archive(tmp_path, [make_turns()])
    assert visible(tmp_path) == [place]
    assert (tmp_path / place).read_text() == "mine"


def test_an_interrupted_run_leaves_the_sums_of_the_one_before(tmp_path: Path) -> None:
    write_archive(tmp_path, [make_turns("1.wav"), make_turns("2.wav")])
    before = {name: (tmp_path / name).read_bytes() for name in ("all.rttm", "recordings.csv")}
    with (
        pytest.raises(KeyboardInterrupt),
        ArchiveTurns(str(tmp_path), ["2.wav", "3.wav"], exclusive=True) as a,
    ):
        a.add(write_recording(str(tmp_path), make_turns("3.wav"), PLAIN))
        raise KeyboardInterrupt
    assert {name: (tmp_path / name).read_bytes() for name in before} == before
    assert not list(tmp_path.glob(".diar-*"))
    write_archive(tmp_path, [make_turns("2.wav")])
    assert [path.name for path in (tmp_path / "recordings").iterdir()] == ["2.wav"]


def test_recordings_are_written_in_several_processes(tmp_path: Path) -> None:
    results = [make_turns(f"{i}.wav") for i in range(4)]
    with (
        get_context("spawn").Pool(2) as pool,
        ArchiveTurns(str(tmp_path), [r.recording_id for r in results], exclusive=True) as archive,
    ):
        for result in pool.starmap(write_recording, [(str(tmp_path), result, PLAIN) for result in results]):
            archive.add(result)
    assert list(read_turns(tmp_path / "all.rttm")) == [f"{i}.wav" for i in range(4)]


def test_a_recording_inside_another_one(tmp_path: Path) -> None:
    results = [make_turns("a"), make_turns("a/b"), make_turns("a/" + "x" * 300)]
    write_archive(tmp_path, results)
    assert len(list((tmp_path / "recordings").rglob("turns.json"))) == 3
    write_archive(tmp_path, results[1:2])
    assert listing(tmp_path / "recordings") == [
        f"a/b/{name}" for name in (".written.csv", "turns.exclusive.rttm", "turns.json", "turns.rttm")
    ]


def test_turns_of_no_length_are_no_trouble(tmp_path: Path) -> None:
    result = make_turns()
    result = replace(result, turns=[*result.turns, Turn(result.recording_id, 5.0, 5.0, "x")])
    write_recording(str(tmp_path), result, RecordingFiles())
    assert len(read_recording_turns(tmp_path / "recordings/a/talk 1.wav/turns.json").turns) == 3
