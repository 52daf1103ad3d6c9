"""One long recording with one and with two workers; then killed at a random moment, and resumed.

    python benchmarks/shared_recording.py --audio ../shared/data/ami        # three hours of it in a loop
    python benchmarks/shared_recording.py --audio DIR --hours 0.5 --kills 3 --seed 7

Speed-up is of working seconds, and of wall clock. What a kill costs is the audio that both runs embedded
together, less the recording's length: "repeated". The counters of the killed run are a second old at most.
"same" compares tracks and index of each way with those of one worker, byte by byte.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import soundfile as sf
from long_file import make_day
from running import ROOT, call

from diar.jobs.progress.reporter import read_ranks
from diar.store.layout import Layout


def main() -> None:
    """Print two tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--audio", type=Path, help="recordings to repeat; default: noise like speech")
    parser.add_argument("--hours", type=float, default=3.0)
    parser.add_argument("--kind", choices=["wav", "mp3"], default="wav")
    parser.add_argument("--kills", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0, help="of the moments of the kills")
    parser.add_argument("--options", nargs=argparse.REMAINDER, default=[], help="for stage 1")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        make_day(work / "audio", [options.kind], options.hours, options.audio)
        (recording,) = (work / "audio").iterdir()
        length = sf.info(recording).duration if options.kind == "wav" else 3600 * options.hours
        print(
            "| workers | wall clock, s | working, s | × real time | speed-up, working | wall clock | same |"
        )
        print("|---|---|---|---|---|---|---|")
        runs = {}
        for workers in (1, 2):
            start = time.perf_counter()
            call(*command(recording, work / str(workers), workers, options.options))
            wall, working = time.perf_counter() - start, statistics(work / str(workers))["working_seconds"]
            runs[workers] = (wall, working)
            ups = (f"{runs[1][i] / runs[workers][i]:.2f}" for i in (1, 0))
            row = (workers, f"{wall:.0f}", f"{working:.0f}", f"{length / working:.0f}", *ups)
            same = digest(work / str(workers)) == digest(work / "1")
            print("| " + " | ".join([*map(str, row), "yes" if same else "NO"]) + " |", flush=True)
        print("\n| killed after, s | embedded by then, s | embedded on resuming, s | repeated, s | same |")
        print("|---|---|---|---|---|")
        moments = random.Random(options.seed)
        for number in range(options.kills):
            out = work / f"killed{number}"
            after = moments.uniform(0.1, 0.9) * runs[2][0]
            before = kill_and_count(command(recording, out, 2, options.options), out, after)
            call(*command(recording, out, 2, options.options))
            resumed = statistics(out)["audio_seconds"]
            same = "yes" if digest(out) == digest(work / "1") else "NO"
            row = (
                f"{after:.0f}",
                f"{before:.0f}",
                f"{resumed:.0f}",
                f"{before + resumed - length:.0f}",
                same,
            )
            print("| " + " | ".join(row) + " |", flush=True)


def command(recording: Path, out: Path, workers: int, more: list[str]) -> list[object]:
    fixed = ("--workers", workers, "--threads", 1)
    return [
        ROOT / "extract_embeddings_multigpu.py",
        "--input_dir",
        recording,
        "--output_dir",
        out,
        *fixed,
        *more,
    ]


def statistics(out: Path) -> dict[str, float]:
    run: dict[str, float] = json.loads((out / "extraction_stats.json").read_text())["this_run"]
    return run


def kill_and_count(words: list[object], out: Path, after: float) -> float:
    """Kill all processes of a run `after` seconds; return the seconds of audio that they had embedded."""
    process = subprocess.Popen([sys.executable, *map(str, words)], cwd=ROOT, start_new_session=True)
    time.sleep(after)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return sum(rank.counters.audio_seconds for rank in read_ranks(Layout(str(out))))


def digest(out: Path) -> str:
    """Return the SHA-256 of tracks and index."""
    files = sorted(file for file in out.rglob("*") if file.suffix in (".parquet", ".pq"))
    kept = [file for file in files if "plan" not in file.name]
    total = hashlib.sha256()
    for file in kept:
        total.update(str(file.relative_to(out)).encode() + hashlib.sha256(file.read_bytes()).digest())
    return total.hexdigest()


if __name__ == "__main__":
    main()
