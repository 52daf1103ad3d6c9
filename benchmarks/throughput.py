"""From audio to RTTM: speed and DER of diar and of its peers, alternating on the same machine.

    python benchmarks/throughput.py --shared ../shared
    python benchmarks/throughput.py --senko ENV/bin/python --pyannote ENV2/bin/python --sets AMI default

diar is run by its commands with their defaults: stage 1, then stage 2 with --task turns. A peer is run by its
script in `bench/` of the shared folder, with an interpreter that has it (`pip install senko==0.2.2`; for
pyannote see run_pyannote.py). Rounds alternate (A B C A B C), so that other load on the machine affects all
of them; medians and their ratios are printed.

The peers' scripts time their pipelines without imports and model loading. There are therefore two figures for
diar: "commands" is the wall clock of both commands from start to end; "pipeline" leaves out stage 1 up to its
first claim (imports, models, listing) and stage 2's imports. Ratios are those of "pipeline".
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import labelled_sets
from labelled_sets import CLEAN
from running import ROOT, add_stage_options, call, error_rate, extract, parse_arguments, run_peer

# Imports come before the clock starts, as in the peers' scripts
_TIMED_STAGE_2 = """
import sys, time
import diar.jobs.detect.turns
from diar.jobs.detect.command import main
start = time.perf_counter()
code = main(sys.argv[1:])
print(time.perf_counter() - start)
sys.exit(code)
"""
SETS = {one.name: one for one in CLEAN}
Runner = Callable[[Path, Path], dict[str, float]]


@dataclass(frozen=True)
class Data:
    """One set: its audio, its references, and its length."""

    name: str
    folder: Path
    uem: Path  # all of each file
    seconds: float


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared")
    parser.add_argument("--senko", type=Path, help="python that has senko")
    parser.add_argument("--pyannote", type=Path, help="python that has pyannote.audio")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--json", type=Path, help="write the figures here, too")
    add_stage_options(parser)
    options = parse_arguments(parser, sys.argv[1:])
    ours = (options.extract_options, options.options)
    runners: dict[str, Runner] = {"diar": lambda audio, out: run_ours(audio, out, *ours)}
    for name in ("senko", "pyannote"):
        python = getattr(options, name)
        if python is not None:
            script = options.shared / "bench" / f"run_{name}.py"
            runners[name] = lambda audio, out, p=python, s=script: run_peer(p, s, audio, out)
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, {time.strftime('%Y-%m-%d')}, rounds: {options.rounds}"
    )
    print("\n| set | system | × real time, pipeline | × real time, commands | ours / theirs | DER % |")
    print("|---|---|---|---|---|---|")
    figures = {}
    with tempfile.TemporaryDirectory() as temporary:
        for name in options.sets:
            data = prepare(options.shared, name, Path(temporary))
            runs = compare(data, runners, options.rounds, Path(temporary) / f"{name}-out")
            figures[name] = runs
            print_rows(data, runs)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2))


def prepare(shared: Path, name: str, work: Path) -> Data:
    """Write the set's audio as WAV beside its RTTM."""
    folder = labelled_sets.prepare(SETS[name], shared.resolve(), work)
    seconds = labelled_sets.durations(folder)
    uem = labelled_sets.write_uem(work / f"{name}.uem", seconds)
    return Data(name, folder, uem, sum(seconds.values()))


def compare(
    data: Data, runners: dict[str, Runner], rounds: int, out: Path
) -> dict[str, list[dict[str, float]]]:
    """Return the figures of each system's runs, by system."""
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in runners}
    for number in range(rounds):
        for name, runner in runners.items():
            result = out / f"{name}-{number}"
            figures = runner(data.folder, result)
            speed = {key: data.seconds / value for key, value in figures.items()}
            runs[name].append({**speed, "der": error_rate(data.folder, result, data.uem)})
    return runs


def run_ours(
    audio: Path, out: Path, extract_options: list[str], detect_options: list[str]
) -> dict[str, float]:
    """Return the seconds of both commands, and those without stage 1's start-up."""
    embeddings, result = out.with_suffix(".embeddings"), out
    start = time.perf_counter()
    extract(audio, embeddings, extract_options)
    fixed = ("--embeddings_dir", embeddings, "--output_dir", result)
    said = call("-c", _TIMED_STAGE_2, "--task", "turns", *fixed, *detect_options)
    seconds = time.perf_counter() - start
    run = json.loads((embeddings / "extraction_stats.json").read_text())["this_run"]
    return {"pipeline": run["working_seconds"] + float(said.split()[-1]), "commands": seconds}


def print_rows(data: Data, runs: dict[str, list[dict[str, float]]]) -> None:
    ours = statistics.median(run["pipeline"] for run in runs["diar"])
    for name, found in runs.items():
        pipeline, commands = ([run[key] for run in found] for key in ("pipeline", "commands"))
        speed = statistics.median(pipeline)
        ratio = "" if name == "diar" else f"{ours / speed:.1f}"
        spread = f"{speed:.1f} ({min(pipeline):.1f}–{max(pipeline):.1f})"
        der = statistics.median(run["der"] for run in found)
        shown = [
            f"{data.name} ({data.seconds / 60:.0f} min)",
            name,
            spread,
            f"{statistics.median(commands):.1f}",
        ]
        print("| " + " | ".join([*shown, ratio, f"{der:.1f}"]) + " |", flush=True)


if __name__ == "__main__":
    main()
