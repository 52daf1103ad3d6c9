"""Turns of an archive by the real command, from a store of made-up conversations to every output."""

import csv
import json
from pathlib import Path
from subprocess import CompletedProcess

import jsonschema
import numpy as np
import pyarrow.parquet as pq
import pytest
import soundfile as sf

from diar.formats.rttm import format_rttm, read_rttm
from diar.formats.speech_time import by_speaker
from diar.intervals import at_least, common_seconds, seconds
from diar.score.der import score_turns
from tests.commands import ROOT, detect, detect_here
from tests.detect.observations_sample import (
    METADATA,
    Conversation,
    converse,
    make_voices,
    write_store,
)

VOICES = make_voices(5, 11)
SCHEMA = json.loads((ROOT / "docs" / "turns-schema.json").read_text(encoding="utf-8"))
QUIET = ("--no_plot", "--no_labels", "--processes", 1)


def talks() -> dict[str, Conversation]:
    """Speakers 0, 1; 1, 2, 3; nobody; 4 and 0. Overlap in all but the last."""
    return {
        "day 1/a.wav": converse(VOICES[[0, 1]], 80.0, overlap=0.4, seed=1),
        "day 1/b.wav": converse(VOICES[[1, 2, 3]], 120.0, overlap=0.4, seed=2),
        "day 1/silence.wav": Conversation(20.0, VOICES[:1], []),
        "day 2/c.wav": converse(VOICES[[4, 0]], 80.0, seed=3),
    }


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("turns")
    write_store(folder, talks())
    return folder


@pytest.fixture(scope="module")
def result(root: Path) -> Path:
    """Everything that can be asked for, by two processes."""
    reference = root / "reference.rttm"
    # names without their folders and suffix, as references have them
    reference.write_text("".join(format_rttm(talk.rttm(Path(name).stem)) for name, talk in talks().items()))
    options = ("--exclusive", "--reference", reference, "--processes", 2)
    done = detect(root / "E", root / "R", "--task", "turns", *options)
    assert done.returncode == 0, done.stderr
    assert "3 recordings diarized, 1 without turns: 1 without speech, 0 failed" in done.stdout
    return root / "R"


def run(
    root: Path, output: Path, *options: object, status: int = 0, quiet: tuple = QUIET
) -> CompletedProcess:
    """The command without a Python of its own."""
    done = detect_here(root / "E", output, "--task", "turns", *quiet, *options)
    assert done.returncode == status, done.stderr
    return done


def recording(result: Path, name: str) -> dict:
    return json.loads((result / "recordings" / name / "turns.json").read_text(encoding="utf-8"))


def names_of(result: Path, name: str) -> set[str]:
    return {speaker["name"] for speaker in recording(result, name)["speakers"]}


def test_turns_are_where_they_were(result: Path) -> None:
    reference = {name: talk.rttm(name) for name, talk in talks().items()}
    score = score_turns(reference, {"day 1/silence.wav": [], **read_rttm(result / "all.rttm")})
    wrong = score.pooled.miss + score.pooled.false_alarm + score.pooled.confusion
    assert wrong < 0.08 * score.pooled.speech
    assert score.pooled.count_error == 0


def test_a_speaker_has_the_same_name_in_all_recordings(result: Path) -> None:
    first, second, last = (names_of(result, name) for name in ("day 1/a.wav", "day 1/b.wav", "day 2/c.wav"))
    assert (len(first), len(second), len(last)) == (2, 3, 2)
    assert len(first & second) == len(first & last) == 1
    assert not first & second & last
    people = pq.read_table(result / "speakers.parquet").to_pylist()
    assert {person["name"] for person in people} == first | second | last
    assert first | second | last == {f"person_{number:04d}" for number in range(1, 6)}
    assert sorted(person["num_recordings"] for person in people) == [1, 1, 1, 2, 2]
    assert max(abs(np.linalg.norm(person["centroid"]) - 1) for person in people) < 1e-5


