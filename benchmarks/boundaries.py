"""Boundaries between files on labelled archives of real speech: one command, one Markdown table.

    python benchmarks/boundaries.py --shared ../shared --seeds 3 1 2

Makes each archive with `tools/make_archive.py` of the shared folder, runs the real commands (stage 1 once,
stage 2 three times) and scores with `diar score boundaries`. F1 at tolerance 0; in brackets where an odd file
next to a boundary may lie on either side of it, which nothing in the audio decides.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RESULT = "speaker_boundary_detection_result.json"

# setting → options of make_archive.py, expected size, window (jitter + 2)
SETTINGS = {
    "default": ("", 20, 5),
    "short blocks, 15 dB, odd, returning": (
        "--blocks 40 --size 12 --jitter 3 --piece 1.5 2.5 --snr 15 --odd 0.02 --returning 0.3",
        12,
        5,
    ),
    "0.8–1.5 s, 10 dB": ("--piece 0.8 1.5 --snr 10", 20, 5),
}
FULL = {
    "blocks of 8": ("--blocks 40 --size 8 --jitter 2 --returning 0.2", 8, 4),
    "blocks of 50, odd 2 %": (
        "--blocks 12 --size 50 --jitter 5 --odd 0.02 --returning 0.2 --piece 1 2",
        50,
        7,
    ),
    "blocks of 200, odd 5 %": ("--blocks 6 --size 200 --jitter 20 --odd 0.05 --piece 1 2", 200, 22),
    "5 dB": ("--blocks 20 --size 20 --jitter 3 --snr 5 --piece 1 2", 20, 5),
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared")
    parser.add_argument("--seeds", type=int, nargs="+", default=[3, 1, 2, 4, 5])
    parser.add_argument("--full", action="store_true", help="more settings")
    parser.add_argument(
        "--work", type=Path, help="keep archives and results here; default: a temporary folder"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        work = options.work or Path(temporary)
        print("| archive | seed | files | automatic | cosine | GMM | odd files F1 | purity | stage 2, s |")
        print("|---|---|---|---|---|---|---|---|---|")
        for name, setting in {**SETTINGS, **(FULL if options.full else {})}.items():
            rows = [measure(options.shared, work / name, *setting, seed) for seed in options.seeds]
            for seed, row in zip(options.seeds, rows, strict=True):
                print(f"| {name} | {seed} | {format_row(row)} |", flush=True)
            print(f"| **{name}** | mean | {format_row(mean(rows))} |", flush=True)


def measure(shared: Path, work: Path, make: str, size: int, window: int, seed: int) -> dict[str, float]:
    folder = work / str(seed)
    archive, embeddings = folder / "archive", folder / "embeddings"
    call(shared / "tools" / "make_archive.py", archive, *make.split(), "--seed", seed)
    call(
        ROOT / "extract_embeddings_multigpu.py", "--input_dir", archive / "audio", "--output_dir", embeddings
    )
    known = ("--segment_size", size, "--boundary_window", window)
    row: dict[str, float] = {}
    for method, arguments in (("automatic", ()), ("cosine", known), ("gmm", (*known, "--use_gmm"))):
        result = folder / method
        start = time.perf_counter()
        call(
            ROOT / "detect_boundaries.py", "--embeddings_dir", embeddings, "--output_dir", result, *arguments
        )
        row.setdefault("seconds", time.perf_counter() - start)
        score = json.loads(
            call(
                "-m",
                "diar",
                "score",
                "boundaries",
                "--json",
                "--truth",
                archive / "truth.csv",
                "--result",
                result / RESULT,
            )
        )
        row[method] = score["boundaries"]["0"]["f1"]
        row[f"{method}_either"] = score["boundaries_either_side_of_odd"]["f1"]
        if method == "automatic":
            odd = score["odd_files"]
            row |= {"files": score["files"], "purity": score["purity"], "true": odd["true"]}
            row |= {"found": odd["found"], "hits": odd["hits"]}
    return row


def mean(rows: list[dict[str, float]]) -> dict[str, float]:
    return {name: sum(row[name] for row in rows) / len(rows) for name in rows[0]}


def format_row(row: dict[str, float]) -> str:
    """F1 of odd files is pooled in a mean row, because hits and counts are averaged alike."""
    f1 = [f"{row[method]:.3f} ({row[f'{method}_either']:.3f})" for method in ("automatic", "cosine", "gmm")]
    odd = (
        f"{2 * row['hits'] / (row['found'] + row['true']):.2f}"
        if row["true"]
        else f"{row['found']:.0f} false"
    )
    return " | ".join([f"{row['files']:.0f}", *f1, odd, f"{row['purity']:.3f}", f"{row['seconds']:.1f}"])


def call(*arguments: object) -> str:
    """Run Python with `arguments`; its standard output."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return done.stdout


if __name__ == "__main__":
    main()
