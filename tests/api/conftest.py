"""Recordings for the tests of the library's face, and what the commands make of them."""

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
import soxr

import diar
from tests.archive.channels.calls import call
from tests.commands import RATE, detect_here, extract

SECONDS = 14


@pytest.fixture(scope="session")
def talk(conversation: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two voices in one signal, 16 kHz."""
    path = tmp_path_factory.mktemp("face") / "meeting.wav"
    sf.write(path, conversation[: SECONDS * RATE], RATE, subtype="PCM_16")
    return path


@pytest.fixture(scope="session")
def phone_call(talk: Path) -> Path:
    """The same two voices as the sides of a telephone call: two channels, 8 kHz."""
    path = talk.with_name("call.wav")
    narrow = soxr.resample(call().T[: SECONDS * RATE], RATE, 8_000)
    sf.write(path, narrow, 8_000, subtype="PCM_16")
    return path


@pytest.fixture(scope="session")
def waveform(talk: Path) -> np.ndarray:
    """(samples,) float32 of `talk`."""
    return sf.read(talk, dtype="float32")[0]


@pytest.fixture(scope="session")
def voice(talk: Path) -> diar.Voice:
    return diar.embed(talk)


@pytest.fixture(scope="session")
def commands(talk: Path, phone_call: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Outputs of both stages for a folder with `talk` and `call`, by default options.

    But for linking, which would give a voice that is in both recordings one name.
    """
    folder = tmp_path_factory.mktemp("commands")
    archive = folder / "archive"
    archive.mkdir()
    for path in (talk, phone_call):
        os.link(path, archive / path.name)
    (archive / "broken.wav").write_bytes(b"no audio at all")
    (archive / "empty.wav").write_bytes(b"")
    options = ("--segmentation", "segmentation-3.0", "--precision", "auto", "--workers", 1, "--threads", 1)
    done = extract(archive, folder / "E", *options)
    assert done.returncode == 3, done.stderr  # broken.wav
    done = detect_here(
        folder / "E", folder / "R", "--task", "turns", "--processes", 1, "--exclusive", "--no_link"
    )
    assert done.returncode == 3, done.stderr
    return folder / "E", folder / "R"
