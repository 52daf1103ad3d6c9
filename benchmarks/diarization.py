"""Turns inside recordings on labelled real speech: one command, one Markdown table.

    python benchmarks/diarization.py --shared ../shared
    python benchmarks/diarization.py --degraded --work WORK
    python benchmarks/diarization.py --sets default 'default-tel-*' --pyannote ENV/bin/python --work WORK
    python benchmarks/diarization.py --full --extract_options --channel 0 --options --clustering ahc

Sets: `AMI`, ten labelled excerpts; `default` and `seed5`, conversations by the shared folder's
`tools/simulate_conversations.py`; with --full `seed31` and `seed77`, on which no parameter was chosen. With
--degraded there are also versions of `default` and `seed5` by `tools/degrade.py`: `default-tel-1` is the
telephone version with seed 1; others are `room`, `broadcast` and seed 2. --sets takes any of these names
(`seed31-tel-1`, too) and patterns.

The real commands run with the same parameters for all sets: the defaults, or what follows
--extract_options (stage 1) and --options (stage 2). `diar score der` scores whole recordings with overlap and
collar 0 (0.25 s in one column). × real time counts from the start of stage 1 to the end of stage 2; that of
each stage is in brackets. CPU seconds are those of all processes; other load on the machine changes them less
than × real time.

With --pyannote, `bench/run_pyannote.py` of the shared folder runs pyannote's pipeline; its × real time leaves
out imports and model loading. The last three columns are not measured here: they come from
`bench/PEERS.md`, and for `seed5` from that script.

With --work, audio and pyannote's results are made once. Embeddings and results are made anew; with
--keep_embeddings stage 1 goes on where it was, and its time is not reported.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import labelled_sets
from labelled_sets import CLEAN, HELD_OUT, PEERS, LabelledSet
from running import ROOT, Run, add_stage_options, detect, extract, parse_arguments, run_peer, score_der

ERRORS = ("DER %", "miss", "false alarm", "confusion", "DER % with 0.25 s collar", "JER %",
          "speakers found / there")  # fmt: skip
COST = ("× real time (stage 1, stage 2)", "CPU s an hour of audio (stage 1, stage 2)")
COLUMNS = ("set", "system", *ERRORS, *COST)
Row = dict[str, str]


def main() -> None:
    """Print one table."""
    options = parse_arguments(make_parser(), sys.argv[1:])
    columns = [*COLUMNS, *(f"{peer}, published" for peer in PEERS)]
    print(f"| {' | '.join(columns)} |\n{'|---' * len(columns)}|", flush=True)
    with tempfile.TemporaryDirectory() as temporary:
        work = (options.work or Path(temporary)).resolve()
        for chosen in choose_sets(options):
            rows = [measure_ours(chosen, options, work)]
            if options.pyannote:
                rows.append(measure_pyannote(chosen, options, work))
            for row in rows:
                print(f"| {' | '.join(row.get(column, '–') for column in columns)} |", flush=True)


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared")
    parser.add_argument("--degraded", action="store_true", help="also telephone, room and broadcast versions")
    parser.add_argument(
        "--degrade_seeds", type=int, nargs="+", default=[1, 2], metavar="SEED", help="of degrade.py [1 2]"
    )
    parser.add_argument("--full", action="store_true", help="two more sets, that nothing was chosen on")
    parser.add_argument("--sets", nargs="+", metavar="NAME", help="these alone: names as above, or patterns")
    parser.add_argument(
        "--simulate",
        metavar="OPTIONS",
        help="one set by these options of simulate_conversations.py, in place of all others",
    )
    parser.add_argument("--pyannote", type=Path, metavar="PYTHON", help="an interpreter with pyannote.audio")
    parser.add_argument("--work", type=Path, help="keep audio, embeddings and results here")
    parser.add_argument("--keep_embeddings", action="store_true", help="use those that are in --work")
    add_stage_options(parser)
    return parser


def choose_sets(options: argparse.Namespace) -> list[LabelledSet]:
    """Sort clean sets first, then the degraded versions of each."""
    if options.simulate is not None:
        clean = known = [labelled_sets.own_set(options.simulate)]
    else:
        clean, known = [*CLEAN, *(HELD_OUT if options.full else ())], [*CLEAN, *HELD_OUT]
    if options.sets:
        degraded = labelled_sets.degraded_sets(known, options.degrade_seeds)
        return labelled_sets.choose([*known, *degraded], options.sets)
    if not options.degraded:
        return clean
    originals = [one for one in clean if one not in HELD_OUT]
    return [*clean, *labelled_sets.degraded_sets(originals, options.degrade_seeds)]


def measure_ours(chosen: LabelledSet, options: argparse.Namespace, work: Path) -> Row:
    """Run both stages on one set."""
    audio = labelled_sets.prepare(chosen, options.shared.resolve(), work)
    folder = work / chosen.name
    embeddings, result = folder / "embeddings", folder / "result"
    kept = options.keep_embeddings and embeddings.exists()
    if not kept:
        shutil.rmtree(embeddings, ignore_errors=True)
    stages = [extract(audio, embeddings, options.extract_options)]
    stages.append(detect(embeddings, result, ["--task", "turns", *options.options]))
    seconds = labelled_sets.durations(audio)
    published = zip(PEERS, chosen.peers, strict=True)
    return {
        "set": chosen.title,
        "system": "diar",
        **error_cells(audio, result, labelled_sets.write_uem(folder / "all.uem", seconds)),
        **cost_cells(stages, sum(seconds.values()), kept),
        **{f"{peer}, published": f"{der:.1f}" for peer, der in published if der is not None},
    }


def measure_pyannote(chosen: LabelledSet, options: argparse.Namespace, work: Path) -> Row:
    """Run pyannote's pipeline on one set, or read its earlier result."""
    shared, folder = options.shared.resolve(), work / chosen.name
    audio, result, took = labelled_sets.prepare(chosen, shared, work), folder / "pyannote", "took.json"
    seconds = labelled_sets.durations(audio)

    def run(out: Path) -> None:
        figures = run_peer(options.pyannote, shared / "bench" / "run_pyannote.py", audio, out)
        (out / took).write_text(json.dumps(figures))

    labelled_sets.make_once(result, run)
    speed = sum(seconds.values()) / json.loads((result / took).read_text())["pipeline"]
    errors = error_cells(audio, result, labelled_sets.write_uem(folder / "all.uem", seconds))
    return {"set": chosen.title, "system": "pyannote", **errors, COST[0]: f"{speed:.0f}"}


