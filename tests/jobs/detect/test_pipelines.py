"""`--pipeline` through the real commands: made-up weights, pyannote's turns, and what is refused."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

import diar
from diar.api.errors import ArgumentError
from diar.formats.rttm import read_turns
from diar.intervals import common_seconds
from diar.records import Turn
from diar.store.layout import Layout
from diar.store.reader import read_tracks
from tests.commands import RATE, detect_here, run, run_diar
from tests.models.pipelines.golden import SECONDS, audio, golden, golden_bias
from tests.models.pipelines.pipeline_folder import write_folder

pytestmark = pytest.mark.slow  # one extraction for all: a ResNet34 on nine seg_windows

SHORTEST = 0.05  # seconds, between borders that stored embeddings of 12 bits and samples of 16 may move


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_folder(tmp_path_factory.mktemp("pipelines") / "community", bias=golden_bias())
    (folder / "README.md").write_text("---\nlicense: cc-by-4.0\n---\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("archive")
    sf.write(folder / "talk.wav", audio(), RATE, subtype="FLOAT")
    return folder


def extract(archive: Path, output: Path, *options: object) -> subprocess.CompletedProcess:
    files = ("--input_dir", archive, "--output_dir", output)
    return run("extract_embeddings_multigpu.py", *files, "--device", "cpu", "--workers", 1, *options)


@pytest.fixture(scope="module")
def embeddings(
    archive: Path, folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, subprocess.CompletedProcess]:
    output = tmp_path_factory.mktemp("stage1") / "E"
    done = extract(archive, output, "--pipeline", folder, "--silence_margin", "3")
    assert done.returncode == 0, done.stderr
    return output, done


def turns_in(result: Path, name: str = "turns.rttm") -> list[Turn]:
    (path,) = (result / "recordings").rglob(name)
    return next(iter(read_turns(path).values()))


def test_both_stages_give_pyannotes_turns(
    embeddings: tuple[Path, subprocess.CompletedProcess], tmp_path: Path
) -> None:
    done = detect_here(embeddings[0], tmp_path / "R", "--task", "turns", "--exclusive", "--no_plot")
    assert done.returncode == 0, done.stderr
    for name, expected in (("turns.rttm", golden().turns), ("turns.exclusive.rttm", golden().exclusive)):
        found = turns_in(tmp_path / "R", name)
        speakers = {turn.speaker for turn in found}
        assert len(speakers) == len(np.unique(expected[:, 2]))
        for speaker in np.unique(expected[:, 2]):
            theirs = expected[expected[:, 2] == speaker, :2].clip(max=SECONDS)
            shared = [
                common_seconds(
                    np.array([(turn.start, turn.end) for turn in found if turn.speaker == own]), theirs
                )
                for own in sorted(speakers)
            ]
            assert max(shared) == pytest.approx(np.diff(theirs).sum(), abs=SHORTEST)
    (document,) = (tmp_path / "R" / "recordings").rglob("turns.json")
    told = json.loads(document.read_text())
    assert (told["clustering"]["method"], told["clustering"]["requested"]) == ("pipeline", "auto")
    assert told["thresholds"]["clustering_fa"] == 0.07
    assert told["model"]["settings"]["pipeline"]["sees"] == "seg_windows"


def test_licence_and_options_without_effect_are_told(
    embeddings: tuple[Path, subprocess.CompletedProcess],
) -> None:
    told = embeddings[1].stderr
    assert "licence of its weights: cc-by-4.0" in told
    assert "--silence_margin 3.0 has no effect with --pipeline_sees seg_windows" in told


def test_our_own_clustering_has_the_same_embeddings(
    embeddings: tuple[Path, subprocess.CompletedProcess], tmp_path: Path
) -> None:
    done = detect_here(
        embeddings[0], tmp_path / "R", "--task", "turns", "--clustering", "iterative", "--no_plot"
    )
    assert done.returncode == 0, done.stderr
    (document,) = (tmp_path / "R" / "recordings").rglob("turns.json")
    assert json.loads(document.read_text())["clustering"]["method"] == "iterative"
    assert turns_in(tmp_path / "R")


def test_python_finds_the_same_turns(
    embeddings: tuple[Path, subprocess.CompletedProcess], tmp_path: Path
) -> None:
    assert detect_here(embeddings[0], tmp_path / "R", "--task", "turns", "--no_plot").returncode == 0
    archive = diar.Archive(embeddings[0])
    found = archive.diarize("talk.wav")
    rounded = [(round(turn.start, 3), round(turn.end, 3)) for turn in found.turns]
    rounded = [(start, end) for start, end in rounded if end > start]  # files have no others
    expected = [(turn.start, turn.end) for turn in turns_in(tmp_path / "R")]
    np.testing.assert_allclose(sorted(rounded), sorted(expected), atol=1.1e-3)
    assert json.loads(found.to_json())["clustering"]["method"] == "pipeline"
    with pytest.raises(ArgumentError, match="`preset=telephone`: stage 1 ran a pipeline"):
        archive.diarize("talk.wav", preset="telephone")


def test_lengths_of_embeddings_are_stored(embeddings: tuple[Path, subprocess.CompletedProcess]) -> None:
    tracks = read_tracks(str(embeddings[0]), "talk.wav").tracks
    assert tracks.norm is not None
    assert (tracks.norm > 0).all()
    assert np.ptp(tracks.norm) > 0
    np.testing.assert_allclose(np.linalg.norm(tracks.embedding, axis=1), 1, atol=2e-3)
    done = run_diar("verify", embeddings[0])
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--onset", "0.3"), "--onset is not read where a pipeline decides the turns"),
        (("--preset", "telephone"), "--preset is not read where a pipeline decides the turns"),
    ],
)
def test_options_of_other_clusterings_are_refused(
    embeddings: tuple[Path, subprocess.CompletedProcess],
    tmp_path: Path,
    options: tuple[str, ...],
    message: str,
) -> None:
    done = detect_here(embeddings[0], tmp_path / "R", "--task", "turns", *options)
    assert done.returncode == 2
    assert message in done.stderr


def test_a_lost_plda_model_is_named(
    embeddings: tuple[Path, subprocess.CompletedProcess], tmp_path: Path
) -> None:
    copy = tmp_path / "E"
    shutil.copytree(embeddings[0], copy)
    plda = Path(Layout(str(copy)).plda)
    plda.write_bytes(b"PK damaged")
    done = detect_here(copy, tmp_path / "R", "--task", "turns")
    assert done.returncode == 2
    assert "plda.npz is damaged" in done.stderr
    plda.unlink()
    done = detect_here(copy, tmp_path / "R", "--task", "turns")
    assert done.returncode == 2
    assert "plda.npz is missing; run stage 1 again with the same `pipeline`" in done.stderr
    assert not (tmp_path / "R" / "all.rttm").exists()


def test_chunks_in_place_of_seg_windows(archive: Path, folder: Path, tmp_path: Path) -> None:
    done = extract(
        archive,
        tmp_path / "E",
        *("--pipeline", folder, "--pipeline_sees", "chunks", "--speech", "segmentation"),
        *("--silence_margin", "0", "--step", "1"),
    )
    assert done.returncode == 0, done.stderr
    done = detect_here(tmp_path / "E", tmp_path / "R", "--task", "turns", "--no_plot")
    assert done.returncode == 0, done.stderr
    assert turns_in(tmp_path / "R")


def test_a_plda_model_of_other_embeddings_is_refused(archive: Path, folder: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(folder, tmp_path / "other"))
    rng = np.random.default_rng(0)
    small = {"mean1": np.zeros(64), "lda": rng.standard_normal((64, 128)), "mean2": np.zeros(128)}
    np.savez(other / "plda" / "xvec_transform.npz", **small)
    done = extract(archive, tmp_path / "E", "--pipeline", other)
    assert done.returncode == 2
    assert "made for 64 numbers, embeddings have 256" in done.stderr
    (other / "plda" / "xvec_transform.npz").write_bytes(b"damaged")
    done = extract(archive, tmp_path / "E", "--pipeline", other)
    assert done.returncode == 2
    assert "xvec_transform.npz cannot be read as .npz" in done.stderr
    assert not (tmp_path / "E" / "_extraction" / "config.json").exists()
