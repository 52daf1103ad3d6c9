"""`diar train plda`, and stage 2 that compares people of recordings, and segments of an archive, by it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from diar.cli import main
from diar.detect.backend.calibration import Calibration
from diar.detect.clustering.plda import Plda, read_plda, write_npz
from diar.store.layout import Layout
from tests.commands import detect_here
from tests.detect.backend.sessions import archive, monologue, session_voices
from tests.detect.observations_sample import METADATA, write_store

PEOPLE, SESSIONS = 8, 3
PLAIN = ("--no_plot", "--no_labels", "--no_quality", "--processes", 1)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two archives of one encoder, of other people: one to train on, one to link; and the model."""
    folder = tmp_path_factory.mktemp("back_end")
    write_store(folder / "train", archive(session_voices(70, 3, seed=1)))
    write_store(folder / "test", archive(session_voices(PEOPLE, SESSIONS, seed=2)))
    given = ("--embeddings_dir", folder / "train/E", "--output_file", folder / "plda.npz")
    assert main(["train", "plda", *map(str, given), "--speakers", "folder"]) == 0
    return folder


def people(result: Path) -> dict[str, set[str]]:
    """Return the names of those who speak in each person's folder."""
    found: dict[str, set[str]] = {}
    for file in result.glob("recordings/*/*/turns.json"):
        names = {speaker["name"] for speaker in json.loads(file.read_text())["speakers"]}
        found.setdefault(file.parent.parent.name, set()).update(names)
    return found


def test_people_are_linked_by_the_model(root: Path, tmp_path: Path) -> None:
    for number, options in enumerate(([], ["--plda", root / "plda.npz"])):
        done = detect_here(root / "test/E", tmp_path / str(number), "--task", "turns", *PLAIN, *options)
        assert done.returncode == 0, done.stderr
    apart, linked = people(tmp_path / "0"), people(tmp_path / "1")
    assert len(linked) == PEOPLE and all(len(names) == 1 for names in linked.values())
    assert len(set.union(*linked.values())) == PEOPLE
    assert len(set.union(*apart.values())) != PEOPLE
    for file in (tmp_path / "0").glob("recordings/*/*/turns.json"):  # who speaks when is as it was
        with_model = tmp_path / "1" / file.relative_to(tmp_path / "0")
        turns = [
            [(turn["start"], turn["end"]) for turn in json.loads(one.read_text())["turns"]]
            for one in (file, with_model)
        ]
        assert turns[0] == turns[1]


def test_segments_are_linked_by_the_model(root: Path, tmp_path: Path) -> None:
    voices = session_voices(4, 2, seed=8)
    spoken = np.repeat([voices[0, 0], voices[1, 0], voices[0, 1], voices[2, 0]], 9, axis=0)
    talks = {f"files/{number:02}.wav": monologue(voice) for number, voice in enumerate(spoken)}
    write_store(tmp_path, talks)
    results = []
    for number, options in enumerate(([], ["--plda", root / "plda.npz"])):
        place = tmp_path / str(number)
        done = detect_here(tmp_path / "E", place, "--place", "none", "--no_plot", *options)
        assert done.returncode == 0, done.stderr
        results.append(json.loads((place / "speaker_boundary_detection_result.json").read_text()))
    starts = [[one["index"] for one in result["boundaries"]] for result in results]
    assert starts == [[9, 18, 27]] * 2
    assert [len(result["speakers"]) for result in results] == [4, 3]
    assert results[1]["speakers"][0]["segments"] == [1, 3]


def test_a_model_of_another_encoder_is_refused_before_the_work(root: Path, tmp_path: Path) -> None:
    write_store(tmp_path, archive(session_voices(2, 1, seed=3)), {**METADATA, "model_sha256": "another"})
    small = tmp_path / "small.npz"
    write_npz(small, Plda(np.zeros(4), np.eye(4), np.ones(4), "unit"))
    for file, told in ((root / "plda.npz", "another encoder"), (small, "4 dimensions in place of 64")):
        for task in ("turns", "files", "all"):
            result = tmp_path / "R"
            done = detect_here(tmp_path / "E", result, "--task", task, "--plda", file)
            assert done.returncode == 2 and told in done.stderr and file.name in done.stderr
            assert not list(result.glob("*.json")) and not (result / "recordings").exists()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--no_link", "--plda"], "keeps them apart"),
        (["--plda_transform"], "no effect without --plda"),
    ],
)
def test_a_model_that_nothing_would_read_is_refused(
    root: Path, tmp_path: Path, options: list[str], told: str
) -> None:
    done = detect_here(root / "test/E", tmp_path / "R", "--task", "turns", *options, root / "plda.npz")
    assert done.returncode == 2 and told in done.stderr


def test_the_model_tells_its_encoder_and_what_its_cosines_mean(root: Path) -> None:
    config = json.loads(Path(Layout(str(root / "train/E")).config).read_text())
    plda, card = read_plda(root / "plda.npz"), json.loads((root / "plda.json").read_text())["calibration"]
    assert plda.encoder_sha256 == config["metadata"]["model_sha256"]
    assert card["pairs"][0] == 70 * 3 and 0 < card["cllr"] < 0.5
    assert plda.calibration == Calibration(card["slope"], card["offset"])
    assert -1 < plda.calibration.score_at(0) < 1
