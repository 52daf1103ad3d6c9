#!/usr/bin/env python3
"""Time and memory of the real command for a million recordings, until it starts to compute.

The list names a million recordings in a few files; then a folder tree of 100 000 empty files is walked.

python benchmarks/listing.py
python benchmarks/listing.py --recordings 100000 --walked 10000
"""

from __future__ import annotations

import argparse
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
import soundfile as sf
from measure import ROOT

RATE = 16_000


@dataclass(frozen=True)
class Planned:
    """Seconds until the plan is written, and the largest resident memory of one process (bytes)."""

    seconds: float
    peak: int


def write_list(folder: Path, recordings: int) -> Path:
    """Write a wav.scp of many recordings that lie in 100 files."""
    rng = np.random.default_rng(0)
    for i in range(100):
        sf.write(folder / f"{i}.wav", 0.1 * rng.standard_normal(RATE), RATE, subtype="PCM_16")
    path = folder / "wav.scp"
    with path.open("w") as file:
        for i in range(recordings):
            file.write(f"{name_of(i)} {folder / f'{i % 100}.wav'}\n")
    return path


def name_of(i: int) -> str:
    """Return an id of usual length."""
    return f"speaker_{i // 500:05d}/session_{i // 50:06d}/utterance_{i:07d}"


def write_tree(folder: Path, files: int) -> Path:
    """Write empty files, 50 in a folder."""
    for i in range(files):
        path = folder / f"{name_of(i)}.wav"
        if i % 50 == 0:
            path.parent.mkdir(parents=True)
        path.touch()
    return folder


def plan(source: Path, out: Path, model: str) -> Planned:
    """Start stage 1, and kill it when it starts to compute, which is when ranks write their progress."""
    call = [sys.executable, ROOT / "extract_embeddings_multigpu.py", "--input_dir", source]
    options = ["--output_dir", out, "--model", model, "--workers", "1", "--device", "cpu"]
    start, began = time.time(), time.perf_counter()
    process = subprocess.Popen([*map(str, call), *map(str, options)], start_new_session=True)
    peak, progress = 0, out / "_extraction" / "progress" / "rank_000.json"
    while process.poll() is None and not (progress.exists() and progress.stat().st_mtime > start):
        time.sleep(0.02)
        peak = max(peak, largest(process.pid))
    seconds = time.perf_counter() - began
    if process.poll() is not None:
        raise SystemExit(f"stage 1 ended with {process.returncode} before it computed")
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return Planned(seconds, peak)


def largest(pid: int) -> int:
    """Return the resident bytes of the largest process below `pid`."""
    sizes = [0]
    try:
        for process in psutil.Process(pid).children(recursive=True):
            sizes.append(process.memory_info().rss)
    except psutil.NoSuchProcess:
        pass  # it has just ended
    return max(sizes)


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--recordings", type=int, default=1_000_000)
    parser.add_argument("--walked", type=int, default=100_000)
    parser.add_argument("--model", default="campplus-zh-en")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        few = write_list(folder, 10)
        rows = [("10 recordings, for comparison", plan(few, folder / "few", options.model))]
        many = write_list(folder, options.recordings)
        what = f"{options.recordings:,} recordings of a wav.scp"
        rows.append((what, plan(many, folder / "out", options.model)))
        rows.append((f"{what}, resumed", plan(many, folder / "out", options.model)))
        tree = write_tree(folder / "tree", options.walked)
        rows.append((f"{options.walked:,} files of a folder", plan(tree, folder / "walked", options.model)))
    print(f"\n{options.model}, one worker, {os.cpu_count()} cores, {platform.machine()}\n")
    print("| stage 1 until it computes | seconds | peak MiB of a process |")
    print("|---|---|---|")
    for what, planned in rows:
        print(f"| {what} | {planned.seconds:.1f} | {planned.peak / 2**20:.0f} |")


if __name__ == "__main__":
    main()
