"""What stage 1 and the archive's list say of recordings, in stage 2's outputs."""

import csv
from pathlib import Path

import numpy as np
import soundfile as sf

from diar.store.layout import Layout
from tests.detect.observations_sample import Conversation, converse, make_voices, write_store
from tests.jobs.detect.test_turns import names_of, recording, run

VOICES = make_voices(5, 11)


def test_parts_of_files_find_their_audio_where_it_is_now(tmp_path: Path) -> None:
    part = "a.wav@20.00-60.00"
    known = {part: {"offset": 20.0, "part_seconds": 40.0}}
    write_store(tmp_path, {part: converse(VOICES[:2], 40.0, seed=4)}, known=known)
    (tmp_path / "moved").mkdir()
    sf.write(tmp_path / "moved/a.wav", np.repeat([0.25, 0.5], [20 * 8_000, 40 * 8_000]), 8_000)
    run(tmp_path, tmp_path / "R", "--speaker_audio", "joined", "--audio_dir", tmp_path / "moved")
    clips = list((tmp_path / "R").rglob("speakers/*.wav"))
    assert len(clips) == 2
    assert recording(tmp_path / "R", part)["warnings"] == []
    assert all((sf.read(clip)[0] == 0.5).all() for clip in clips)


def test_what_stage_1_knows_of_failed_recordings_is_in_the_table(tmp_path: Path) -> None:
    talk = converse(VOICES[:1], 12.0)
    known = {"b.wav": {"status": "silent", "error": "all samples are zero", "warnings": ("odd", "strange")}}
    write_store(tmp_path, {"a.wav": talk, "b.wav": talk}, known=known)
    done = run(tmp_path, tmp_path / "R", status=3)
    with (tmp_path / "R/recordings.csv").open(newline="") as rows:
        assert [row["warnings"] for row in csv.DictReader(rows)] == ["", "odd | strange"]
    assert "1 recording diarized, 1 without turns: 0 without speech, 1 failed" in done.stdout
    assert "  b.wav: silent: all samples are zero" in done.stdout


def test_boundaries_tell_of_files_that_stage_1_warns_of(tmp_path: Path) -> None:
    archive = {
        f"{who}/{i:02}.wav": Conversation(8.0, VOICES[[who]], [(0.2, 7.8, 0)])
        for who in (0, 1)
        for i in range(8)
    }
    known = {
        "0/01.wav": {"warnings": ("odd",)},
        "0/02.wav": {"gaps": ((1.0, 2.0),)},
        "1/03.wav": {"speech_seconds": 0.0},
    }
    write_store(tmp_path, archive, known=known)
    done = run(tmp_path, tmp_path / "R", "--task", "files", "--place", "none", quiet=("--no_plot",))
    told = "stage 1 warns of 1 recording, found 1 damaged recording, heard no speech in 1 recording"
    assert f"warning: {told}: diar status {tmp_path / 'E'} --warnings" in done.stdout


def test_only_the_first_few_recordings_are_named(tmp_path: Path) -> None:
    talks = {f"{i}.wav": Conversation(20.0, VOICES[:1], []) for i in range(40)}
    write_store(tmp_path, {**talks, "z.wav": converse(VOICES[:1], 12.0)})
    done = run(tmp_path, tmp_path / "R")
    assert "1 recording diarized, 40 without turns: 40 without speech, 0 failed" in done.stdout
    assert "  … and 37 more: status no_speech in recordings.csv" in done.stdout
    assert len(done.stdout.splitlines()) < 10


def test_enrolled_audio_is_named_by_its_label(tmp_path: Path) -> None:
    write_store(tmp_path / "archive", {"a.wav": converse(VOICES[[0, 1]], 60.0, seed=1)})
    alone = Conversation(30.0, VOICES[[1]], [(0.0, 30.0, 0)])
    labelled = {"x.wav": {"label": "Ann"}, "Zoë/y.wav": {"label": "Ann"}}
    write_store(tmp_path, {"x.wav": alone, "Zoë/y.wav": alone}, listed=labelled)
    run(tmp_path / "archive", tmp_path / "R", "--known_speakers", tmp_path / "E")
    assert "Ann" in names_of(tmp_path / "R", "a.wav")
    assert "Zoë" not in names_of(tmp_path / "R", "a.wav")


def test_people_whose_enrolment_cannot_be_used_are_named(tmp_path: Path) -> None:
    write_store(tmp_path / "archive", {"a.wav": converse(VOICES[[0, 1]], 60.0, seed=1)})
    alone = Conversation(30.0, VOICES[[1]], [(0.0, 30.0, 0)])
    names = ("Ann/1.wav", "Ann/2.wav", "Bob/1.wav", "Mute/1.wav", "late.wav")
    known = {
        name: {"status": "decode", "error": "broken", "embedding": None, "tracks": 0} for name in names[1:3]
    }
    talks = {**dict.fromkeys(names, alone), names[3]: Conversation(30.0, VOICES[[0]], [])}
    write_store(tmp_path, talks, listed={"late.wav": {"label": "Late"}}, known=known, files_a_shard=4)
    Path(Layout(str(tmp_path / "E")).shard(1)).unlink()  # not finished
    done = run(tmp_path / "archive", tmp_path / "R", "--known_speakers", tmp_path / "E")
    assert "3 people without a usable recording, whom nothing is named after (Bob, Late, Mute)" in done.stdout
    assert "Ann" in names_of(tmp_path / "R", "a.wav")
    assert "Mute" not in names_of(tmp_path / "R", "a.wav")


def test_a_reference_that_is_missing_costs_a_warning(tmp_path: Path) -> None:
    listed = {"a.wav": {"reference": str(tmp_path / "gone.rttm")}}
    write_store(tmp_path, {"a.wav": converse(VOICES[:1], 12.0)}, listed=listed)
    done = run(tmp_path, tmp_path / "R")
    (warning,) = recording(tmp_path / "R", "a.wav")["warnings"]
    assert warning.startswith("no reference: ")
    assert "gone.rttm" in warning
    assert "have a reference" not in done.stdout


def test_the_recordings_to_look_at_first_are_named_unless_nobody_asked(tmp_path: Path) -> None:
    talks = {f"{n}.wav": converse(VOICES[n : n + 2], 40.0, overlap=0.2 * n, seed=n) for n in range(4)}
    write_store(tmp_path, talks)
    done = run(tmp_path, tmp_path / "R")
    quality = {name: recording(tmp_path / "R", name)["quality"] for name in talks}
    worst = sorted(talks, key=lambda name: (quality[name]["estimated_der"], name), reverse=True)
    (told,) = [line for line in done.stdout.splitlines() if "look first at" in line]
    assert [told.find(name) > 0 for name in worst] == [True, True, True, False]
    assert told.find(worst[0]) < told.find(worst[1]) < told.find(worst[2])
    done = run(tmp_path, tmp_path / "R", "--no_quality")
    assert all(recording(tmp_path / "R", name)["quality"] is None for name in talks)
    assert "estimated DER" not in done.stdout
