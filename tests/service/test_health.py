"""Health, readiness, metrics, the audit log, the page."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np

from diar.plots import style
from diar.service.health import readiness
from tests.commands import ROOT
from tests.service.serving import Running, bearer, events_until, pcm, serving, sse, token

PAGE = ROOT / "diar" / "service" / "page"
# What the project promises to have
METRICS = """
    diar_ttfa_seconds diar_rtf diar_turn_latency_seconds diar_streams_active diar_segments_count
    diar_avg_segment_len diar_cluster_switch_rate diar_speakers diar_gpu_utilization diar_gpu_mem_peak_bytes
    diar_queue_seconds diar_model_version diar_threshold_profile diar_requests diar_errors
    diar_words_delay_seconds diar_words_batch_seconds diar_words diar_words_lost_seconds"""


def samples(text: str) -> dict[str, float]:
    """Metrics by name with labels."""
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


def test_health_and_metrics_of_a_session(server: Running, talk: np.ndarray) -> None:
    assert server.ask("/healthz", Authorization="").json == {"status": "ok"}
    ready = server.ask("/readyz", Authorization="")
    assert (ready.status, ready.json["ready"], ready.json["redis"]) == (200, True, "none")
    ids = [
        server.ask("/healthz", Authorization="", **{"X-Request-ID": given}).headers["x-request-id"]
        for given in ("call-7", "not plain; x=1", "")
    ]
    assert ids[0] == "call-7" and all(re.fullmatch(r"q_[A-Za-z0-9]{22}", one) for one in ids[1:])
    with server.socket() as socket:
        socket.send(json.dumps({"type": "start"}))
        session = events_until(socket, "snapshot")[0]["session"]
        socket.send(pcm(talk))
        events_until(socket, "turn.ended")
        assert server.ask("/metrics").status == 403  # anna is no admin
        got = server.ask("/metrics", **bearer(token(scope="admin")))
        assert got.headers["content-type"].startswith("text/plain")
        text = got.body.decode()
        found = samples(text)
        assert found["diar_streams_active"] == 1
        socket.send(json.dumps({"type": "CloseStream"}))
        events_until(socket, "session.ended")
    assert found['diar_ttfa_seconds_count{mode="live"}'] == 1
    assert 0 < found['diar_ttfa_seconds_sum{mode="live"}'] < 60
    assert found["diar_turn_latency_seconds_count"] >= 1 and found["diar_segments_count"] >= 1
    assert 0 < found["diar_turn_confidence_sum"] <= found["diar_turn_confidence_count"]
    assert found["diar_audio_seconds_total"] > 0 and found["diar_rtf_count"] >= 1
    assert found['diar_errors_total{code="forbidden"}'] == 1
    assert found['diar_requests_total{method="GET",route="/readyz",status="200"}'] == 1
    described = set(re.findall(r"^# TYPE (\w+)", text, re.MULTILINE))
    documented = (ROOT / "docs" / "service.md").read_text()
    for name in METRICS.split():
        assert name in described or f"{name}_total" in described
        assert f"`{name}`" in documented or f"`{name}{{" in documented, name
    labels = set(re.findall(r'(\w+)="', text))
    assert labels <= {
        "mode",
        "code",
        "route",
        "method",
        "status",
        "outcome",
        "le",
        "model",
        "sha256",
        "profile",
        "kind",
    }
    assert session not in text and "anna" not in text
    models = [name for name in found if name.startswith("diar_model_version")]
    assert len(models) == 2 and all(re.search(r'sha256="[0-9a-f]{64}"', name) for name in models)


def test_a_draining_server_is_not_ready(server: Running) -> None:
    server.service.sessions.draining = True
    try:
        assert server.ask("/readyz").status == 503
        assert not readiness(server.service)["ready"]
        assert server.ask("/v1/sessions", {}).json["code"] == "draining"
    finally:
        server.service.sessions.draining = False


def test_the_audit_log_says_who_did_what_and_how_it_ended(
    live_models: Any, guarded: dict[str, Any], tmp_path: Path
) -> None:
    log = tmp_path / "audit.jsonl"
    site = "https://app.example"
    limits = {"allowed_origins": (site,), "keep_seconds": 1.0}
    with serving(live_models, **guarded, audit_log=str(log), **limits) as running:
        given = running.ask("/v1/live", b"", Origin=site, **bearer(token()))
        allowed = {name.lower(): value for name, value in given.headers.items()}
        assert (given.status, allowed["access-control-allow-origin"]) == (201, site)
        session = running.ask("/v1/sessions", {}, **bearer(token())).json["session"]
        running.ask(f"/v1/sessions/{session}", **bearer(token(tenant="b")))
        running.ask(f"/v1/sessions/{session}", method="DELETE", **bearer(token()))
        running.ask("/v1/live", b"", **bearer("forged"))
        quiet = running.ask("/v1/sessions", {}, **bearer(token())).json["session"]
        told = sse(running.ask(f"/v1/sessions/{quiet}/events", **bearer(token())).body)  # comes to an end
        assert told[-1][1]["code"] == "idle" and told[-2][0] == "session.ended"
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    told = [(line["action"], line["tenant"], line["subject"], line["outcome"]) for line in lines]
    assert told == [
        ("session.start", "a", "anna", "ok"),
        ("GET /v1/sessions/{session_id}", "b", "anna", "not_found"),
        ("session.end", "a", "anna", "ok"),
        ("POST /v1/live", None, None, "unauthorized"),
        ("session.start", "a", "anna", "ok"),
        ("session.end", "a", "anna", "ok"),
    ]
    assert lines[-1]["reason"] == "idle"
    assert all(line["time"].endswith("+00:00") for line in lines)
    assert lines[0]["session"] == lines[2]["session"] == session and lines[0]["how"] == "jwt"


def test_the_page_is_served_and_loads_nothing_from_elsewhere(server: Running) -> None:
    page = server.ask("/", Authorization="")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    text = page.body.decode()
    wanted = re.findall(r'(?:src|href)="(page/[\w.]+)"', text)
    assert wanted
    for name in [*wanted, *(f"page/{file.name}" for file in PAGE.glob("*.js"))]:
        assert server.ask(f"/{name}", Authorization="").status == 200, name
    for file in [*PAGE.glob("*.js"), *PAGE.glob("*.css"), PAGE / "index.html"]:
        content = file.read_text()
        assert not re.search(r"https?://|innerHTML|eval\(|@import|style=|onclick=", content), file.name
        imported = re.findall(r'from "\./([\w.]+)"', content)
        assert all(server.ask(f"/page/{name}", Authorization="").status == 200 for name in imported)
    named = set(re.findall(r'\$\("(\w+)"\)', "".join(file.read_text() for file in PAGE.glob("*.js"))))
    assert named <= set(re.findall(r'id="([\w-]+)"', text))
    palette = re.findall(r"#[0-9a-f]{6}", (PAGE / "lanes.js").read_text())
    assert tuple(palette) == style._PALETTE, "a speaker has one colour in all pictures"