def error_cells(reference: Path, hypothesis: Path, uem: Path) -> Row:
    """Return the errors, pooled over the recordings, and how many speakers each has."""
    score: dict[str, Any] = score_der(reference, hypothesis, uem)
    pooled = score["pooled"]
    parts = [pooled[part] / pooled["speech"] for part in ("miss", "false_alarm", "confusion")]
    forgiving = score_der(reference, hypothesis, uem, collar=0.25)["pooled"]["der"]
    figures = [f"{100 * figure:.1f}" for figure in (pooled["der"], *parts, forgiving, pooled["jer"])]
    counts = [f"{one['hypothesis_speakers']}/{one['reference_speakers']}" for one in score["recordings"]]
    return dict(zip(ERRORS, [*figures, " ".join(counts)], strict=True))


def cost_cells(stages: list[Run], audio_seconds: float, kept: bool) -> Row:
    """Return × real time and CPU seconds of both stages; of stage 2 alone where embeddings existed."""
    speeds = [f"{audio_seconds / stage.seconds:.0f}" for stage in stages]
    work = [f"{3600 * stage.cpu_seconds / audio_seconds:.0f}" for stage in stages]
    if kept:
        return dict(zip(COST, (f"– (kept, {cells[1]})" for cells in (speeds, work)), strict=True))
    both = sum(stage.seconds for stage in stages), sum(stage.cpu_seconds for stage in stages)
    return {
        COST[0]: f"{audio_seconds / both[0]:.0f} ({', '.join(speeds)})",
        COST[1]: f"{3600 * both[1] / audio_seconds:.0f} ({', '.join(work)})",
    }


if __name__ == "__main__":
    main()
