"""Write docs/metrics.md from the metrics that the code declares: `python docs/generate_metrics.py`.

A test compares the page with what this makes.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from diar.connectors.prometheus import families
from diar.models.gpus import GpuState
from diar.service.metrics import Metrics

PAGE = Path(__file__).resolve().parent / "metrics.md"
STREAM = "`diar stream work`"
KAFKA = "diar.connectors.kafka.metrics"  # of the extra `kafka`

INTRODUCTION = """\
# Metrics

<!-- made by docs/generate_metrics.py: change it, or the metrics, then run it -->

One naming scheme for all commands: `diar_`, the subject, the unit. Counters end in `_total`, histograms in
`_bucket`, `_sum` and `_count`. Labels are few and bounded: no recording, session, caller, person or path is
one.

| of | how |
|---|---|
| `diar extract`, `diar words`, `diar detect` | `--metrics_port 9464`: `/metrics` over HTTP, while it works |
| the same, as batch jobs | `--metrics_file FILE.prom`: a textfile, every 15 s and at the end |
| `diar score der`, `diar score words` | `--metrics_file FILE.prom`; the label `set` is `--metrics_set` |
| `diar serve` | `GET /metrics` ([service](service.md)) |
{stream}
Both options need the extra `metrics`. A port answers on this machine alone unless `--metrics_host 0.0.0.0`
says otherwise. A textfile is for the textfile collector of Prometheus's node exporter; it is seen whole or
not at all.

Metrics of a run come from the launcher, which outlives every rank and tells of all of them; under torchrun,
from the first rank of each machine. With `--join`, each process tells of all ranks, so a rank may be told
of several times: add up `max by (job, stage, rank) (…)`, as [the dashboards](../launch/grafana/dashboards.py)
do. They are read when somebody asks, from what ranks write about themselves once a second (to an object
store: every 15 s). Without these options nothing is read or imported.

Alerts with their tests, routes and dashboards: [deploying](deploy.md#watching). `python
benchmarks/watching.py` runs a real Prometheus against stage 1 and the service, and says which queries of
the dashboards have data.

## Logs

`--log_format json` makes every line on stderr an object: of `extract`, `words`, `detect`, `diarize`,
`serve`.

```json
{"time": "2026-11-27T07:31:39.123+00:00", "level": "warning", "message": "decode_error: a.wav: …",
 "pid": 4711, "rank": 0, "recording": "a.wav", "status": "decode_error"}
```
A line about a recording has its `recording`. `diar serve` also logs each request but probes and scrapes,
with `method`, `route`, `status`, `seconds` and its `request` id, which is the answer's `X-Request-ID`: the
caller's own where it is short and plain. The audit log tells of sessions and jobs by their ids."""


@dataclass(frozen=True)
class Declared:
    """A metric as the page tells of it."""

    name: str
    kind: str
    told: str
    labels: tuple[str, ...]


def main() -> None:
    """Write the page."""
    PAGE.write_text(render(), encoding="utf-8")


def render() -> str:
    """Return the page: a table a kind of command."""
    sections = catalogue()
    row = f"| {STREAM} | `--metrics_port` |\n" if STREAM in sections else ""
    parts = [INTRODUCTION.replace("{stream}", row)]
    for title, declared in sections.items():
        rows = [f"| `{_shown(one)}` | {one.kind} | {one.told} |" for one in declared]
        parts.append("\n".join([f"## {title}\n", "| metric | kind | |", "|---|---|---|", *rows]))
    return "\n\n".join(parts) + "\n"


def catalogue() -> dict[str, list[Declared]]:
    """Return all metrics by the section that lists them."""
    service = Metrics()
    service.watch_gpus(lambda: [("0", 0.5, 1)], lambda: [GpuState("0", 0.5, 1.0, 2.0)])
    sections = {
        "Runs: extract, words, detect": _of_families(families.RUN),
        "Results of detect": _of_families(families.RESULT),
        "GPUs of a machine": _of_families(families.GPUS),
        "Scores": _of_families((*families.SCORE, *families.WORDS_SCORE)),
        "`diar serve`": sorted(_of_object(service), key=lambda one: one.name),
    }
    if importlib.util.find_spec("diar.connectors.kafka") and importlib.util.find_spec("confluent_kafka"):
        stream = importlib.import_module(KAFKA).StreamMetrics()
        sections[STREAM] = list(_of_object(stream))
    return sections


def _of_families(declared: Iterable[families.Family]) -> list[Declared]:
    suffix = {"counter": "_total", "gauge": ""}
    return [Declared(one.name + suffix[one.kind], one.kind, one.told, one.labels) for one in declared]


def _of_object(metrics: object) -> Iterator[Declared]:
    """Yield the metrics among the attributes of an object, by prometheus_client's own notes."""
    for one in vars(metrics).values():
        if hasattr(one, "_labelnames"):
            suffix = "_total" if one._type == "counter" else ""
            yield Declared(one._name + suffix, one._type, one._documentation, one._labelnames)
    if isinstance(metrics, Metrics):
        peak = "most memory that this process allocated"
        yield Declared("diar_gpu_mem_peak_bytes", "gauge", peak, ("gpu",))


def _shown(one: Declared) -> str:
    return one.name + (f"{{{','.join(one.labels)}}}" if one.labels else "")


if __name__ == "__main__":
    main()
