#!/usr/bin/env python3
"""Many one-second files: files per second with 1 and 2 workers, memory, resume, stage 2.

python benchmarks/small_files.py                       # 20 000 files
python benchmarks/small_files.py --files 2000 --workers 1 2 --keep /tmp/small
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
from pathlib import Path

import numpy as np
import soundfile as sf
from measure import measure

RATE = 16_000


def make_archive(folder: Path, files: int, block: int = 1000) -> None:
    """One-second files in blocks of `block`; a block shares its spectral colour, as a speaker does."""
    rng = np.random.default_rng(0)
    for index in range(files):
        if index % block == 0:
            colour = rng.standard_normal(64) * np.exp(-np.arange(64) / rng.uniform(2, 20))
        samples = np.convolve(rng.standard_normal(RATE), colour, "same")
        path = folder / f"part_{index // 500}" / f"{index}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        sf.write(path, 0.3 * samples / np.abs(samples).max(), RATE, subtype="PCM_16")


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--model", default="campplus-zh-en")
    parser.add_argument("--keep", type=Path, help="work here and keep it, in place of a temporary folder")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary)
        archive = folder / "archive"
        if archive.exists():
            parser.error(f"--keep {folder} holds an earlier run; name an empty folder")
        make_archive(archive, options.files)
        rows = []
        for workers in options.workers:
            out = folder / f"embeddings_{workers}"
            fixed = ("--input_dir", archive, "--output_dir", out, "--model", options.model)
            for step in ("stage 1", "resume, all done"):
                measured = measure("extract_embeddings_multigpu.py", *fixed, "--workers", workers)
                rows.append((f"{step}, {workers} workers", measured))
        fixed = ("--embeddings_dir", out, "--output_dir", folder / "result")
        rows.append(("stage 2, automatic", measure("detect_boundaries.py", *fixed)))
        rows.append(
            ("stage 2, block size given", measure("detect_boundaries.py", *fixed, "--segment_size", 1000))
        )
    print(
        f"\n{options.files:,} files of 1 s, {options.model}, {os.cpu_count()} cores, {platform.machine()}\n"
    )
    print("| step | seconds | files/s | peak MiB, one process | peak MiB, all | exit code |")
    print("|---|---|---|---|---|---|")
    for step, measured in rows:
        memory = f"{measured.peak_process / 2**20:.0f} | {measured.peak_total / 2**20:.0f}"
        rate = options.files / measured.seconds
        print(f"| {step} | {measured.seconds:.1f} | {rate:.0f} | {memory} | {measured.returncode} |")


if __name__ == "__main__":
    main()
