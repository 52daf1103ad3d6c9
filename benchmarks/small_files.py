#!/usr/bin/env python3
"""Very many short files: files a second, time outside of the networks, bytes, memory, resume, stage 2.

python benchmarks/small_files.py                       # 20 000 files
python benchmarks/small_files.py --files 100000
python benchmarks/small_files.py --files 1000 --seconds 2 4  # different lengths
python benchmarks/small_files.py --files 2000 --workers 1 --layouts packed --turns --keep /tmp/small
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile as sf
from measure import Measured, measure

RATE = 16_000
# Different files of each of 20 voices; the others are hard links to them, which take the stages as long
DISTINCT = 20
DISTINCT_LENGTHS = 300  # where files differ in length
NETWORK_STEPS = ("fbank_step", "segment_step", "embed_step")
OTHER_STEPS = ("decode_step", "rows_step", "write_step")


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    step: str
    measured: Measured
    statistics: str = " | | | | "  # of stage 1


def make_archive(folder: Path, files: int, seconds: list[float], block: int = 1000) -> None:
    """Write files of least to most `seconds` in blocks; a block has one spectrum, as a speaker has."""
    rng = np.random.default_rng(0)
    distinct = DISTINCT if len(seconds) == 1 else DISTINCT_LENGTHS
    for index in range(files):
        path = folder / f"part_{index // 500}" / f"{index}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        voice = index // block % 20
        original = folder.parent / "distinct" / f"{voice}_{index % distinct}.wav"
        if not original.exists():
            original.parent.mkdir(exist_ok=True)
            _write_noise(original, rng.uniform(seconds[0], seconds[-1]), voice, rng)
        os.link(original, path)


def _write_noise(path: Path, seconds: float, colour_seed: int, rng: np.random.Generator) -> None:
    voice = np.random.default_rng(colour_seed)
    colour = voice.standard_normal(64) * np.exp(-np.arange(64) / voice.uniform(2, 20))
    samples = np.convolve(rng.standard_normal(round(seconds * RATE)), colour, "same")
    sf.write(path, 0.3 * samples / np.abs(samples).max(), RATE, subtype="PCM_16")


def run(folder: Path, options: argparse.Namespace) -> Iterator[Row]:
    """Run and resume stage 1 in each layout by each number of workers; stage 2 on the last of each layout."""
    archive = folder / "archive"
    for layout in options.layouts:
        for workers in options.workers:
            out = folder / f"embeddings_{layout}_{workers}"
            fixed = ("--input_dir", archive, "--output_dir", out, "--model", options.model)
            stage_1 = ("extract_embeddings_multigpu.py", *fixed, "--workers", workers, "--layout", layout)
            what = f"{layout}, {workers} workers"
            yield Row(f"stage 1, {what}", measure(*stage_1), describe(out, options.files))
            yield Row(f"resume, all done, {what}", measure(*stage_1))
        result = folder / f"result_{layout}"
        stage_2 = ("detect_boundaries.py", "--embeddings_dir", out, "--output_dir", result)
        yield Row(f"stage 2, automatic, {layout}", measure(*stage_2))
        yield Row(f"stage 2, block size given, {layout}", measure(*stage_2, "--segment_size", 1000))
        if options.turns:
            yield Row(f"stage 2, turns, {layout}", measure(*stage_2, "--task", "turns", "--no_plot"))


def describe(out: Path, files: int) -> str:
    """Return cells: the ranks' share of time outside of the networks, ms a file by step, bytes a file."""
    ranks = json.loads((out / "extraction_stats.json").read_text())["this_run"]["ranks"]
    networks = sum(rank[step] for rank in ranks for step in NETWORK_STEPS)
    outside = 1 - networks / sum(rank["seconds"] for rank in ranks)
    steps = [1000 * sum(rank[step] for rank in ranks) / files for step in OTHER_STEPS]
    size = sum(path.stat().st_size for path in out.rglob("*.parquet"))
    return f"{100 * outside:.0f} % | " + " | ".join(f"{ms:.2f}" for ms in steps) + f" | {size / files:.0f}"


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument(
        "--seconds", type=float, nargs="+", default=[1.0], help="length of a file, or least and most"
    )
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--layouts", nargs="+", default=["mirror", "packed"], choices=["mirror", "packed"])
    parser.add_argument("--model", default="campplus-zh-en")
    parser.add_argument("--turns", action="store_true", help="also stage 2 inside recordings")
    parser.add_argument("--keep", type=Path, help="work here and keep it, in place of a temporary folder")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary)
        if (folder / "archive").exists():
            parser.error(f"--keep {folder} holds an earlier run; name an empty folder")
        make_archive(folder / "archive", options.files, options.seconds)
        rows = list(run(folder, options))
    lengths = " to ".join(f"{seconds:g}" for seconds in options.seconds)
    machine = f"{os.cpu_count()} cores, {platform.machine()}"
    print(f"\n{options.files:,} files of {lengths} s, {options.model}, {machine}\n")
    print(
        "| step | seconds | files/s | not networks | decode, ms a file | rows | write | bytes a file "
        "| peak MiB, one process | all | exit code |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    for row in rows:
        measured = row.measured
        memory = f"{measured.peak_process / 2**20:.0f} | {measured.peak_total / 2**20:.0f}"
        rate = options.files / measured.seconds
        print(
            f"| {row.step} | {measured.seconds:.1f} | {rate:.0f} | {row.statistics} "
            f"| {memory} | {measured.returncode} |"
        )


if __name__ == "__main__":
    main()
