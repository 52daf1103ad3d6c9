"""A real Prometheus scrapes a real run and a real service; every query of the dashboards is asked: one table.

    python benchmarks/watching.py
    python benchmarks/watching.py --screenshot watching.png --keep FOLDER
    python benchmarks/watching.py --also stream=127.0.0.1:9464

On this machine alone, on free ports: Prometheus (Debian: prometheus) with launch/prometheus/rules.yaml and
alerts.yaml; `diar extract --metrics_port` on a demo archive by speech synthesis (--audio FOLDER takes
another); `diar serve` with a live stream at real time and a job; then `diar detect` and `diar score der`
with --metrics_file, whose files are served as a textfile collector would. Prometheus scrapes every second.
Columns:

    values   numbers that a query has returned over the run, not NaN
    last     the newest of them, of the last series

Queries without data say why that is right where it is: no GPU, no Redis, no broker, no recogniser, nothing
that failed, no true turns (--audio). Any other without data ends the command with code 1. --screenshot
draws graphs in Prometheus's own page (Chromium). --also scrapes a further target, such as a worker of
Kafka, and asks the dashboard `stream` as well.
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from contextlib import ExitStack
from pathlib import Path

from running import ROOT
from watching_servers import (
    end,
    files_served,
    free_ports,
    prometheus,
    run,
    send_job,
    service,
    start,
    wait_for_job,
    write_config,
)

sys.path.insert(0, str(ROOT / "launch" / "grafana"))

import dashboards

REASONS = {  # part of a query → why there may be no data
    "diar_gpu_": "no GPU",
    "diar:gpu_": "no GPU",
    "diar_redis_up": "no Redis",
    "diar_errors_total": "nobody was refused",
    "diar_words_delay": "no words were asked for",
    "diar_stream_": "no broker",
    "diar:turn_confidence": "fewer than 100 turns",
}
UNSCORED = (  # metrics of `diar score`, which --audio has no true turns for
    *("diar_der", "diar_jer", "diar_recording_der", "diar_miss", "diar_fa", "diar_confusion"),
    *("diar_overlap_coverage", "diar_speakers_estimate_error"),
)
SHOWN = (  # on the picture
    "max by (stage) (diar_run_progress_ratio)",
    "sum by (stage) (rate(diar_run_audio_seconds_total[1m]))",
    "sum by (step) (rate(diar_run_step_seconds_total[1m]))",
    "histogram_quantile(0.95, sum by (le) (rate(diar_turn_latency_seconds_bucket[1m])))",
)


def main() -> int:
    options = parse()
    if shutil.which("prometheus") is None:
        raise SystemExit("prometheus is not installed (Debian: apt install prometheus)")
    with ExitStack() as stack:
        folder = options.keep or Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="diar-watching-"))
        )
        folder.mkdir(parents=True, exist_ok=True)
        audio, truth = archive(options.audio, folder)
        ports = dict(zip(("prometheus", "extract", "detect", "serve", "files"), free_ports(5), strict=True))
        textfiles = stack.enter_context(files_served(folder / "textfiles", ports["files"]))
        write_config(folder / "prometheus.yaml", ports, options.also)
        stack.enter_context(prometheus(folder, ports["prometheus"]))
        started = time.time()
        stack.enter_context(service(folder, ports["serve"]))
        live = start("live", "--url", f"ws://127.0.0.1:{ports['serve']}/v1/live", first_of(audio, truth))
        stack.callback(end, live)
        job = send_job(ports["serve"], first_of(audio, truth))
        compute(audio, truth, folder, ports, textfiles)
        live.wait(timeout=600)
        wait_for_job(job)
        time.sleep(3)  # a last scrape
        reasons = REASONS if truth is not None else REASONS | dict.fromkeys(UNSCORED, "no true turns")
        code = tell(ports["prometheus"], started, bool(options.also), reasons)
        if options.screenshot:
            draw(ports["prometheus"], started, options.screenshot)
            print(f"picture: {options.screenshot}")
    return code


def compute(audio: Path, truth: Path | None, folder: Path, ports: dict[str, int], textfiles: Path) -> None:
    """Run stage 1 and stage 2, and score what has true turns; their metrics go to `textfiles`, too."""

    def watched(name: str) -> tuple[object, ...]:
        port = ("--metrics_port", ports[name], "--metrics_file", textfiles / f"{name}.prom")
        return (*port, "--log_format", "json")

    embeddings, result = folder / "E", folder / "R"
    run("extract", "--input_dir", audio, "--output_dir", embeddings, *watched("extract"))
    where = ("--embeddings_dir", embeddings, "--output_dir", result)
    run("detect", *where, "--task", "all", *watched("detect"))
    if truth is not None:
        scored = ("--metrics_file", textfiles / "score.prom", "--metrics_set", "demo")
        run("score", "der", truth, result, *scored)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--audio", type=Path, help="folder of audio; default: a demo archive")
    parser.add_argument("--keep", type=Path, help="folder for everything; default: a temporary one")
    parser.add_argument("--screenshot", type=Path, help="write a picture of four graphs there (PNG)")
    parser.add_argument(
        "--also", action="append", default=[], help="NAME=HOST:PORT, a further target; again for more"
    )
    return parser.parse_args()


def archive(given: Path | None, folder: Path) -> tuple[Path, Path | None]:
    """The folder of audio, and its true turns where they are known."""
    if given is not None:
        return given, None
    demo = folder / "demo"
    if not demo.exists():
        run("demo", demo, "--speakers", 4, "--files", 12, "--conversations", 3)
    return demo / "audio", demo / "truth.rttm"


def first_of(audio: Path, truth: Path | None) -> Path:
    """A recording to play: of the demo a conversation."""
    found = sorted(path for path in audio.rglob("*") if path.is_file())
    talks = [path for path in found if "conversation" in path.name]
    return (talks or found)[0]


def tell(port: int, started: float, stream: bool, reasons: dict[str, str]) -> int:
    """Print a row a query; return 1 where one has no data and no reason for it."""
    silent = 0
    names = [name for name in dashboards.DASHBOARDS if name != "stream" or stream]
    print("| dashboard | panel | query | values | last |\n|---|---|---|---:|---:|")
    for name in names:
        for panel in dashboards.DASHBOARDS[name][1]:
            for query in panel.queries:
                values = asked(port, query, started)
                reason = next((why for part, why in reasons.items() if part in query), "NO DATA")
                last = f"{values[-1]:.4g}" if values else reason
                silent += not values and reason == "NO DATA"
                shown = query.replace("|", "\\|")
                print(f"| {name} | {panel.title} | `{shown}` | {len(values)} | {last} |")
    (alerts,) = [
        json.load(urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/alerts"))["data"]["alerts"]
    ]
    names = ", ".join(sorted(alert["labels"]["alertname"] for alert in alerts)) or "none"
    print(f"\n{silent} queries without data and without a reason; alerts pending or firing: {names}")
    return 1 if silent else 0


def asked(port: int, query: str, started: float) -> list[float]:
    """All numbers that a query gives over the run, of all its series."""
    span = {"start": started, "end": time.time(), "step": 2}
    url = f"http://127.0.0.1:{port}/api/v1/query_range?" + urllib.parse.urlencode({"query": query, **span})
    try:
        answer = json.load(urllib.request.urlopen(url, timeout=60))
    except urllib.error.HTTPError as error:
        raise SystemExit(f"{query}: {error.read().decode()}") from None
    series = [[float(value) for _, value in one["values"]] for one in answer["data"]["result"]]
    return [value for values in series for value in values if math.isfinite(value)]


def draw(port: int, started: float, place: Path) -> None:
    """Draw graphs in Prometheus's page by Chromium. SystemExit without it."""
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        raise SystemExit("chromium is not installed")
    length = f"{math.ceil(time.time() - started)}s"
    pairs = {}
    for number, query in enumerate(SHOWN):
        pairs |= {f"g{number}.expr": query, f"g{number}.tab": 0, f"g{number}.range_input": length}
    url = f"http://127.0.0.1:{port}/classic/graph?" + urllib.parse.urlencode(pairs)
    with tempfile.TemporaryDirectory() as profile:
        switches = (
            "--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run --hide-scrollbars "
        )
        switches += "--disable-background-networking --disable-component-update --disable-sync"
        picture = [
            f"--screenshot={place.absolute()}",
            "--window-size=1300,2950",
            "--virtual-time-budget=15000",
        ]
        call = [program, *switches.split(), f"--user-data-dir={profile}", *picture, url]
        subprocess.run(call, check=True, capture_output=True, timeout=240)


if __name__ == "__main__":
    sys.exit(main())
