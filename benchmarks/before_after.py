"""Paired speed of two checkouts, or of one with other options, on the same audio: one Markdown table a set.

    git worktree add ../before COMMIT
    python benchmarks/before_after.py ../before --sets default --rounds 6
    python benchmarks/before_after.py . --sets default --options --clustering ahc

Runs the real commands of both checkouts with this Python and their default options. What follows
--extract_options (stage 1) and --options (stage 2) is for "after" alone; the third line above measures what a
choice costs. The order alternates (before, after; after, before; …), so that neither other load nor a warm
machine favours one side. Run it on an idle machine; the spread of the ratios shows whether it was idle.

Seconds are medians over the rounds. "before / after" is the median of the rounds' ratios, with the least and
the greatest in brackets: 1.05 means that "after" needs 5 % less time, and 0.95 that it needs 5 % more. CPU
seconds are those of all processes of a command. "stage 1, working" leaves out imports, models and listing.
Sets are those of benchmarks/diarization.py; --files takes the first few of each, --seconds the beginning of
each file.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

import labelled_sets
import soundfile as sf
from labelled_sets import CLEAN, HELD_OUT
from running import ROOT, Run, add_stage_options, detect, error_rate, extract, parse_arguments

SETS = {one.name: one for one in (*CLEAN, *HELD_OUT)}
SIDES = ("before", "after")
Seconds = dict[str, float]  # by step


def main() -> None:
    """Print a table and the error rates of each set."""
    options = parse_arguments(make_parser(), sys.argv[1:])
    roots = {"before": options.before.resolve(), "after": options.after.resolve()}
    for root in roots.values():
        if not (root / "extract_embeddings_multigpu.py").is_file():
            raise SystemExit(f"{root} is no checkout: there is no extract_embeddings_multigpu.py")
    with tempfile.TemporaryDirectory() as temporary:
        work = (options.work or Path(temporary)).resolve()
        for name in options.sets:
            audio = shorten(
                labelled_sets.prepare(SETS[name], options.shared.resolve(), work),
                Path(temporary) / f"{name}-audio",
                options.files,
                options.seconds,
            )
            runs, errors = compare(audio, roots, options, Path(temporary) / name)
            minutes = sum(labelled_sets.durations(audio).values()) / 60
            print(f"{SETS[name].title}: {minutes:.1f} minutes of audio, {options.rounds} rounds\n")
            print_table(runs)
            print(f"\nDER %: before {errors['before']:.2f}, after {errors['after']:.2f}\n", flush=True)


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("before", type=Path, metavar="CHECKOUT", help="what to compare with; . with options")
    parser.add_argument("--after", type=Path, default=ROOT, metavar="CHECKOUT", help="default: this one")
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared")
    parser.add_argument("--sets", nargs="+", choices=SETS, default=["default"], help="[default]")
    parser.add_argument("--rounds", type=int, default=6, help="an even number is fair [6]")
    parser.add_argument("--files", type=int, help="recordings of each set [all]")
    parser.add_argument("--seconds", type=float, help="of each recording [all]")
    parser.add_argument("--work", type=Path, help="keep the sets' audio here")
    add_stage_options(parser, ", of after alone")
    return parser


def shorten(audio: Path, folder: Path, files: int | None, seconds: float | None) -> Path:
    """Copy the first `seconds` of the first `files` recordings, and their references."""
    if files is None and seconds is None:
        return audio
    folder.mkdir(parents=True)
    for file in sorted(audio.glob("*.wav"))[:files]:
        rate = sf.info(file).samplerate
        samples, _ = sf.read(file, dtype="int16", frames=-1 if seconds is None else round(seconds * rate))
        sf.write(folder / file.name, samples, rate, subtype="PCM_16")
        shutil.copyfile(file.with_suffix(".rttm"), folder / f"{file.stem}.rttm")
    return folder


def compare(
    audio: Path, roots: dict[str, Path], options: argparse.Namespace, work: Path
) -> tuple[dict[str, list[Seconds]], Seconds]:
    """Return the seconds of each step in each round, and DER in % of the last round, of both sides."""
    runs: dict[str, list[Seconds]] = {side: [] for side in SIDES}
    errors = {}
    uem = labelled_sets.write_uem(work / "all.uem", labelled_sets.durations(audio))
    for number in range(options.rounds):
        for side in SIDES if number % 2 == 0 else reversed(SIDES):
            after = side == "after"
            stages = [options.extract_options, options.options] if after else [[], []]
            out = work / f"{side}-{number}"
            runs[side].append(run_once(audio, out, roots[side], *stages))
            if number == options.rounds - 1:
                errors[side] = error_rate(audio, out / "result", uem)
            shutil.rmtree(out)
            print(f"round {number + 1}, {side}: {runs[side][-1]['both']:.1f} s", file=sys.stderr)
    return runs, errors


def run_once(
    audio: Path, out: Path, root: Path, extract_options: list[str], detect_options: list[str]
) -> Seconds:
    """Return wall-clock and CPU seconds of both commands of a checkout."""
    embeddings = out / "embeddings"
    first = extract(audio, embeddings, extract_options, root)
    second = detect(embeddings, out / "result", ["--task", "turns", *detect_options], root)
    both = Run("", first.seconds + second.seconds, first.cpu_seconds + second.cpu_seconds)
    seconds = {}
    for name, run in (("stage 1", first), ("stage 2", second), ("both", both)):
        seconds |= {name: run.seconds, f"{name}, CPU": run.cpu_seconds}
    return {**seconds, "stage 1, working": working_seconds(embeddings)}


def working_seconds(embeddings: Path) -> float:
    """Return the seconds of stage 1 from its first claim on."""
    stats = json.loads((embeddings / "extraction_stats.json").read_text())
    return float(stats["this_run"]["working_seconds"])


def print_table(runs: dict[str, list[Seconds]]) -> None:
    print("| step | before, s | after, s | before / after |")
    print("|---|---|---|---|")
    for step in runs["before"][0]:
        before, after = ([run[step] for run in runs[side]] for side in SIDES)
        ratios = [old / new for old, new in zip(before, after, strict=True)]
        spread = f"{statistics.median(ratios):.2f} ({min(ratios):.2f}–{max(ratios):.2f})"
        print(f"| {step} | {statistics.median(before):.1f} | {statistics.median(after):.1f} | {spread} |")


if __name__ == "__main__":
    main()
