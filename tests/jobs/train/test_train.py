"""PLDA models and cohorts by the real commands, and stage 2 with them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from diar.cli import main
from diar.detect.backend.norm_file import read_norm
from diar.detect.clustering.plda import Plda, read_plda, write_npz
from diar.formats.rttm import format_rttm
from diar.jobs.train.labels import of_turns
from diar.records import Turn
from diar.store.reader import TracksReader, load_index
from tests.commands import detect_here
from tests.detect.observations_sample import Conversation, converse, make_voices, write_store

VOICES = make_voices(12, 3)


def monologues() -> dict[str, Conversation]:
    return {
        f"person{who}/{number}.wav": Conversation(12.0, VOICES[[who]], [(0.2, 11.8, 0)])
        for who in range(12)
        for number in range(2)
    }


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("train")
    write_store(folder, {**monologues(), "talk.wav": converse(VOICES[:2], 40.0, seed=1)})
    (folder / "talk.rttm").write_text(format_rttm(converse(VOICES[:2], 40.0, seed=1).rttm("talk")))
    return folder


def train(root: Path, output: Path, *options: object) -> int:
    places = ("--embeddings_dir", root / "E", "--output_file", output)
    return main(["train", "plda", *map(str, (*places, *options))])


def test_a_model_of_folders_clusters(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "models/plda.npz"
    assert train(root, file, "--speakers", "folder", "--dimensions", 8) == 0
    told, card = capsys.readouterr(), json.loads(file.with_suffix(".json").read_text())
    assert "on speakers not trained on: cosine 0.00 %" in told.out and "24 recordings" not in told.err
    assert (card["speakers"], card["recordings"], card["dimensions"]) == (12, 24, 8)
    assert card["calibration"] is None and "not calibrated" in told.out  # twelve pairs of recordings
    assert card["encoder"]["model"] and read_plda(file).psi.shape == (8,)
    done = detect_here(
        root / "E", tmp_path / "R", "--task", "turns", "--clustering", "vbx", "--plda", file, "--no_plot"
    )
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "R/recordings/talk.wav/turns.json").read_text())
    assert len(found["speakers"]) == 2 and found["clustering"]["method"] == "vbx"


def test_labels_may_be_turns_or_a_table(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(root, tmp_path / "t.npz", "--turns", root / "talk.rttm") == 0
    assert "ten are needed" in capsys.readouterr().out
    card = json.loads((tmp_path / "t.json").read_text())
    assert card["speakers"] == 2 and card["recordings"] == 1 and card["speakers_not_trained_on"] is None
    table = tmp_path / "labels.csv"
    table.write_text("person0/0.wav,ann\nperson0/1.wav,ann\nperson1/0.wav,bob\n")
    assert train(root, tmp_path / "c.npz", "--speakers", table) == 0
    assert json.loads((tmp_path / "c.json").read_text())["speakers"] == 2
    table.write_text("recording,speaker\r\n" + table.read_text() + "\r\n", encoding="utf-8-sig")
    assert train(root, tmp_path / "d.npz", "--speakers", table) == 0  # as spreadsheets write it
    assert json.loads((tmp_path / "d.json").read_text())["recordings"] == 3


def test_turns_of_a_speaker_that_overlap_count_once(root: Path) -> None:
    index, reader = load_index(str(root / "E")), TracksReader(str(root / "E"))
    turns = [Turn("talk.wav", start, start + 0.7, "ann") for start in np.arange(0.0, 40.0, 1.5).tolist()]
    once, twice = (of_turns(reader, index, {"talk.wav": turns * times}) for times in (1, 2))
    assert len(once.speaker) == len(twice.speaker)


def test_a_label_of_a_recording_that_is_not_there_is_told(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "labels.csv"
    table.write_text("person0/0.wav,ann\nperson1/0.wav,bob\nperson99/0.wav,eve\n")
    assert train(root, tmp_path / "c.npz", "--speakers", table) == 3
    assert "person99/0.wav is left out: the archive has no such recording" in capsys.readouterr().err
    assert json.loads((tmp_path / "c.json").read_text())["recordings_left_out"] == 1


def test_nonsense_is_refused(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = tmp_path / "bad.csv"
    bad.write_text("only one cell\n")
    other = tmp_path / "other.csv"
    other.write_text("nobody.wav,ann\n")
    one = tmp_path / "one.csv"
    one.write_text("person0/0.wav,ann\n")
    for options, told in (
        ((), "--speakers or --turns"),
        (("--speakers", bad), "line 1"),
        (("--speakers", other), "about other recordings"),
        (("--speakers", tmp_path / "none.csv"), "cannot be read"),
        (("--speakers", "manifest"), "labels none"),
        (("--speakers", one), "too few"),
    ):
        assert train(root, tmp_path / "x.npz", *options) == 2
        assert told in capsys.readouterr().err
    assert not (tmp_path / "x.npz").exists()
    assert main(["train", "lda"]) == 2 and "plda" in capsys.readouterr().err


def voices_of_two_channels(people: int, seed: int) -> dict[str, Conversation]:
    """Return four recordings of each person, two of them by a channel that makes all voices alike."""
    voices, channel = make_voices(people, seed), make_voices(1, 99)[0]
    made = {}
    for who, voice in enumerate(voices):
        for number in range(4):
            heard = voice + (1.2 * channel if number > 1 else 0)
            made[f"person{who}/{number}.wav"] = Conversation(
                8.0, (heard / np.linalg.norm(heard))[None], [(0.2, 7.8, 0)]
            )
    return made


@pytest.fixture(scope="module")
def channels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("norm")
    write_store(folder / "train", voices_of_two_channels(40, 5))
    write_store(folder / "test", voices_of_two_channels(6, 6))
    return folder


def make_cohort(channels: Path, output: Path, *options: object) -> int:
    places = ("--embeddings_dir", channels / "train/E", "--output_file", output)
    return main(["train", "norm", *map(str, (*places, *options))])


def people_of(result: Path) -> list[set[str]]:
    """Return the names in each person's recordings."""
    found: dict[str, set[str]] = {}
    for file in result.glob("recordings/*/*/turns.json"):
        names = {speaker["name"] for speaker in json.loads(file.read_text())["speakers"]}
        found.setdefault(file.parent.parent.name, set()).update(names)
    return list(found.values())


