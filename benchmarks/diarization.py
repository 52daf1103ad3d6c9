"""Turns inside recordings on labelled real speech: one command, one Markdown table.

    python benchmarks/diarization.py --shared ../shared
    python benchmarks/diarization.py --shared ../shared --full --options --clustering ahc

Makes the simulated conversations with `tools/simulate_conversations.py` of the shared folder, runs the real
commands with one set of parameters for all sets (the defaults, or what follows --options, for stage 2) and
scores with `diar score der`: collar 0, overlap scored, whole recordings. The peers' figures are from
`bench/PEERS.md` and, for the set "2, 4, 8 speakers", from running `bench/run_pyannote.py` on it; they are
printed beside ours, not measured here.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# set → options of simulate_conversations.py (None: the AMI excerpts), DER of pyannote, Senko, WeSpeaker in %
SETS: dict[str, tuple[str | None, tuple[float | None, ...]]] = {
    "AMI, 10 × 30 s": (None, (28.4, 55.1, 43.0)),
    "simulated, default (55 min)": ("", (19.9, 28.5, 42.5)),
    "simulated, 2, 4, 8 speakers (90 min)": ("--seed 5 --set 2:1800 4:1800 8:1800", (19.0, None, None)),
}
HELD_OUT = {
    f"simulated, 1 to 20 speakers, seed {seed} (72 min)": (
        f"--seed {seed} --set 2:120 1:200 3:400 6:900 12:1200 20:1500",
        (None, None, None),
    )
    for seed in (31, 77)
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared")
    parser.add_argument("--full", action="store_true", help="two more sets, that nothing was chosen on")
    parser.add_argument("--work", type=Path, help="keep audio, embeddings and results here")
    parser.add_argument("--options", nargs=argparse.REMAINDER, default=[], help="for detect_boundaries.py")
    options = parser.parse_args()
    print("| set | DER % | miss | false alarm | confusion | JER % | speakers found / there | × real time | "
          "pyannote | Senko | WeSpeaker |")  # fmt: skip
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as temporary:
        work = options.work or Path(temporary)
        for name, (make, peers) in {**SETS, **(HELD_OUT if options.full else {})}.items():
            row = measure(options.shared, work / name.replace(" ", "_"), make, options.options)
            shown = [f"{der:.1f}" if der is not None else "–" for der in peers]
            print("| " + " | ".join([name, *row, *shown]) + " |", flush=True)


def measure(shared: Path, work: Path, make: str | None, options: list[str]) -> list[str]:
    audio = shared / "data" / "ami" if make is None else work / "audio"
    if make is not None and not audio.exists():
        call(shared / "tools" / "simulate_conversations.py", audio, *make.split())
    embeddings, result = work / "embeddings", work / "result"
    start = time.perf_counter()
    call(ROOT / "extract_embeddings_multigpu.py", "--input_dir", audio, "--output_dir", embeddings)
    call(
        ROOT / "detect_boundaries.py",
        *("--task", "turns", "--embeddings_dir", embeddings, "--output_dir", result, *options),
    )
    seconds = time.perf_counter() - start
    files = ["--reference", audio, "--hypothesis", result]
    score = json.loads(call("-m", "diar", "score", "der", "--json", *files))
    pooled = score["pooled"]
    parts = [100 * pooled[part] / pooled["speech"] for part in ("miss", "false_alarm", "confusion")]
    counts = [f"{r['hypothesis_speakers']}/{r['reference_speakers']}" for r in score["recordings"]]
    figures = [f"{figure:.1f}" for figure in (100 * pooled["der"], *parts, 100 * pooled["jer"])]
    return [*figures, " ".join(counts), f"{pooled['scored'] / seconds:.0f}"]


def call(*arguments: object) -> str:
    """Run one of our commands; its standard output. Exit code 3 means: done, some recordings failed."""
    done = subprocess.run(
        [sys.executable, *map(str, arguments)], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False
    )
    if done.returncode not in (0, 3):
        raise SystemExit(f"exit code {done.returncode}: {' '.join(map(str, arguments))}")
    return done.stdout


if __name__ == "__main__":
    main()
