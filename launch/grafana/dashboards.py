"""Write the Grafana dashboards beside this file: `python launch/grafana/dashboards.py`. A test compares them.

They are imported in Grafana (Dashboards, New, Import).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent
_COLUMNS, _WIDTH, _HEIGHT = 24, 8, 7


@dataclass(frozen=True)
class Panel:
    """A graph: what it shows, its unit in Grafana's words, and queries with the names of their lines."""

    title: str
    unit: str
    queries: dict[str, str]  # query → legend
    told: str = ""


def ranks(metric: str) -> str:
    """Return the sum of a counter's rate over ranks; a run that several processes tell of counts once."""
    return f"sum by (stage) (max by (job, stage, rank) (rate({metric}[5m])))"


def p(share: float, metric: str, labels: str = "") -> str:
    """Return a quantile of a histogram, of the samples that have `labels`."""
    return f"histogram_quantile({share}, sum by (le) (rate({metric}_bucket{labels}[5m])))"


ARCHIVE = [
    Panel("Done", "percentunit", {"max by (stage) (diar_run_progress_ratio)": "{{stage}}"}, "by bytes"),
    Panel(
        "Recordings",
        "short",
        {
            "max by (stage) (diar_run_recordings_done)": "{{stage}} done",
            "max by (stage) (diar_run_recordings)": "{{stage}} all",
        },
    ),
    Panel(
        "Speed",
        "none",
        {ranks("diar_run_audio_seconds_total"): "{{stage}} × real time"},
        "seconds of audio a second; hours of audio an hour",
    ),
    Panel(
        "Failures",
        "short",
        {"sum by (stage) (max by (job, stage, rank) (diar_run_recordings_failed_total))": "{{stage}}"},
        "recordings that failed in this run",
    ),
    Panel(
        "Where the loop's time goes",
        "percentunit",
        {
            'sum by (part) (rate(diar_run_loop_seconds_total{stage="extract"}[5m])) / on () group_left () '
            'sum(rate(diar_run_working_seconds_total{stage="extract"}[5m]))': "{{part}}",
        },
        "wait_decode high: raise --decode_threads; wait_write high: a slow output",
    ),
    Panel(
        "Steps",
        "s",
        {'sum by (step) (rate(diar_run_step_seconds_total{stage="extract"}[5m]))': "{{step}}"},
        "seconds a second, of all threads",
    ),
    Panel(
        "Audio by rank",
        "none",
        {'max by (rank) (rate(diar_run_audio_seconds_total{stage="extract"}[5m]))': "rank {{rank}}"},
        "a rank that lags has a slow disk or a shared GPU",
    ),
    Panel(
        "Silence of ranks",
        "s",
        {"time() - max by (stage, rank) (diar_run_updated_time_seconds)": "{{stage}} rank {{rank}}"},
        "seconds since a rank has told of itself",
    ),
    Panel("GPU", "percentunit", {"max by (instance, gpu) (diar_gpu_utilization)": "{{instance}} {{gpu}}"}),
    Panel(
        "GPU memory",
        "percentunit",
        {"max by (instance, gpu) (diar:gpu_memory_ratio)": "{{instance}} {{gpu}}"},
    ),
    Panel(
        "Errors of scored sets",
        "percentunit",
        {
            "diar_der": "{{set}} DER",
            "diar_jer": "{{set}} JER",
            'diar_recording_der{quantile="0.95"}': "{{set}} DER p95",
        },
    ),
    Panel(
        "Kinds of error",
        "percentunit",
        {
            "diar_miss": "{{set}} miss",
            "diar_fa": "{{set}} false alarm",
            "diar_confusion": "{{set}} confusion",
        },
    ),
    Panel(
        "Overlap found, speakers miscounted",
        "none",
        {
            "diar_overlap_coverage": "{{set}} overlap",
            "diar_speakers_estimate_error": "{{set}} speakers a recording",
        },
    ),
    Panel(
        "Result",
        "short",
        {
            "diar_result_people": "people",
            "diar_result_turns": "turns",
            "diar_result_recordings": "{{outcome}}",
        },
    ),
]

