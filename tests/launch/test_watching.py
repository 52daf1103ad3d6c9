"""Alerts, routes and dashboards belong to metrics that exist; each alert is tested to fire and to rest."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

pytest.importorskip("prometheus_client", reason="diar[metrics] is not installed")
pytest.importorskip("fastapi", reason="diar[service] is not installed")

from tests.commands import ROOT

sys.path.insert(0, str(ROOT / "docs"))
sys.path.insert(0, str(ROOT / "launch" / "grafana"))

import dashboards
import generate_metrics

PROMETHEUS = ROOT / "launch" / "prometheus"
STREAM = "diar_stream_"  # of the connector for Kafka, which may not be there


def known() -> set[str]:
    """Names that samples have."""
    found = set()
    for declared in generate_metrics.catalogue().values():
        for one in declared:
            found |= (
                {one.name}
                if one.kind != "histogram"
                else {f"{one.name}_{part}" for part in ("bucket", "sum", "count")}
            )
    return found


def test_the_page_is_what_the_code_declares() -> None:
    page = generate_metrics.PAGE.read_text(encoding="utf-8")
    assert page == generate_metrics.render(), "run: python docs/generate_metrics.py"
    service = (ROOT / "docs" / "service.md").read_text()
    for one in generate_metrics.catalogue()["`diar serve`"]:
        assert f"`{one.name.removesuffix('_total')}" in service, one.name


def test_names_follow_one_scheme() -> None:
    for declared in generate_metrics.catalogue().values():
        for one in declared:
            assert re.fullmatch(r"diar(_[a-z0-9]+)+", one.name), one.name
            assert one.name.endswith("_total") == (one.kind == "counter"), one.name
            forbidden = {"recording", "session", "speaker", "person", "caller", "tenant", "path", "output"}
            assert not forbidden & set(one.labels), one.name


@pytest.mark.parametrize("name", dashboards.DASHBOARDS)
def test_dashboards_are_current_and_ask_for_metrics_that_exist(name: str) -> None:
    assert (dashboards.FOLDER / f"{name}.json").read_text() == dashboards.render(name), (
        "run: python launch/grafana/dashboards.py"
    )
    recorded = {rule["record"] for rule in rules("rules.yaml") if "record" in rule}
    for panel in dashboards.DASHBOARDS[name][1]:
        for query in panel.queries:
            check_names(query, recorded)


def check_names(query: str, recorded: set[str]) -> None:
    names = set(re.findall(r"\bdiar[_:][a-z0-9_:]+", query))
    assert names, query
    there = known() | recorded
    if not any(one.startswith(STREAM) for one in there):  # this installation has no connector for Kafka
        names = {one for one in names if not one.startswith(STREAM)}
    assert names <= there, query


def rules(name: str) -> list[dict]:
    (document,) = yaml.safe_load_all((PROMETHEUS / name).read_text())
    return [rule for group in document["groups"] for rule in group["rules"]]


def test_alerts_ask_for_metrics_that_exist_and_say_what_to_do() -> None:
    recorded = {rule["record"] for rule in rules("rules.yaml")}
    for rule in [*rules("rules.yaml"), *rules("alerts.yaml")]:
        check_names(rule["expr"], recorded)
    for alert in rules("alerts.yaml"):
        assert {"summary", "action"} == set(alert["annotations"]) and alert["labels"]["severity"]


def test_every_alert_is_tested_to_fire_and_to_rest() -> None:
    alerts = {rule["alert"] for rule in rules("alerts.yaml")}
    folder = Path(__file__).parent
    for name, fires in (("alerts_fire.yaml", True), ("alerts_rest.yaml", False)):
        (document,) = yaml.safe_load_all((folder / name).read_text())
        asked = [ask for test in document["tests"] for ask in test["alert_rule_test"]]
        assert {ask["alertname"] for ask in asked} == alerts
        assert all(bool(ask.get("exp_alerts")) == fires for ask in asked)
        if shutil.which("promtool"):
            call = ["promtool", "test", "rules", folder / name]
            done = subprocess.run(call, capture_output=True, text=True)
            assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("labels", "receiver"),
    [
        ("severity=page alertname=DiarNoProgress", "pages"),
        ("severity=ticket alertname=DiarScoreDrift", "quality"),
        ("severity=ticket alertname=DiarFailures", "tickets"),
    ],
)
def test_alerts_go_to_whom_they_concern(labels: str, receiver: str) -> None:
    if shutil.which("amtool") is None:
        pytest.skip("amtool (Debian: prometheus-alertmanager) is not installed")
    call = ["amtool", "config", "routes", "test", f"--config.file={PROMETHEUS / 'alertmanager.yaml'}"]
    done = subprocess.run([*call, *labels.split()], capture_output=True, text=True)
    assert done.stdout.strip() == receiver, done.stderr
