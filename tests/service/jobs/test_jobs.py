"""Jobs: a real worker process, real audio, results in all forms, and what cannot be a job."""

import io
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile as sf

from diar.formats.turns_json import from_json
from diar.service.jobs.uploads import safe_name
from tests.commands import RATE
from tests.service.serving import Running, bearer, serving, sse, token


@pytest.fixture(scope="module")
def desk(
    live_models: Any,
    guarded: dict[str, Any],
    tiny_model_dir: Path,
    segmentation_dir: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("jobs")
    (folder / "allowed").mkdir()
    options = {
        "model": str(tiny_model_dir),
        "segmentation": str(segmentation_dir),
        "results_dir": folder,
        "upload_megabytes": 2.0,
        "job_hours": 0.01,
        "job_urls": (f"{folder}/allowed/",),
        "audit_log": str(folder / "audit.jsonl"),
    }
    with serving(live_models, **guarded, **options) as running:
        running.headers = bearer(token())
        yield running


def wav(samples: np.ndarray, kind: str = "WAV") -> bytes:
    content = io.BytesIO()
    sf.write(content, samples, RATE, format=kind)
    return content.getvalue()


def wait(desk: Running, job: str) -> dict[str, Any]:
    until = time.monotonic() + 60
    while (told := desk.ask(f"/v1/jobs/{job}").json)["status"] in ("queued", "running"):
        assert time.monotonic() < until
        time.sleep(0.1)
    return told


def test_a_recording_from_its_upload_to_its_result(desk: Running, talk: np.ndarray) -> None:
    content = wav(talk)
    created = desk.ask("/v1/jobs?name=../../my%20call.wav&max_speakers=3", content)
    assert created.status == 202 and created.json["name"] == "my call.wav"
    job = created.json["id"]
    assert desk.ask(f"/v1/jobs/{job}/turns.json").json["code"] == "not_ready"
    kind, last, _ = sse(desk.ask(f"/v1/jobs/{job}/events").body)[-1]
    assert (kind, last["status"], last["cached"]) == ("done", "done", False)
    assert last["versions"]["models"]["model_sha256"] and last["versions"]["thresholds"]
    assert last["size"] == len(content) and "tenant" not in last
    found = from_json(desk.ask(last["links"]["json"]).body.decode(), "result")
    assert found.recording_id == "my call.wav" and found.turns and found.duration == pytest.approx(12)
    rttm = desk.ask(last["links"]["rttm"]).body.decode()
    assert rttm.startswith("SPEAKER my%20call.wav 1 ") and len(rttm.splitlines()) == len(found.turns)
    assert b"IntervalTier" in desk.ask(last["links"]["TextGrid"]).body
    assert desk.ask(f"/v1/jobs/{job}/turns.exe").status == 404

    again = wait(desk, desk.ask("/v1/jobs?name=my%20call.wav&max_speakers=3", content).json["id"])
    assert again["cached"] and again["sha256"] == last["sha256"]
    other = bearer(token(tenant="b"))
    assert desk.ask(f"/v1/jobs/{job}", **other).status == 404
    assert desk.ask(f"/v1/jobs/{job}/turns.json", **other).status == 404
    assert desk.ask(f"/v1/jobs/{job}", method="DELETE", **other).status == 404
    theirs = desk.ask("/v1/jobs?name=my%20call.wav&max_speakers=3", content, **other).json["id"]
    until = time.monotonic() + 60
    while (told := desk.ask(f"/v1/jobs/{theirs}", **other).json)["status"] != "done":
        assert time.monotonic() < until
        time.sleep(0.1)
    assert not told["cached"], "another tenant's result"


def test_what_cannot_be_diarized_fails_with_a_reason(desk: Running, talk: np.ndarray, tmp_path: Path) -> None:
    for content, reason in (
        (b"no audio at all", "known format"),
        (wav(np.zeros(RATE // 10)), "min_duration"),
        (wav(np.zeros(60 * RATE, np.int16), "FLAC"), "longer than 0.01 h"),  # 120 s in a few kilobytes
    ):
        told = wait(desk, desk.ask("/v1/jobs", content).json["id"])
        assert told["status"] == "failed" and reason in told["message"], told
        assert str(desk.service.config.results_dir) not in told["message"]
        assert desk.ask(f"/v1/jobs/{told['id']}/turns.json").status == 422
    worker = next(iter(desk.service.jobs._tasks))
    assert not worker.done()


def test_requests_that_are_no_jobs(desk: Running) -> None:
    for path, data, headers, status in (
        ("/v1/jobs", b"", {}, 400),
        ("/v1/jobs", bytes(2_100_000), {}, 413),
        ("/v1/jobs", b"x", {"Content-Type": "multipart/form-data; boundary=x"}, 415),
        ("/v1/jobs?num_speakers=0", b"x", {}, 400),
        ("/v1/jobs?num_speakers=2&max_speakers=3", b"x", {}, 400),
        ("/v1/jobs?preset=opera", b"x", {}, 400),
        ("/v1/jobs", b"x", bearer(token(scope="live")), 403),
    ):
        got = desk.ask(path, data, **headers)
        assert (got.status, got.json["type"]) == (status, "error"), (path, got.json)
    folder = desk.service.config.results_dir
    for url in (
        "file:///etc/passwd",
        "http://169.254.169.254/",
        f"{folder}/allowed/../secret.wav",
        f"{folder}/allowed/%2e%2e/secret.wav",
        f"simplecache::{folder}/allowed/a.wav",
    ):
        got = desk.ask("/v1/jobs", {"url": url})
        assert (got.status, got.json["code"]) == (403, "forbidden"), url
    assert desk.ask("/v1/jobs", {"url": f"{folder}/allowed/none.wav"}).status == 422
    assert desk.ask("/v1/jobs", {"link": 3}).status == 400


def test_a_job_by_url_and_a_job_that_is_ended(desk: Running, talk: np.ndarray) -> None:
    folder = desk.service.config.results_dir
    assert folder is not None
    (folder / "allowed" / "a.wav").write_bytes(wav(talk))
    first = desk.ask("/v1/jobs", {"url": f"{folder}/allowed/a.wav"}).json
    second = desk.ask("/v1/jobs", wav(talk[RATE:])).json
    ended = desk.ask(f"/v1/jobs/{second['id']}", method="DELETE")
    assert ended.json["status"] == "cancelled"
    assert wait(desk, first["id"])["status"] == "done"
    assert desk.ask(f"/v1/jobs/{second['id']}").json["status"] == "cancelled"
    third = wait(desk, desk.ask("/v1/jobs", wav(talk[2 * RATE :])).json["id"])
    assert third["status"] == "done"
    assert not list((folder / "uploads").rglob("*.wav")), "uploads are removed"
    lines = [json.loads(line) for line in (folder / "audit.jsonl").read_text().splitlines()]
    assert {"job.create", "job.end", "job.cancel"} <= {line["action"] for line in lines}
    assert all(
        line["tenant"] in ("a", "b") and "audio" not in line for line in lines if line["outcome"] == "ok"
    )


def test_names_of_uploads_are_plain() -> None:
    for name, safe in (
        ("../../etc/passwd", "passwd"),
        ("C:\\calls\\a.wav", "a.wav"),
        ("..", "audio"),
        (None, "audio"),
        ("a\0b\n.wav", "a_b_.wav"),
        ("x" * 500 + ".wav", "x" * 76 + ".wav"),
    ):
        assert safe_name(name) == safe
