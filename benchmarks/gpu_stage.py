"""The tables `stage 1` and `labelled` of `gpu.py`: the real commands."""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from gpu_rows import DEFAULT, Row, model_directory, write_speech
from running import DONE, ROOT, detect, error_rate

if TYPE_CHECKING:
    from gpu import Report

_SECONDS = 600.0  # of a recording
_LEAST_SECONDS = 40.0  # that a run may take


def stage_rows(report: Report, options: argparse.Namespace, work: Path) -> None:
    """Run stage 1: the default encoder by kind, workers and precision, the others once."""
    seconds, files = (3.0, 2) if options.small else (_SECONDS, max(1, round(options.hours * 6)))
    first, *others = options.models
    kind, workers = options.kinds[0], options.workers[0]
    runs = [(first, kind, "auto", count) for count in options.workers]
    runs += [(first, other, "auto", workers) for other in options.kinds[1:]]
    runs += [(first, kind, precision, workers) for precision in options.precisions]
    runs += [(model, kind, "auto", workers) for model in others]
    for number, (model, kind, precision, workers) in enumerate(runs[: 1 if options.small else None]):
        if report.seconds_left < _LEAST_SECONDS and not options.small:
            report.leave_out(f"stage 1 with {model} from {kind} in {precision}, {workers} workers")
            continue
        audio, out = work / kind, work / f"run-{number}"
        if not audio.exists():
            write_speech(audio, kind, options.audio, seconds, files)
        folder = model_directory(model, options.model_dir, work)
        with _busy_share(options.device == "cuda", work / "busy.csv") as busy:
            _extract(audio, out, folder, options, "--workers", workers, "--precision", precision)
        report.add("stage 1", _describe_run(model, kind, precision, workers, out, busy))
        shutil.rmtree(out)


def error_rows(report: Report, options: argparse.Namespace, work: Path) -> None:
    """Measure DER in each precision."""
    audio = work / "labelled"
    audio.mkdir()
    found = sorted(file for file in options.labelled.iterdir() if file.is_file())
    for file in found[:2] if options.small else found:  # audio and reference
        (audio / file.name).symlink_to(file.resolve())
    for precision in options.precisions:
        if report.seconds_left < _LEAST_SECONDS and not options.small:
            report.leave_out(f"DER in {precision}")
            continue
        embeddings, result = work / f"der-{precision}", work / f"der-{precision}-result"
        folder = model_directory(DEFAULT, options.model_dir, work)
        _extract(audio, embeddings, folder, options, "--precision", precision)
        detect(embeddings, result, ("--task", "turns"))
        report.add("labelled", {"precision": precision, "DER %": round(error_rate(audio, result), 2)})


def _extract(audio: Path, out: Path, model: Path, options: argparse.Namespace, *more: object) -> None:
    command = [
        *(sys.executable, ROOT / "extract_embeddings_multigpu.py"),
        *("--input_dir", audio, "--output_dir", out, "--device", options.device, "--model_dir", model),
        *("--segmentation", options.segmentation, "--second_segmentation", options.second_segmentation),
        *more,
    ]
    # Not by `running.timed`, which waits for all children: nvidia-smi watches until the run is over
    done = subprocess.run([str(word) for word in command], cwd=ROOT, check=False)
    if done.returncode not in DONE:
        raise SystemExit(f"exit code {done.returncode}: {command}")


@contextmanager
def _busy_share(on_gpu: bool, file: Path) -> Iterator[list[int]]:
    """Collect the percentages of time in which the GPU computed, five a second, as nvidia-smi counts."""
    found: list[int] = []
    if not on_gpu:
        yield found
        return
    query = ("nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits", "-lms", "200")
    with file.open("w") as output, subprocess.Popen(query, stdout=output) as process:
        try:
            yield found
        finally:
            process.terminate()
    found.extend(int(line) for line in file.read_text().split() if line.isdigit())


def _describe_run(model: str, kind: str, precision: str, workers: int, out: Path, busy: list[int]) -> Row:
    """Return a row of the table from the run's statistics."""
    run = json.loads((out / "extraction_stats.json").read_text())["this_run"]
    peak = max(rank.get("peak_gpu_bytes", 0) for rank in run["ranks"]) / 1e9
    steps = {step: round(seconds, 2) for step, seconds in run["steps"].items()}
    speed = round(run["audio_seconds"] / run["working_seconds"])
    share = f"{min(100, sum(busy) / 5 / run['working_seconds']):.0f} %" if busy else "–"
    return {"model": model, "from": kind, "precision": precision, "workers": workers, "× real time": speed,
            "working s": round(run["working_seconds"], 1),
            "start-up s": round(run["seconds"] - run["working_seconds"], 1), **steps,
            "GPU busy": share, "bound by": run["bound_by"], "peak GB": round(peak, 2)}  # fmt: skip