def test_how_sure_a_name_is_comes_from_other_recordings(result: Path) -> None:
    told: dict[str, list[tuple[float | None, float | None]]] = {}
    for name in talks():
        for speaker in recording(result, name)["speakers"]:
            told.setdefault(speaker["name"], []).append((speaker["similarity"], speaker["confidence"]))
    shared = [figures for figures in told.values() if len(figures) > 1]
    assert [len(figures) for figures in shared] == [2, 2]
    for figures in shared:
        (one, sure), (other, also) = figures
        assert one == other, "two vectors have one cosine"
        assert 0.7 < one < 0.999 and 0.9 < sure < 1 and 0.9 < also < 1, "not surer than the data allow"
    assert all(figures == [(None, None)] for figures in told.values() if len(figures) == 1)


def test_every_recording_has_its_files(result: Path) -> None:
    rows = list(csv.DictReader((result / "recordings.csv").open(newline="")))
    assert [row["recording_id"] for row in rows] == list(talks())
    assert rows[0]["rttm_id"] == "day%201/a.wav"
    assert [(row["status"], row["speakers"]) for row in rows] == [
        ("ok", "2"), ("ok", "3"), ("no_speech", "0"), ("ok", "2"),
    ]  # fmt: skip
    assert [path.name for path in result.glob("*.png")] == ["timelines_001.png"]  # of the silent one
    joined = b""
    for row in rows:
        folder = result / row["folder"]
        assert {path.name for path in folder.iterdir() if not path.name.startswith(".")} == {
            "turns.rttm", "turns.exclusive.rttm", "turns.json",
            "labels.txt", "turns.TextGrid", *(["timeline.png"] if row["status"] == "ok" else []),
        }  # fmt: skip
        joined += (folder / "turns.rttm").read_bytes()
        document = recording(result, row["recording_id"])
        jsonschema.validate(document, SCHEMA)
        assert document["clustering"] == {
            "method": "iterative", "requested": "auto", "num_speakers": None, "fallback": None,
            "num_speakers_from": None,
        }  # fmt: skip
        assert {"onset", "min_duration_on", "clustering_threshold", "link_threshold"} <= set(
            document["thresholds"]
        )
        assert document["model"]["model_sha256"] == METADATA["model_sha256"]
        assert document["model"]["activity_step"] == float(METADATA["activity_step"])
    assert (result / "all.rttm").read_bytes() == joined


def test_exclusive_turns_are_the_turns_without_overlap(result: Path) -> None:
    turns, exclusive = (read_rttm(result / name) for name in ("all.rttm", "all.exclusive.rttm"))
    assert turns.keys() == exclusive.keys() == talks().keys() - {"day 1/silence.wav"}
    for name in turns:
        own, alone = by_speaker(turns[name]), by_speaker(exclusive[name])
        assert seconds(at_least(2, alone.values())) < 1e-6
        for speaker, spans in alone.items():
            assert common_seconds(spans, own[speaker]) == pytest.approx(seconds(spans), abs=0.01)
        spoken = seconds(at_least(1, own.values()))
        assert seconds(at_least(1, alone.values())) == pytest.approx(spoken, rel=0.03)
    assert any(seconds(at_least(2, by_speaker(own).values())) > 1.0 for own in turns.values())


def test_the_reference_is_drawn(root: Path, result: Path, tmp_path: Path) -> None:
    run(root, tmp_path / "R", quiet=("--no_labels", "--processes", 1))
    picture = Path("recordings/day 1/a.wav/timeline.png")
    assert (tmp_path / "R" / picture).read_bytes() != (result / picture).read_bytes()


