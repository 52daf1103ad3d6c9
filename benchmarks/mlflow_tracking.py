"""What tracking by MLflow does, and what it costs: one command, two Markdown tables.

    python benchmarks/mlflow_tracking.py --shared ../shared
    python benchmarks/mlflow_tracking.py --shared ../shared --files 2 --pairs 2

A real tracking server runs on loopback (SQLite, one worker), of this environment or of the one whose Python
DIAR_MLFLOW_PYTHON names; it logs to WORK. Input: excerpts of AMI, 30 s each, from the shared folder.

The first table is about one run of each command: what the server has of it, a sweep of 28 trials, a model
that is opened by its alias and served, and a server that is killed (`kill -9`) in the middle of stage 1. The
second one is about cost: each command without tracking, with it, and with a server that is away, in turn,
--pairs times. CPU seconds are those of the command and its workers, medians; MLflow's own server is not among
them. Its last rows are what importing MLflow's own client would take, which diar does without, and tracking
alone.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from running import ROOT, Run, children_seconds, timed

sys.path.insert(0, str(ROOT))

from diar.connectors.mlflow.tracking import Tracking, run_tracked
from diar.jobs.detect.config import DetectConfig
from tests.connectors.mlflow.servers import (
    MISSING,
    PYTHON,
    artifacts_of,
    ask,
    free_port,
    has_mlflow,
    history_of,
    runs_of,
    served_model,
    stop,
    tracking_server,
)

DIAR = ("-m", "diar")
NETWORKS = ("--device", "cpu", "--speech", "segmentation")


def main() -> None:
    """Print both tables."""
    options = parse()
    if not has_mlflow():
        raise SystemExit(MISSING)
    with tempfile.TemporaryDirectory() as temporary:
        work = options.work or Path(temporary)
        bench = Bench(options, work.resolve())
        with tracking_server(work / "server") as (bench.server, _):
            print_table(("shown", "result"), bench.shown())
            print()
            print_table(("command", "tracking", "CPU s", "seconds"), bench.costs())


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared")
    parser.add_argument("--files", type=int, default=10, help="excerpts of AMI [10]")
    parser.add_argument("--pairs", type=int, default=5, help="repetitions of each command [5]")
    parser.add_argument("--work", type=Path, help="folder for all that is written, which stays")
    return parser.parse_args()


def print_table(heads: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> None:
    print(f"| {' | '.join(heads)} |\n{'|---' * len(heads)}|", flush=True)
    for row in rows:
        print(f"| {' | '.join(row)} |", flush=True)


class Bench:
    """The archive, the server and all that is run."""

    def __init__(self, options: argparse.Namespace, work: Path) -> None:
        self.pairs, self.work, self.server = options.pairs, work, ""
        self.archive, self.truth = work / "audio", work / "truth"
        for folder, suffix in ((self.archive, "wav"), (self.truth, "rttm")):
            folder.mkdir(parents=True, exist_ok=True)
            for file in sorted((options.shared / "data" / "ami").glob(f"*.{suffix}"))[: options.files]:
                shutil.copy(file, folder)

    def tracked(self, experiment: str) -> tuple[str, ...]:
        return ("--mlflow", self.server, "--mlflow_experiment", experiment)

    def extract(self, output: str, *options: object) -> tuple[object, ...]:
        places = ("--input_dir", self.archive, "--output_dir", self.work / output)
        return (*DIAR, "extract", *places, *NETWORKS, *options)

    def detect(self, *options: object) -> tuple[object, ...]:
        places = ("--embeddings_dir", self.work / "E", "--output_dir", self.work / "R")
        return (*DIAR, "detect", *places, "--task", "turns", *options)

    def score(self, *options: object) -> tuple[object, ...]:
        return (*DIAR, "score", "der", self.truth, self.work / "R", *options)

    def shown(self) -> Iterator[tuple[str, str]]:
        """Yield what the server has after each command."""
        tracked = self.tracked("shown")
        timed(*self.extract("E", *tracked))
        yield "stage 1", self.described("extract", "times_real_time")
        timed(*self.detect(*tracked))
        yield "stage 2", self.described("detect", "turns.turns")
        timed(*self.score("--report", self.work / "report", *tracked))
        yield "score", self.described("score der", "der")
        yield self.sweep()
        yield self.by_alias()
        yield self.served()
        yield self.killed()

    def described(self, name: str, metric: str) -> str:
        run = runs_of(self.server, name=name)[0]
        points, files = len(history_of(self.server, run["id"], metric)), artifacts_of(self.server, run["id"])
        return (
            f"{run['status']}; {len(run['params'])} parameters, {len(run['metrics'])} metrics ({metric} at "
            f"{points} times), {len(files)} artifacts: {', '.join(sorted(files))}"
        )

    def sweep(self) -> tuple[str, str]:
        places = ("--embeddings_dir", self.work / "E", "--reference", self.truth)
        run = timed(*DIAR, "sweep", *places, "--output_dir", self.work / "S", *self.tracked("shown"))
        parent = runs_of(self.server, name="sweep")[0]
        children = runs_of(self.server, parent=parent["id"])
        best, plain = (100 * parent["metrics"][name] for name in ("der", "default.der"))
        edges = [line for line in run.output.splitlines() if line.startswith("note: the best")]
        return "sweep", (
            f"{len(children)} trials, a run each within the sweep's; DER {plain:.2f} % by default, the best "
            f"{best:.2f} %; {run.cpu_seconds:.1f} CPU s; notes on the edge of the grid: {len(edges)}"
        )

    def by_alias(self) -> tuple[str, str]:
        register = (
            *DIAR,
            "models",
            "register",
            "campplus-zh-en",
            "--name",
            "speakers",
            "--alias",
            "champion",
        )
        timed(*register, "--scores", f"der/AMI={self.score_file()}", "--mlflow", self.server)
        model = ("--model", "models:/speakers@champion")
        timed(*self.extract("by_alias", *model, *self.tracked("shown")))
        ours, default = (
            json.loads((self.work / name / "extraction_stats.json").read_text())["model"]
            for name in ("by_alias", "E")
        )
        same = ours["model_sha256"] == default["model_sha256"]
        return "registry", f"--model models:/speakers@champion opened {ours['model']}; same sha256: {same}"

    def score_file(self) -> Path:
        path = self.work / "der.json"
        path.write_text(timed(*self.score("--json")).output)
        return path

    def served(self) -> tuple[str, str]:
        audio = base64.b64encode(next(self.archive.glob("*.wav")).read_bytes()).decode()
        with served_model("models:/speakers@champion", self.server, self.work) as url:
            start = time.perf_counter()
            (answer,) = ask(url, {"dataframe_records": [{"audio": audio}]}, timeout=600)["predictions"]
            seconds = time.perf_counter() - start
        turns, speakers = len(answer["turns"]), len(answer["speakers"])
        return "mlflow models serve", (
            f"{turns} turns of {speakers} speakers in {answer['duration']:.0f} s of audio, the first answer "
            f"after {seconds:.1f} s"
        )

    def killed(self) -> tuple[str, str]:
        """Kill a server of its own once stage 1 has told of itself."""
        with tracking_server(self.work / "killed") as (address, server):
            call = [sys.executable, *map(str, self.extract("survived", "--mlflow", address))]
            environment = {**os.environ, "PYTHONPATH": str(ROOT)}
            run = subprocess.Popen(call, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True)
            while not runs_of(address, name="extract") and run.poll() is None:
                time.sleep(0.1)
            running = run.poll() is None
            stop(server)
            _, told = run.communicate()
        recordings = json.loads((self.work / "survived" / "extraction_stats.json").read_text())["recordings"]
        return "server killed in mid-run", (
            f"still running when it was killed: {running}; exit code {run.returncode}, {recordings['ok']} of "
            f"{recordings['planned']} recordings, {told.count('warning: not tracked')} warning"
        )

    def costs(self) -> Iterator[tuple[str, ...]]:
        """Yield CPU seconds and seconds of each command, alternating without and with tracking."""
        away = f"http://127.0.0.1:{free_port()}"
        kinds: dict[str, tuple[str, ...]] = {
            "none": (),
            "yes": self.tracked("cost"),
            "server away": ("--mlflow", away),
        }
        commands: dict[str, Any] = {
            "extract": lambda *more: self.extract("cost", "--overwrite", *more),
            "detect": self.detect,
            "score der": self.score,
        }
        for name, command in commands.items():
            of_kind: dict[str, list[Run]] = {kind: [] for kind in kinds}
            for _ in range(self.pairs):
                for kind, more in kinds.items():
                    of_kind[kind].append(timed(*command(*more)))
            for kind, own in of_kind.items():
                yield name, kind, *medians(own)
        imports = [client() for _ in range(self.pairs)]
        yield "python -c 'import mlflow'", "MLflow's client", *medians(imports)
        for kind, address in (("yes", self.server), ("server away", away)):
            runs = [self.alone(address) for _ in range(self.pairs)]
            yield "tracking alone: 20 times 3 figures", kind, *medians(runs)

    @staticmethod
    def alone(address: str) -> Run:
        """Track a run that does nothing, in this process."""
        config = DetectConfig(embeddings_dir="E", output_dir="R", mlflow=address, mlflow_experiment="cost")

        def work(tracking: Tracking) -> int:
            for number in range(20):
                tracking.figures({"a": float(number), "b": 0.0, "c": 1.0})
            return 0

        start, cpu = time.perf_counter(), time.process_time()
        run_tracked(config, "alone", work, lambda text: None)
        return Run("", time.perf_counter() - start, time.process_time() - cpu)


def medians(runs: list[Run]) -> tuple[str, str]:
    """Return CPU seconds and seconds."""
    cpu = statistics.median(run.cpu_seconds for run in runs)
    return f"{cpu:.2f}", f"{statistics.median(run.seconds for run in runs):.2f}"


def client() -> Run:
    start, cpu = time.perf_counter(), children_seconds()
    subprocess.run([PYTHON, "-c", "import mlflow"], check=True)
    return Run("", time.perf_counter() - start, children_seconds() - cpu)


if __name__ == "__main__":
    main()