LIVE = [
    Panel("Streams", "short", {"sum(diar_streams_active)": "streams"}),
    Panel(
        "Time to a turn",
        "s",
        {p(0.5, "diar_turn_latency_seconds"): "p50", p(0.95, "diar_turn_latency_seconds"): "p95"},
        "from the arrival of a turn's start to turn.started",
    ),
    Panel("Time to the first event", "s", {p(0.95, "diar_ttfa_seconds", '{mode="live"}'): "p95"}),
    Panel("Computing a second of audio", "s", {p(0.5, "diar_rtf"): "p50", p(0.95, "diar_rtf"): "p95"}),
    Panel(
        "Longest wait of a sample", "s", {p(0.95, "diar_queue_seconds"): "p95"}, "grows: too slow a machine"
    ),
    Panel("Audio", "none", {"sum(rate(diar_audio_seconds_total[5m]))": "seconds a second"}),
    Panel("Corrections", "percentunit", {"avg(diar_cluster_switch_rate)": "turns whose speaker changed"}),
    Panel(
        "Confidence of turns",
        "percentunit",
        {
            "diar:turn_confidence:mean1h": "{{job}}: mean of an hour",
            p(0.1, "diar_turn_confidence"): "p10",
        },
        "moves with microphones, codecs, languages",
    ),
    Panel("Requests", "reqps", {"sum by (status) (rate(diar_requests_total[5m]))": "{{status}}"}),
    Panel("Refusals", "short", {"sum by (code) (rate(diar_errors_total[5m]))": "{{code}}"}),
    Panel(
        "Jobs",
        "short",
        {"sum(diar_jobs_waiting)": "wait or run", "sum by (outcome) (diar_jobs_total)": "{{outcome}}"},
    ),
    Panel("Processes started again", "short", {"sum(diar_restarts_total)": "restarts"}),
    Panel("Words, when certain", "s", {p(0.95, "diar_words_delay_seconds", '{kind="final"}'): "p95"}),
    Panel("Redis", "bool", {"min(diar_redis_up)": "answers"}),
]

STREAM = [
    Panel("Lag", "short", {"sum by (topic) (diar_stream_lag)": "{{topic}}"}, "messages that are not done"),
    Panel(
        "References",
        "short",
        {"sum by (outcome) (rate(diar_stream_references_total[5m]))": "{{outcome}} a second"},
    ),
    Panel(
        "Time to a result",
        "s",
        {p(0.5, "diar_stream_reference_seconds"): "p50", p(0.95, "diar_stream_reference_seconds"): "p95"},
        "from the broker to the committed result",
    ),
    Panel("Live streams", "short", {"sum(diar_stream_streams_active)": "streams"}),
    Panel(
        "Delay of events",
        "s",
        {p(0.5, "diar_stream_event_delay_seconds"): "p50", p(0.95, "diar_stream_event_delay_seconds"): "p95"},
    ),
    Panel("Audio", "none", {"sum(rate(diar_stream_audio_seconds_total[5m]))": "seconds a second"}),
    Panel("Dead letters", "short", {"sum by (reason) (diar_stream_dead_letters_total)": "{{reason}}"}),
    Panel("Commits", "s", {p(0.95, "diar_stream_commit_seconds"): "p95"}),
    Panel("Messages that never came", "short", {"sum(diar_stream_lost_messages_total)": "lost"}),
]

DASHBOARDS = {
    "archive": ("diar: archive run", ARCHIVE),
    "live": ("diar: live service", LIVE),
    "stream": ("diar: stream", STREAM),
}


def main() -> None:
    """Write a file a dashboard."""
    for name in DASHBOARDS:
        (FOLDER / f"{name}.json").write_text(render(name), encoding="utf-8")


def render(name: str) -> str:
    """Return a dashboard as Grafana reads it."""
    title, panels = DASHBOARDS[name]
    dashboard = {
        "uid": f"diar-{name}",
        "title": title,
        "tags": ["diar"],
        "schemaVersion": 39,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "templating": {
            "list": [{"name": "source", "label": "Prometheus", "type": "datasource", "query": "prometheus"}]
        },
        "panels": [_panel(number, panel) for number, panel in enumerate(panels)],
    }
    return json.dumps(dashboard, indent=1, ensure_ascii=False) + "\n"


def _panel(number: int, panel: Panel) -> dict[str, Any]:
    row, column = divmod(number, _COLUMNS // _WIDTH)
    return {
        "id": number + 1,
        "type": "timeseries",
        "title": panel.title,
        "description": panel.told,
        "datasource": {"type": "prometheus", "uid": "${source}"},
        "gridPos": {"x": column * _WIDTH, "y": row * _HEIGHT, "w": _WIDTH, "h": _HEIGHT},
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "targets": [
            {"refId": chr(ord("A") + place), "expr": query, "legendFormat": legend}
            for place, (query, legend) in enumerate(panel.queries.items())
        ],
    }


if __name__ == "__main__":
    main()
