"""Tracking without a server: the work is done all the same, and what would be told holds no secret."""

import os
import socket
import time
from pathlib import Path

import pytest

from diar.cli import main
from diar.connectors.mlflow.files import result_files
from diar.connectors.mlflow.parameters import option_parameters, version_parameters
from diar.jobs.detect.config import DetectConfig
from diar.jobs.extract.config import ExtractConfig
from diar.options.tracking import TRACKING_OPTIONS
from diar.service.config import ServeConfig
from tests.connectors.mlflow.servers import free_port

RTTM = "SPEAKER a 1 0.000 4.000 <NA> <NA> anna <NA> <NA>\n"


@pytest.fixture
def score(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Runs a command that has no error to find; returns what it told, and seconds."""
    (tmp_path / "a.rttm").write_text(RTTM)
    main(["score", "der", str(tmp_path / "a.rttm"), str(tmp_path / "a.rttm")])  # imports what it needs
    capsys.readouterr()

    def run(address: str) -> tuple[list[str], float]:
        start = time.monotonic()
        assert main(["score", "der", *[str(tmp_path / "a.rttm")] * 2, "--mlflow", address]) == 0
        told = capsys.readouterr()
        assert "0.00" in told.out
        return told.err.splitlines(), time.monotonic() - start

    return run


def test_a_server_that_is_away_costs_a_line(score) -> None:
    lines, seconds = score(f"http://127.0.0.1:{free_port()}")
    assert len(lines) == 1 and lines[0].startswith("warning: not tracked: http://127.0.0.1:")
    assert lines[0].endswith("the work goes on") and seconds < 5


def test_a_server_that_never_answers_costs_seconds_at_the_end(score, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("diar.connectors.mlflow.server.Server.__init__.__defaults__", (0.3,), raising=False)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        lines, seconds = score(f"http://127.0.0.1:{silent.getsockname()[1]}")
    assert len(lines) == 1 and "does not answer: timed out" in lines[0] and seconds < 20


def test_a_server_of_something_else_is_told(score) -> None:
    import http.server
    import threading

    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<html>")

        def log_message(self, *_: object) -> None: ...

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page) as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        lines, _ = score(f"http://127.0.0.1:{other.server_address[1]}")
        other.shutdown()
    assert len(lines) == 1 and "does not answer like MLflow; is that its address?" in lines[0]


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("127.0.0.1:5000", "is the address of a tracking server"),
        ("sqlite:///runs.db", "is the address of a tracking server"),
        ("http://me:secret@host:5000", "MLFLOW_TRACKING_PASSWORD"),
    ],
)
def test_an_address_is_checked_before_the_work(
    address: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["score", "der", "a.rttm", "b.rttm", "--mlflow", address]) == 2
    assert said in capsys.readouterr().err


def test_parameters_hold_every_option_and_no_secret(tmp_path: Path) -> None:
    config = ExtractConfig(
        input_dir="https://me:pass@host/list.csv?signature=abc",
        output_dir=str(tmp_path / "E"),
        encryption_key="env:THE_KEY",
        gpus=(0, 1),
        mlflow="http://127.0.0.1:5000",
    )
    told = option_parameters(config)
    assert set(told) == set(ExtractConfig.model_fields) - set(TRACKING_OPTIONS)
    assert told["input_dir"] == "https://host/list.csv?…" and told["encryption_key"] == "given"
    assert told["gpus"] == "0,1" and told["model"] == "none"
    assert config.sends_results is False, "the output is encrypted"
    told = option_parameters(ServeConfig(insecure=True, redis="redis://:pass@redis:6379/0"))
    assert told["redis"] == "redis://redis:6379/0"
    assert {"version.diar", "version.python", "version.torch"} <= set(version_parameters())


def test_tracking_is_no_parameter_of_a_result(tmp_path: Path) -> None:
    config = DetectConfig(embeddings_dir="E", output_dir="R", mlflow="http://127.0.0.1:5000/")
    assert config.mlflow == "http://127.0.0.1:5000" and config.sends_results
    assert not set(TRACKING_OPTIONS) & set(config.model_dump())


def test_only_small_files_of_the_command_are_sent(tmp_path: Path) -> None:
    for name in (
        "all.rttm",
        "index.html",
        "timelines_001.png",
        "private.csv",
        "voice.wav",
        "speakers.parquet",
    ):
        (tmp_path / name).write_text("x")
    os.symlink(tmp_path / "voice.wav", tmp_path / "timelines_002.png")
    with (tmp_path / "timelines_003.png").open("wb") as large:
        large.truncate(17 << 20)
    patterns = ("all.rttm", "index.html", "timelines_*.png", "*.wav", "speakers.*")
    assert [name for name, _ in result_files(tmp_path, patterns)] == [
        "all.rttm", "index.html", "timelines_001.png",
    ]  # fmt: skip