@pytest.mark.parametrize("labels", [("--speakers", "folder"), ()])
def test_a_cohort_keeps_people_of_a_channel_apart(
    channels: Path, tmp_path: Path, labels: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "norm.npz"
    assert make_cohort(channels, file, *labels, "--top", 20) == 0
    told, card = capsys.readouterr().out, json.loads(file.with_suffix(".json").read_text())
    assert card["labelled"] == bool(labels) and card["recordings"] == 160 and card["top"] == 20
    assert read_norm(file).norm.cohort.shape == (card["cohort"], 64)
    if labels:
        assert card["cohort"] == card["speakers"] == 40
        worth = card["people_outside_of_the_cohort"]
        assert worth["equal_error_rate_normalised"] < worth["equal_error_rate_cosine"]
        assert "it tells them better apart" in told and card["calibration"]["pairs"][0] == 40 * 6
    else:
        assert "known speakers are needed" in told and card["calibration"] is None
    plain = ("--task", "turns", "--no_plot", "--no_labels", "--no_quality", "--processes", 1)
    results = []
    for number, options in enumerate(((), ("--score_norm", file))):
        done = detect_here(channels / "test/E", tmp_path / str(number), *plain, *options)
        assert done.returncode == 0, done.stderr
        results.append(people_of(tmp_path / str(number)))
    assert set.intersection(*results[0])  # by cosine, whom the channel brings is one person
    assert sum(len(names) for names in results[1]) == len(set.union(*results[1]))  # a name is one person's


def test_a_cohort_is_used_with_what_it_was_made_for(
    channels: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plda, norm, alone = (tmp_path / f"{name}.npz" for name in ("plda", "norm", "alone"))
    given = ("--embeddings_dir", channels / "train/E", "--output_file", plda, "--dimensions", 40)
    assert main(["train", "plda", *map(str, given), "--speakers", "folder"]) == 0
    assert make_cohort(channels, norm, "--speakers", "folder", "--plda", plda) == 0
    assert make_cohort(channels, alone, "--cohort", 25) == 0
    assert len(read_norm(alone).norm.cohort) == 25
    turns = ("--task", "turns", "--no_plot", "--no_labels", "--no_quality", "--processes", 1)
    for number, (options, told) in enumerate(
        (
            (("--score_norm", norm), "trained with --plda"),
            (("--score_norm", alone, "--plda", plda), "trained without --plda"),
            (("--score_norm", plda), "lacks"),
            (("--score_norm", tmp_path / "none.npz"), "none.npz"),
            (("--score_norm", norm, "--no_link"), "keeps them apart"),
        )
    ):
        done = detect_here(channels / "test/E", tmp_path / str(number), *turns, *options)
        assert done.returncode == 2 and told in done.stderr, done.stderr
    done = detect_here(channels / "test/E", tmp_path / "R", *turns, "--score_norm", norm, "--plda", plda)
    assert done.returncode == 0, done.stderr
    found = people_of(tmp_path / "R")
    assert len(found) == len(set.union(*found)) == 6 and all(len(names) == 1 for names in found)


def test_bad_cohorts_are_refused(
    root: Path, channels: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    places = ("--embeddings_dir", root / "E", "--output_file", tmp_path / "norm.npz")
    assert main(["train", "norm", *map(str, places), "--speakers", "folder"]) == 2
    assert "20 people are needed at least, these are 12" in capsys.readouterr().err
    other = tmp_path / "other.npz"
    write_npz(other, Plda(np.zeros(4), np.eye(4), np.ones(4), "unit"))
    assert make_cohort(channels, tmp_path / "norm.npz", "--plda", other) == 2
    assert "4 dimensions in place of 64" in capsys.readouterr().err
    both = ("--speakers", "folder", "--turns", root / "talk.rttm")
    assert make_cohort(channels, tmp_path / "norm.npz", *both) == 2
    assert "not both" in capsys.readouterr().err
    assert not (tmp_path / "norm.npz").exists()
