#!/usr/bin/env python3
"""Short files of many lengths against as many of one length, from the same audio: stage 1's working seconds.

python benchmarks/many_lengths.py --audio DIR                          # WAV files of 16 kHz
python benchmarks/many_lengths.py --audio DIR --seconds 2 4 --rounds 3
python benchmarks/many_lengths.py --audio DIR -- --precision fp32      # options of stage 1
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
from pathlib import Path

import numpy as np
import soundfile as sf
from measure import measure

RATE = 16_000


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--audio", type=Path, required=True, help="folder of WAV files of 16 kHz")
    parser.add_argument("--files", type=int, default=400)
    parser.add_argument("--seconds", type=float, nargs=2, default=[1.0, 6.0], help="least and most of a file")
    parser.add_argument("--rounds", type=int, default=2, help="the least time of so many runs counts")
    parser.add_argument("options", nargs="*", help="of stage 1, after --")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        lengths = make_archives(Path(temporary), options)
        seconds: dict[str, list[float]] = {"one length": [], "many lengths": []}
        for number in range(options.rounds):
            for kind, found in seconds.items():
                found.append(run(Path(temporary), kind, number, options.options))
    machine = f"{os.cpu_count()} cores, {platform.machine()}"
    print(f"\n{options.files} files, {lengths}, {machine}, options: {' '.join(options.options) or 'none'}\n")
    print("| one length, s | many lengths, s | ratio |\n|---|---|---|")
    one, many = (min(found) for found in seconds.values())
    print(f"| {one:.1f} | {many:.1f} | {many / one:.2f} |")


def make_archives(folder: Path, options: argparse.Namespace) -> str:
    """Write both archives, of equally many samples; return what the lengths are."""
    audio = np.concatenate([sf.read(file, dtype="int16")[0] for file in sorted(options.audio.glob("*.wav"))])
    rng = np.random.default_rng(0)
    least, most = options.seconds
    many = np.round(rng.uniform(least, most, options.files) * RATE).astype(int)
    one = np.full(options.files, round(many.mean()))
    starts = rng.integers(0, len(audio) - round(most * RATE), options.files)
    for kind, lengths in (("one length", one), ("many lengths", many)):
        (folder / kind).mkdir()
        for number, (start, length) in enumerate(zip(starts, lengths, strict=True)):
            sf.write(folder / kind / f"{number}.wav", audio[start : start + length], RATE, subtype="PCM_16")
    return f"{many.mean() / RATE:.2f} s each, or {least:g} to {most:g} s of {len(set(many.tolist()))} lengths"


def run(folder: Path, kind: str, number: int, options: list[str]) -> float:
    """Run stage 1 once; return its working seconds, which start-up is not part of."""
    out = folder / f"{kind} {number}"
    places = ("--input_dir", folder / kind, "--output_dir", out)
    if measure("extract_embeddings_multigpu.py", *places, *options).returncode:
        raise SystemExit(1)
    return float(json.loads((out / "extraction_stats.json").read_text())["this_run"]["working_seconds"])


if __name__ == "__main__":
    main()
