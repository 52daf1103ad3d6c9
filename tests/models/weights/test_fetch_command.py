"""`diar models fetch`: all that the defaults need, after which no run needs a network."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from diar.cli import main
from diar.errors import EXIT_ERROR, EXIT_OK
from diar.jobs.extract.config import ExtractConfig
from diar.models.defaults import DEFAULT_ENCODER, DEFAULT_WEIGHTS
from diar.models.weights import hub
from tests.commands import clean_environment, extract_arguments, write_noise
from tests.conftest import named_weights
from tests.models.weights.test_hub import Given

ASKED = 99
# Ends every process that asks for an address or starts pip; the ranks' store on this machine is no network
OFFLINE = f"""
import os, sys

def refuse(event, arguments):
    pip = event == "subprocess.Popen" and "pip" in arguments[1]
    local = event == "socket.getaddrinfo" and arguments[0] in ("127.0.0.1", "localhost", None)
    if pip or (event == "socket.getaddrinfo" and not local):
        print("asked for the network:", event, arguments, file=sys.stderr, flush=True)
        os._exit({ASKED})

sys.addaudithook(refuse)
"""


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache; the catalogue's weights come from this machine."""
    for name in DEFAULT_WEIGHTS:
        model = hub.NAMED_MODELS[name]
        content = (named_weights(name) / model.weights_file).read_bytes()
        monkeypatch.setitem(hub.NAMED_MODELS, name, replace(model, sources=(Given(content),)))
    monkeypatch.setenv("DIAR_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_the_defaults_weights_are_those_of_stage_1() -> None:
    config = ExtractConfig(input_dir="A", output_dir="E")
    assert config.model is None  # open_encoder's default
    assert (DEFAULT_ENCODER, config.segmentation, config.second_segmentation) == DEFAULT_WEIGHTS


def test_without_a_name_all_is_fetched_and_then_no_network_is_needed(
    sources: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, third = DEFAULT_WEIGHTS
    assert main(["models", "fetch", f"{first}, {third}"]) == EXIT_OK
    assert capsys.readouterr().err == f"{first}: fetched\n{third}: fetched\n"
    assert main(["models", "fetch"]) == EXIT_OK
    told = capsys.readouterr()
    there = "was in the cache already"
    assert told.err == f"{first}: {there}\n{second}: fetched\n{third}: {there}\n"
    assert {Path(line) for line in told.out.splitlines()} == {*sources.iterdir()}

    (tmp_path / "hook").mkdir()
    (tmp_path / "hook" / "sitecustomize.py").write_text(OFFLINE)
    write_noise(tmp_path / "archive" / "a.wav", 2, 0)
    environment = clean_environment(DIAR_CACHE=str(sources))
    environment["PYTHONPATH"] = f"{tmp_path / 'hook'}:{environment['PYTHONPATH']}"
    options = extract_arguments(tmp_path / "archive", tmp_path / "E", "--workers", 1)

    def offline(*arguments: object, **other: str) -> subprocess.CompletedProcess:
        call = [sys.executable, "-m", "diar", *map(str, arguments)]
        return subprocess.run(call, env={**environment, **other}, capture_output=True, text=True)

    done = offline("extract", *options, "--segmentation", "segmentation-3.0")
    assert done.returncode == EXIT_OK, done.stderr
    asked = offline("models", "fetch", DIAR_CACHE=str(tmp_path / "other"))
    assert asked.returncode == ASKED and "pip" in asked.stderr, asked.stderr


def test_a_name_that_is_none_is_refused(sources: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "fetch", "campplus"]) == EXIT_ERROR
    assert "no weights are called 'campplus'" in capsys.readouterr().err
