"""A real MLflow server on loopback: runs, sweeps, the registry, a served model, a server that dies."""

import base64
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from diar.cli import main
from diar.formats.rttm import format_rttm
from tests.commands import RATE, clean_environment, command, detect_here, extract_arguments, write_archive
from tests.connectors.mlflow.servers import (
    MISSING,
    artifacts_of,
    ask,
    has_mlflow,
    history_of,
    runs_of,
    served_model,
    stop,
    tracking_server,
)
from tests.detect.observations_sample import converse, make_voices, write_store

pytestmark = pytest.mark.skipif(not has_mlflow(), reason=MISSING)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("mlflow")


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[str]:
    with tracking_server(folder / "server") as (address, _):
        yield address


@pytest.fixture(autouse=True)
def own_cache(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache for registered models; named weights come from where they are."""
    if (before := os.environ.get("DIAR_CACHE")) is not None:
        (folder / "cache").mkdir(exist_ok=True)
        for weights in Path(before).glob("[!m.]*"):
            if not (link := folder / "cache" / weights.name).exists():
                link.symlink_to(weights)
    monkeypatch.setenv("DIAR_CACHE", str(folder / "cache"))


def extract_here(*arguments: object) -> int:
    return main(["extract", *map(str, extract_arguments(*arguments))])


@pytest.fixture(scope="module")
def archive(folder: Path) -> Path:
    return write_archive(folder / "archive", [3.0, 4.0, 5.0])


def test_stage_1_and_2_are_tracked(
    server: str, folder: Path, archive: Path, tiny_model_dir: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    tracked = ("--mlflow", server, "--mlflow_experiment", "runs")
    assert extract_here(archive, folder / "E", "--model_dir", tiny_model_dir, *tracked) == 0
    (run,) = runs_of(server, name="extract")
    assert f"tracked: {server}/#/experiments/" in (told := capfd.readouterr().err) and run["id"] in told
    assert run["status"] == "FINISHED" and run["tags"]["diar.exit_code"] == "0"
    metrics, params = run["metrics"], run["params"]
    assert metrics["recordings"] == metrics["recordings_ok"] == 3 and metrics["failures"] == 0
    assert metrics["audio_hours"] == pytest.approx(12 / 3600) and metrics["run.times_real_time"] > 0
    assert 0 < metrics["run.busy_share"] <= 1
    statistics = json.loads((folder / "E" / "extraction_stats.json").read_text())
    assert params["of.fingerprint"] == statistics["model"]["fingerprint"]
    assert params["input_dir"] == str(archive) and params["hop"] == "0.5" and "version.torch" in params
    assert artifacts_of(server, run["id"]) == {"extraction_stats.json"}
    done = detect_here(folder / "E", folder / "R", "--min_segment", 1, *tracked, "--mlflow_artifacts", "none")
    assert done.returncode == 0, done.stderr
    (run,) = runs_of(server, name="detect")
    assert run["metrics"]["files.recordings"] == 3 and not artifacts_of(server, run["id"])
    assert run["params"]["of.fingerprint"] == params["of.fingerprint"]


@pytest.fixture(scope="module")
def labelled(folder: Path) -> Path:
    """Stage 1's output for a made-up conversation, and its truth."""
    talk = converse(make_voices(2, 11), 40.0, overlap=0.3, seed=1)
    write_store(folder / "labelled", {"a.wav": talk})
    (folder / "labelled" / "truth.rttm").write_text("".join(format_rttm(talk.rttm("a"))))
    return folder / "labelled"


def test_turns_and_their_score_are_tracked(server: str, folder: Path, labelled: Path) -> None:
    tracked = ("--mlflow", server, "--mlflow_experiment", "turns")
    done = detect_here(labelled / "E", folder / "turns", "--task", "turns", "--no_plot", *tracked)
    assert done.returncode == 0, done.stderr
    run = runs_of(server, name="detect")[0]
    assert run["metrics"]["turns.people"] == 2
    assert {"all.rttm", "recordings.csv", "index.html"} <= artifacts_of(server, run["id"])
    assert not any(name.endswith((".wav", ".parquet")) for name in artifacts_of(server, run["id"]))
    truth, report = str(labelled / "truth.rttm"), str(folder / "report")
    assert main(["score", "der", truth, str(folder / "turns"), "--report", report, *tracked]) == 0
    (run,) = runs_of(server, name="score der")
    figures = json.loads((folder / "report" / "der.json").read_text())["pooled"]
    assert run["metrics"]["der"] == pytest.approx(figures["der"], abs=1e-5)
    assert {"der.json", "index.html", "der_breakdown.png"} <= artifacts_of(server, run["id"])


def test_a_sweep_has_a_run_for_every_trial(server: str, folder: Path, labelled: Path) -> None:
    places = ("--embeddings_dir", labelled / "E", "--reference", labelled / "truth.rttm", "--output_dir")
    vary = ("--vary", "onset=0.3,0.4,0.5", "overlap=default,1.1,1.3", "min_duration_on=0,1,2")
    call = ["sweep", *places, folder / "S", *vary, "--processes", 1, "--mlflow", server]
    assert main([str(word) for word in call]) == 0
    (run,) = runs_of(server, name="sweep")
    children = runs_of(server, parent=run["id"])
    assert len(children) == run["metrics"]["trials"] == 28
    assert {child["status"] for child in children} == {"FINISHED"}
    best = min(children, key=lambda child: child["metrics"]["der"])
    assert best["metrics"]["der"] == pytest.approx(run["metrics"]["der"])
    assert {"sweep.csv", "best.yaml"} == artifacts_of(server, run["id"])


@pytest.fixture(scope="module")
def registered(server: str, folder: Path, tiny_model_dir: Path) -> str:
    """Two versions of a model; the alias stands for the second."""
    call = ["models", "register", str(tiny_model_dir), "--name", "tiny", "--mlflow", server]
    assert main(call) == 2, "nobody says the licence"
    call += ["--licence", "Apache-2.0", "--scores", "eer/Noise=12.5%"]
    assert main(call) == 0
    assert main([*call, "--alias", "champion"]) == 0
    return "models:/tiny@champion"


def test_a_registered_model_is_opened_by_its_alias(
    server: str, folder: Path, archive: Path, registered: str, capfd: pytest.CaptureFixture[str]
) -> None:
    version = ask(f"{server}/api/2.0/mlflow/registered-models/alias?name=tiny&alias=champion")[
        "model_version"
    ]
    tags = {tag["key"]: tag["value"] for tag in version["tags"]}
    assert version["version"] == "2" and tags["licence"] == "Apache-2.0" and tags["eer/Noise"] == "0.125"
    assert "| licence | Apache-2.0 |" in version["description"]
    assert extract_here(archive, folder / "by_alias", "--model", registered, "--mlflow", server) == 0
    metadata = json.loads((folder / "by_alias" / "extraction_stats.json").read_text())["model"]
    assert metadata["model"] == "models:/tiny/2"
    assert metadata["model_sha256"] == json.loads(tags["diar.files"])["avg_model.pt"]
    capfd.readouterr()
    for name, said in (
        ("models:/tiny@nobody", "models:/tiny@nobody: "),
        ("models:/tiny", "models:/NAME@ALIAS"),
    ):
        assert extract_here(archive, folder / "none", "--model", name, "--mlflow", server) == 2
        assert said in capfd.readouterr().err


def test_other_weights_than_were_registered_are_refused(
    server: str, folder: Path, archive: Path, registered: str, capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("DIAR_CACHE", str(folder / "another_cache"))
    for weights in (folder / "server" / "artifacts").rglob("avg_model.pt"):
        weights.write_bytes(weights.read_bytes() + b"0")
    try:
        assert extract_here(archive, folder / "none", "--model", registered, "--mlflow", server) == 2
        assert "avg_model.pt is another file than was registered" in capfd.readouterr().err
    finally:
        for weights in (folder / "server" / "artifacts").rglob("avg_model.pt"):
            weights.write_bytes(weights.read_bytes()[:-1])


def test_a_served_model_answers_with_turns(
    server: str, folder: Path, registered: str, conversation: np.ndarray
) -> None:
    sf.write(folder / "a.wav", conversation[: 12 * RATE], RATE, subtype="PCM_16")
    audio = base64.b64encode((folder / "a.wav").read_bytes()).decode()
    with served_model(registered, server, folder) as url:
        rows = [{"audio": audio}, {"audio": "/etc/hostname"}]
        first, second = ask(url, {"dataframe_records": rows})["predictions"]
    assert first["duration"] == 12 and first["turns"] and first["speakers"]
    assert second == {"error": "audio: the bytes of an audio file in base64 are needed"}


def test_a_server_that_is_killed_does_not_stop_the_work(folder: Path, tiny_model_dir: Path) -> None:
    archive = write_archive(folder / "long", [10.0] * 8)
    with tracking_server(folder / "killed") as (address, process):
        output = folder / "survived"
        options = ("--model_dir", tiny_model_dir, "--workers", 1, "--mlflow", address)
        call = command("extract_embeddings_multigpu.py", *extract_arguments(archive, output, *options))
        work = subprocess.Popen(call, env=clean_environment(), stderr=subprocess.PIPE, text=True)
        until = time.monotonic() + 120
        while not runs_of(address, name="extract"):
            assert time.monotonic() < until and work.poll() is None
            time.sleep(0.05)
        work.send_signal(signal.SIGSTOP)  # so that it cannot end before the server does
        stop(process)
        work.send_signal(signal.SIGCONT)
        _, told = work.communicate(timeout=300)
    assert work.returncode == 0, told
    assert told.count("warning: not tracked: ") == 1
    assert not any(line.startswith("tracked: ") for line in told.splitlines())
    recordings = json.loads((output / "extraction_stats.json").read_text())["recordings"]
    assert recordings["ok"] == 8


def test_serve_is_tracked(server: str, folder: Path) -> None:
    call = [sys.executable, "-m", "diar", "serve", "--insecure", "--port", "0", "--workers", "1", "--asr", ""]
    service = subprocess.Popen(
        [*call, "--job_workers", "0", "--mlflow", server, "--device", "cpu"],
        env=clean_environment(), stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert service.stderr is not None
    lines = iter(service.stderr.readline, "")
    assert any("ready" in line for line in lines)
    service.terminate()
    assert any(line.startswith("diar serve: tracked: ") for line in lines) and service.wait(60) == 0
    (run,) = runs_of(server, name="serve")
    assert run["params"]["insecure"] == "True" and run["status"] == "FINISHED"
    assert history_of(server, run["id"], "streams_active")[-1] == 0
