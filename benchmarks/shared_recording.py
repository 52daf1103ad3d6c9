"""One long recording with one and with more workers; then killed at random moments, and resumed.

    python benchmarks/shared_recording.py --audio ../shared/data/ami        # three hours of it in a loop
    python benchmarks/shared_recording.py --audio DIR --hours 0.5 --kills 3 --seed 7
    python benchmarks/shared_recording.py --audio DIR --hours 0.2 --workers 1 8 --kills 3

The first number of `--workers` is what the others are compared with, the last one is killed. Speed-up is of
working seconds, and of wall clock; CPU seconds are of all processes, so they say what sharing costs where
other work disturbs the clock.

What a kill costs is the audio that both runs embedded together, less the recording's length: "repeated". The
counters of the killed run are a second old at most, which may make this negative. A pass under way counts in
neither run: besides, each worker loses the beginning of a chunk. "same" compares tracks and index of each way
with those of the first, byte by byte.
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
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import soundfile as sf
from long_file import make_day
from running import ROOT, timed

from diar.jobs.progress.reporter import read_ranks
from diar.store.layout import Layout

SPEED = ("workers", "wall clock, s", "CPU, s", "working, s", "× real time", "speed-up, working", "wall clock")
KILLS = ("killed after, s", "embedded by then, s", "embedded on resuming, s", "repeated, s")


@dataclass(frozen=True)
class Recording:
    """What is embedded, and how."""

    path: Path
    seconds: float
    more: list[str]  # options of stage 1

    def command(self, out: Path, workers: int) -> list[object]:
        """Return what runs stage 1 with so many workers, each with one thread."""
        script = ROOT / "extract_embeddings_multigpu.py"
        fixed = ("--workers", workers, "--threads", 1)
        return [script, "--input_dir", self.path, "--output_dir", out, *fixed, *self.more]


@dataclass(frozen=True)
class Measured:
    """One whole run."""

    wall: float
    cpu: float
    working: float
    digest: str


def main() -> None:
    """Print two tables."""
    options = parse()
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        make_day(work / "audio", [options.kind], options.hours, options.audio)
        (path,) = (work / "audio").iterdir()
        seconds = sf.info(path).duration if options.kind == "wav" else 3600 * options.hours
        recording = Recording(path, seconds, options.options)
        runs: dict[int, Measured] = {}
        print_table((*SPEED, "same"), compared(recording, options.workers, work, runs))
        if options.kills:
            print()
            moments = random.Random(options.seed)
            last = runs[options.workers[-1]]
            at = [moments.uniform(0.1, 0.9) * last.wall for _ in range(options.kills)]
            rows = killed(recording, options.workers[-1], at, work, runs[options.workers[0]].digest)
            print_table((*KILLS, "same"), rows)


def parse() -> argparse.Namespace:
    """Parse the options."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--audio", type=Path, help="recordings to repeat; default: noise like speech")
    parser.add_argument("--hours", type=float, default=3.0)
    parser.add_argument("--kind", choices=["wav", "mp3"], default="wav")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--kills", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0, help="of the moments of the kills")
    parser.add_argument("--options", nargs=argparse.REMAINDER, default=[], help="for stage 1")
    return parser.parse_args()


def print_table(heads: tuple[str, ...], rows: Iterator[list[str]]) -> None:
    """Print a Markdown table, each row as soon as it is there."""
    print("| " + " | ".join(heads) + " |\n|" + "---|" * len(heads), flush=True)
    for row in rows:
        print("| " + " | ".join(row) + " |", flush=True)


def compared(
    recording: Recording, workers: list[int], work: Path, runs: dict[int, Measured]
) -> Iterator[list[str]]:
    """Yield a row for each number of workers; keep what was measured in `runs`."""
    for count in workers:
        run = runs[count] = whole(recording, count, work / str(count))
        first = runs[workers[0]]
        figures = [f"{seconds:.0f}" for seconds in (run.wall, run.cpu, run.working)]
        ups = [f"{first.working / run.working:.2f}", f"{first.wall / run.wall:.2f}"]
        same = told(run.digest == first.digest)
        yield [str(count), *figures, f"{recording.seconds / run.working:.0f}", *ups, same]


def whole(recording: Recording, workers: int, out: Path) -> Measured:
    """Run stage 1 from start to end."""
    run = timed(*recording.command(out, workers))
    return Measured(run.seconds, run.cpu_seconds, statistics(out)["working_seconds"], digest(out))


def killed(
    recording: Recording, workers: int, moments: list[float], work: Path, expected: str
) -> Iterator[list[str]]:
    """Yield a row for each run that is killed after so many seconds, and resumed."""
    for number, after in enumerate(moments):
        out = work / f"killed{number}"
        before = kill_and_count(recording.command(out, workers), out, after)
        timed(*recording.command(out, workers))
        resumed = statistics(out)["audio_seconds"]
        figures = (after, before, resumed, before + resumed - recording.seconds)
        yield [*(f"{seconds:.0f}" for seconds in figures), told(digest(out) == expected)]


def told(same: bool) -> str:
    """Return `yes`, or a NO that is seen."""
    return "yes" if same else "NO"


def statistics(out: Path) -> dict[str, Any]:
    """Return what the last run says of itself."""
    run: dict[str, Any] = json.loads((out / "extraction_stats.json").read_text())["this_run"]
    return run


def kill_and_count(words: list[object], out: Path, after: float) -> float:
    """Kill all processes of a run `after` seconds; return the seconds of audio that they had embedded."""
    process = subprocess.Popen([sys.executable, *map(str, words)], cwd=ROOT, start_new_session=True)
    time.sleep(after)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    time.sleep(1.5)  # until workers in sessions of their own notice
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