def test_any_number_of_processes_gives_the_same_and_a_rerun_replaces(
    root: Path, result: Path, tmp_path: Path
) -> None:
    output = tmp_path / "R"
    run(root, output, "--exclusive", "--processes", 1)
    assert (output / "all.rttm").read_bytes() == (result / "all.rttm").read_bytes()
    keepsake = output / "recordings" / "day 1" / "note.txt"
    keepsake.write_text("mine")
    run(root, output, "--num_speakers", 2, "--no_link", "--rttm_id", "stem")
    assert set(read_rttm(output / "all.rttm")) == {"a", "b", "c"}
    assert set(read_rttm(output / "recordings/day 2/c.wav/turns.rttm")) == {"c"}
    assert not (output / "all.exclusive.rttm").exists()
    assert not (output / "recordings/day 1/a.wav/turns.exclusive.rttm").exists()
    assert keepsake.read_text() == "mine"
    counts = [len(names_of(output, name)) for name in talks()]
    assert counts == [2, 2, 0, 2]
    found = set().union(*(names_of(output, name) for name in talks()))
    assert found == {f"speaker_{number:04d}" for number in range(1, 7)}, "unlinked, nobody is in two"
    for speaker in recording(output, "day 1/a.wav")["speakers"]:
        assert (speaker["similarity"], speaker["confidence"]) == (None, None)


def test_a_damaged_file_costs_that_recording_only(tmp_path: Path) -> None:
    spoken = talks()
    write_store(tmp_path, spoken)
    torn, missing = (tmp_path / "E" / f"{name}.parquet" for name in ("day 1/a.wav", "day 2/c.wav"))
    torn.write_bytes(torn.read_bytes()[:-100])
    missing.unlink()
    done = run(tmp_path, tmp_path / "R", status=3)
    assert "1 recording diarized, 3 without turns: 1 without speech, 2 failed" in done.stdout
    rows = {
        row["recording_id"]: row for row in csv.DictReader((tmp_path / "R/recordings.csv").open(newline=""))
    }
    assert [row["status"] for row in rows.values()] == ["no_tracks", "ok", "no_speech", "no_tracks"]
    assert str(torn) in rows["day 1/a.wav"]["error"]
    assert "missing" in rows["day 2/c.wav"]["error"]
    assert read_rttm(tmp_path / "R/all.rttm").keys() == {"day 1/b.wav"}
    assert not (tmp_path / "R/recordings/day 1/a.wav").exists()


def test_a_flipped_bit_in_the_footer_is_damage_too(tmp_path: Path) -> None:
    write_store(tmp_path, talks())
    file = tmp_path / "E/day 1/a.wav.parquet"
    footer = pq.read_metadata(file).metadata
    damaged = {key: text.replace(b'"duration"', b'"duratioo"') for key, text in footer.items()}
    pq.write_table(pq.read_table(file).replace_schema_metadata(damaged), file)
    run(tmp_path, tmp_path / "R", status=3)
    with (tmp_path / "R/recordings.csv").open(newline="") as rows:
        assert "duratioo" in next(csv.DictReader(rows))["error"]


def test_known_speakers_get_their_names(root: Path, tmp_path: Path) -> None:
    def alone(who: int) -> Conversation:
        return Conversation(30.0, VOICES[[who]], [(0.0, 30.0, 0)])

    write_store(tmp_path, {"Ann B/1.wav": alone(1), "Ann B/2.wav": alone(1), "Zoë/x.wav": alone(3)})
    run(root, tmp_path / "R", "--known_speakers", tmp_path / "E")
    assert "Ann B" in names_of(tmp_path / "R", "day 1/a.wav")
    assert {"Ann B", "Zoë"} < names_of(tmp_path / "R", "day 1/b.wav")
    assert not {"Ann B", "Zoë"} & names_of(tmp_path / "R", "day 2/c.wav")
    people = pq.read_table(tmp_path / "R/speakers.parquet").to_pylist()
    assert {person["name"] for person in people if person["known"]} == {"Ann B", "Zoë"}


def test_known_speakers_of_a_silent_archive(tmp_path: Path) -> None:
    silence = Conversation(20.0, VOICES[:1], [])
    write_store(tmp_path / "archive", {"silence.wav": silence})
    write_store(tmp_path / "known", {"Ann/1.wav": Conversation(30.0, VOICES[:1], [(0.0, 30.0, 0)])})
    run(tmp_path / "archive", tmp_path / "R", "--known_speakers", tmp_path / "known" / "E")
    assert (tmp_path / "R/all.rttm").read_bytes() == b""


