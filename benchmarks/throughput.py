"""From audio to RTTM: speed and DER of diar and of its peers, alternating on the same machine.

    python benchmarks/throughput.py --shared ../shared
    python benchmarks/throughput.py --senko ENV/bin/python --pyannote ENV2/bin/python --sets AMI default

diar is run by its commands with their defaults: stage 1, then stage 2 with --task turns; and by `diar
diarize`, which does both. A peer is run by its script in `bench/` of the shared folder, with an interpreter
that has it (`pip install senko==0.2.2`; for pyannote see run_pyannote.py). Rounds alternate (A B C A B C), so
that other load on the machine affects all of them; medians and their ratios are printed.

The peers' scripts time their pipelines without imports and model loading. There are therefore two figures:
"work" is what they say of themselves; for diar it leaves out stage 1 up to its first claim (imports, models,
listing) and stage 2's imports. "Door to door" is the wall clock from the command to its end. Each has the
ratio diar / peer.

`--isa avx2` keeps torch, oneDNN and MKL of all systems to AVX2 (not ONNX Runtime, which pyannote's embeddings
are computed by).
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
from running import ISAS, ROOT, add_stage_options, call, error_rate, extract, parse_arguments, run_peer

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
ONE = labelled_sets.LabelledSet("one", "simulated, one file of 300 s", "--set 3:300")
SETS = {one.name: one for one in (*CLEAN, ONE)}
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
    parser.add_argument("--isa", choices=sorted(ISAS), help="instructions to keep to; default: all there are")
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--json", type=Path, help="write the figures here, too")
    add_stage_options(parser)
    options = parse_arguments(parser, sys.argv[1:])
    os.environ.update(ISAS.get(options.isa or "", {}))
    ours = (options.extract_options, options.options)
    runners: dict[str, Runner] = {
        "diar": lambda audio, out: run_ours(audio, out, *ours),
        "diar diarize": lambda audio, out: run_diarize(audio, out, *ours),
    }
    for name in ("senko", "pyannote"):
        python = getattr(options, name)
        if python is not None:
            script = options.shared / "bench" / f"run_{name}.py"
            runners[name] = lambda audio, out, p=python, s=script: run_peer(p, s, audio, out)
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, {time.strftime('%Y-%m-%d')}, rounds: {options.rounds}"
    )
    print(f"processor: {processor()}" + f", kept to {options.isa}" * (options.isa is not None))
    print("\n| set | system | work, × real time | diar / peer | door to door, s | diar / peer | DER % |")
    print("|---|---|---|---|---|---|---|")
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


def run_diarize(
    audio: Path, out: Path, extract_options: list[str], detect_options: list[str]
) -> dict[str, float]:
    """Return the seconds of `diar diarize`."""
    start = time.perf_counter()
    call("-m", "diar", "diarize", audio, "-o", out, *extract_options, *detect_options)
    return {"commands": time.perf_counter() - start}


def processor() -> str:
    """Return the processor's name, and which wide instructions it has."""
    text = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    pairs = (line.partition(":") for line in text.splitlines())
    named = {key.strip(): value.strip() for key, _, value in pairs}
    wide = {"avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16"} & set(named.get("flags", "").split())
    return f"{named.get('model name', platform.processor())} ({' '.join(sorted(wide))})"


def print_rows(data: Data, runs: dict[str, list[dict[str, float]]]) -> None:
    work, door = median_of(runs["diar"], "pipeline"), median_of(runs["diar diarize"], "commands")
    for name, found in runs.items():
        peer = not name.startswith("diar")
        speed, commands = median_of(found, "pipeline"), median_of(found, "commands")
        row = [
            f"{data.name} ({data.seconds / 60:.0f} min)",
            name,
            "" if speed is None else f"{speed:.1f} ({spread(found, 'pipeline')})",
            f"{work / speed:.1f}" if peer and work and speed else "",
            "" if commands is None else f"{data.seconds / commands:.1f}",
            f"{door / commands:.1f}" if peer and door and commands else "",
            f"{statistics.median(run['der'] for run in found):.1f}",
        ]
        print("| " + " | ".join(row) + " |", flush=True)


def median_of(runs: list[dict[str, float]], key: str) -> float | None:
    """Return the median × real time, None where it is not known."""
    found = [run[key] for run in runs if key in run]
    return statistics.median(found) if found else None


def spread(runs: list[dict[str, float]], key: str) -> str:
    """Return the least and the largest figure."""
    return f"{min(run[key] for run in runs):.1f}–{max(run[key] for run in runs):.1f}"


if __name__ == "__main__":
    main()
