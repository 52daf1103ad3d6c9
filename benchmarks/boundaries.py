"""Boundaries between files on labelled archives of real speech: one command, one Markdown table.

    python benchmarks/boundaries.py --shared ../shared --seeds 3 1 2
    python benchmarks/boundaries.py --degraded --seeds 3 1 2 --work WORK
    python benchmarks/boundaries.py --settings default --degraded room --options --no_link

Makes each archive with `tools/make_archive.py` of the shared folder, runs the real commands (stage 1 once,
stage 2 three times: automatic, and with the block size given cosine and GMM) and scores with
`diar score boundaries`. Figures are F1 at tolerance 0. In brackets an odd file next to a boundary may lie on
either side of it, as nothing in the audio decides that.

--degraded measures the same archives through `tools/degrade.py` (tel and room, or what is named) in place of
the clean ones. --session says which files go through one call or one room together; they are joined with
pauses and cut apart again. By default these are the files of a block, as people record: they share response,
gain and noise level, but not the noise itself, and the room changes with the block, which helps. With `file`
each file has its own call or room. With `archive` all files have the same one, so that only the voices
differ.

With --work, archives are made once; embeddings and results are made anew.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from degraded_archive import SESSIONS, degrade_archive
from labelled_sets import KINDS, make_once
from running import ROOT, add_stage_options, call, detect, extract, parse_arguments

DEGRADED = ("tel", "room")
Version = tuple[str, str]  # a kind of degrade.py, and of SESSIONS
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
    """Print one table."""
    options = parse_arguments(make_parser(), sys.argv[1:])
    settings = {**SETTINGS, **(FULL if options.full else {})}
    if options.settings:
        settings = {name: {**SETTINGS, **FULL}[name] for name in options.settings}
    with tempfile.TemporaryDirectory() as temporary:
        work = (options.work or Path(temporary)).resolve()
        print("| archive | seed | files | automatic | cosine | GMM | odd files F1 | purity | stage 2, s |")
        print("|---|---|---|---|---|---|---|---|---|")
        for kind in [None] if options.degraded is None else options.degraded or DEGRADED:
            for name, (make, *known) in settings.items():
                version = None if kind is None else (kind, options.session)
                title, rows = ", ".join([name, *describe(version)]), []
                for seed in options.seeds:
                    folder = work / name / str(seed)
                    archive = prepare(options.shared.resolve(), folder, make, seed, version)
                    rows.append(measure(archive, folder / f"{archive.name}-run", known, options))
                    print(f"| {title} | {seed} | {format_row(rows[-1])} |", flush=True)
                print(f"| **{title}** | mean | {format_row(mean(rows))} |", flush=True)


def describe(version: Version | None) -> list[str]:
    """Return what a title says beside the setting."""
    if version is None:
        return []
    kind, session = version
    return [kind if session == "block" else f"{kind} by {session}"]


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared")
    parser.add_argument("--seeds", type=int, nargs="+", default=[3, 1, 2, 4, 5])
    parser.add_argument("--full", action="store_true", help="more settings")
    parser.add_argument(
        "--settings", nargs="+", choices=[*SETTINGS, *FULL], metavar="NAME",
        help=f"these alone: {', '.join(map(repr, [*SETTINGS, *FULL])).replace('%', '%%')}",
    )  # fmt: skip
    parser.add_argument(
        "--degraded", nargs="*", choices=KINDS, metavar="KIND",
        help=f"through degrade.py, in place of clean: {', '.join(KINDS)} [tel room]",
    )  # fmt: skip
    parser.add_argument("--session", choices=SESSIONS, default="block", help="what shares a channel [block]")
    parser.add_argument(
        "--work", type=Path, help="keep archives and results here; default: a temporary folder"
    )
    add_stage_options(parser)
    return parser


def prepare(shared: Path, folder: Path, make: str, seed: int, version: Version | None) -> Path:
    """Return the folder with audio/ and truth.csv; make it below `folder` if it does not exist."""
    clean, tool = folder / "archive", shared / "tools" / "make_archive.py"
    make_once(clean, lambda out: call(tool, out, *make.split(), "--seed", seed))
    if version is None:
        return clean
    degraded = folder / "-".join(["archive", *version])
    make_once(degraded, lambda out: degrade_archive(shared, clean, out, *version, seed))
    return degraded


def measure(
    archive: Path, folder: Path, known: Sequence[int], options: argparse.Namespace
) -> dict[str, float]:
    """Return the figures of one archive; `known` are the expected block size and the window."""
    embeddings = folder / "embeddings"
    shutil.rmtree(embeddings, ignore_errors=True)
    extract(archive / "audio", embeddings, options.extract_options, allowed=(0,))
    size = ("--segment_size", known[0], "--boundary_window", known[1])
    row: dict[str, float] = {}
    for method, arguments in (("automatic", ()), ("cosine", size), ("gmm", (*size, "--use_gmm"))):
        run = detect(embeddings, folder / method, (*arguments, *options.options), allowed=(0,))
        row.setdefault("seconds", run.seconds)
        files = ("--truth", archive / "truth.csv", "--result", folder / method / RESULT)
        score = json.loads(call("-m", "diar", "score", "boundaries", "--json", *files))
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
    """Return the cells of a row; that of means has the pooled F1 of odd files, from mean hits and counts."""
    f1 = [f"{row[method]:.3f} ({row[f'{method}_either']:.3f})" for method in ("automatic", "cosine", "gmm")]
    odd = (
        f"{2 * row['hits'] / (row['found'] + row['true']):.2f}"
        if row["true"]
        else f"{row['found']:.0f} false"
    )
    return " | ".join([f"{row['files']:.0f}", *f1, odd, f"{row['purity']:.3f}", f"{row['seconds']:.1f}"])


if __name__ == "__main__":
    main()