def test_audio_of_each_speaker(tmp_path: Path) -> None:
    talk = converse(VOICES[:2], 40.0, seed=4)
    write_store(tmp_path, {"a.wav": talk, "gone.wav": talk})
    (tmp_path / "audio").mkdir()
    sf.write(tmp_path / "audio/a.wav", np.zeros(40 * 16_000), 16_000, subtype="PCM_16")
    done = run(tmp_path, tmp_path / "R", "--speaker_audio", "joined")
    found = {path.stem: sf.info(path).duration for path in (tmp_path / "R").rglob("a.wav/speakers/*.wav")}
    spoken = {s["name"]: s["speech_seconds"] for s in recording(tmp_path / "R", "a.wav")["speakers"]}
    assert found == pytest.approx(spoken, abs=0.5)
    assert "1 recording with warnings of its own, see recordings.csv" in done.stdout
    assert "gone.wav" in recording(tmp_path / "R", "gone.wav")["warnings"][0]


def without_segmentation() -> dict[str, str]:
    return {
        name: value for name, value in METADATA.items() if not name.startswith(("activity", "segmentation"))
    }


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--clustering", "vbx"), "--clustering vbx needs --plda"),
        (("--known_speakers", "other"), "was made with other-model, the archive with campplus-zh-en"),
        (("--known_speakers", "flat"), "x.wav lies in no folder with the person's name: NAME/x.wav"),
        (("--known_speakers", "nothing"), "To enrol people, put the audio"),
        (("--reference", "foreign.rttm"), "is about other recordings (elsewhere, …)"),
        (("--output_dir", "memory://R"), "a place in memory ends with this command"),
        (
            ("--embeddings_dir", "twice/E", "--rttm_id", "stem"),
            "both a/x.wav and b/x.wav x; use --rttm_id path",
        ),
        (("--offset", 0.9, "--onset", 0.5), "--offset 0.9 is above the onset of 0.5"),
        (("--embeddings_dir", "plain/E"), "--segmentation none; run stage 1"),
    ],
)
def test_what_cannot_work_is_said_before_any_work(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: tuple, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    talk = converse(VOICES[:1], 12.0)
    write_store(
        tmp_path / "other-store",
        {"Ann/x.wav": talk},
        {**METADATA, "model": "other-model", "model_sha256": "t"},
    )
    (tmp_path / "other-store/E").rename(tmp_path / "other")
    write_store(tmp_path / "flat-store", {"x.wav": talk})
    (tmp_path / "flat-store/E").rename(tmp_path / "flat")
    write_store(tmp_path / "plain", {"x.wav": talk}, without_segmentation())
    write_store(tmp_path / "twice", {"a/x.wav": talk, "b/x.wav": talk})
    (tmp_path / "foreign.rttm").write_text(format_rttm(talk.rttm("elsewhere")))
    done = run(root, tmp_path / "R", *options, status=2)
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "R").exists()


def test_both_tasks_share_an_output(tmp_path: Path) -> None:
    archive = {
        f"{who}/{i:02}.wav": Conversation(8.0, VOICES[[who]], [(0.2, 7.8, 0)])
        for who in (0, 1)
        for i in range(8)
    }
    write_store(tmp_path, archive)
    for name in archive:
        (tmp_path / "audio" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "audio" / name).write_bytes(b"audio")
    for timelines, own in (("all", 16), ("auto", 0)):  # the second run replaces what both wrote
        run(tmp_path, tmp_path / "R", "--task", "all", "--timelines", timelines, quiet=("--processes", 1))
        assert len(list((tmp_path / "R/recordings").rglob("timeline.png"))) == own
        assert (tmp_path / "R/timelines_001.png").exists() == (own == 0)
    result = json.loads((tmp_path / "R/speaker_boundary_detection_result.json").read_text())
    assert result["summary"]["speakers"] == 2
    assert {path.name for path in (tmp_path / "R").iterdir()} >= {"speaker_001", "speaker_002", "all.rttm"}
    assert len(read_rttm(tmp_path / "R/all.rttm")) == 16
    assert pq.read_table(tmp_path / "R/speakers.parquet").num_rows == 2
