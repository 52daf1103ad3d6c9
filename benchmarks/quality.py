"""How well the estimate of the error rate goes with the true one: one command, one Markdown table.

    python benchmarks/quality.py --shared ../shared --work WORK
    python benchmarks/quality.py --shared ../shared --work WORK --sets default 'default-*-1' AMI
    python benchmarks/quality.py --work WORK --sets --simulate " --seed 9 --set 2:110" --noise 20 0 --fit

The real commands diarize each set (benchmarks/labelled_sets.py names them), `diar score der` scores each
recording (collar 0, with overlap). Spearman's rank correlation of `estimated_der` in turns.json with the true
DER, over the recordings of a set and over all of them; mean estimate, mean DER, mean distance of both, in
points of %; and the share of all errors (seconds) in the quarter of recordings with the highest estimates,
where one would look first. --fit prints what weights of the signs suit these recordings best (non-negative
least squares of the relative error), as `diar/detect/quality.py` has them.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import labelled_sets
import numpy as np
from labelled_sets import CLEAN, HELD_OUT
from running import ROOT, detect, extract
from scipy.optimize import nnls
from scipy.stats import spearmanr

from diar.formats.rttm import read_rttm
from diar.formats.turns_json import RecordingTurns, read_recording_turns
from diar.score.recording import score_recording

COLUMNS = (
    "set",
    "recordings",
    "Spearman",
    "estimate, mean",
    "DER, mean",
    "distance, mean",
    "errors in the first quarter",
)
SIGNS = ("misheard", "unsure", "noisy", "unstable")
DEFAULT_SETS = ("AMI", "default", "default-*-1", "seed31-*-1", "seed31")


@dataclass(frozen=True)
class Judged:
    """One recording."""

    estimate: float
    der: float
    errors: float  # seconds
    signs: tuple[float, ...]


def main() -> None:
    """Print one table."""
    options = make_parser().parse_args(sys.argv[1:])
    print(f"| {' | '.join(COLUMNS)} |\n{'|---' * len(COLUMNS)}|", flush=True)
    everything: list[Judged] = []
    with tempfile.TemporaryDirectory() as temporary:
        work = (options.work or Path(temporary)).resolve()
        sets = [*CLEAN, *HELD_OUT, *labelled_sets.degraded_sets([*CLEAN, *HELD_OUT], (1, 2))]
        own = [labelled_sets.own_set(given) for given in options.simulate]
        degraded = [*labelled_sets.degraded_sets(own, (1,)), *labelled_sets.noisy_sets(own, options.noise)]
        for chosen in [*labelled_sets.choose(sets, options.sets), *own, *degraded]:
            audio = labelled_sets.prepare(chosen, options.shared.resolve(), work)
            judged = judge(audio, work / "quality" / chosen.name)
            everything += judged
            print(row(chosen.title, judged), flush=True)
    print(row("all", everything))
    if options.fit:
        print(fitted(everything))


def fitted(judged: Sequence[Judged]) -> str:
    """Return the weights that suit best, and the rank correlation that they would have here."""
    signs = np.array([(*one.signs, 1.0) for one in judged])
    der = np.array([one.der for one in judged])
    weights, _ = nnls(signs / der[:, None], np.ones(len(der)))
    told = ", ".join(f"{name} {weight:.2f}" for name, weight in zip((*SIGNS, "always"), weights, strict=True))
    ranks = [float(spearmanr(column, der).statistic) for column in (signs @ weights, *signs.T[:-1])]
    single = ", ".join(f"{name} {rank:.2f}" for name, rank in zip(SIGNS, ranks[1:], strict=True))
    return f"\nfitted: {told}; Spearman {ranks[0]:.2f}, by one sign: {single}"


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared")
    parser.add_argument("--work", type=Path, help="keep audio and embeddings here")
    parser.add_argument("--sets", nargs="*", default=list(DEFAULT_SETS), metavar="NAME")
    parser.add_argument(
        "--simulate", nargs="+", default=[], metavar="OPTIONS", help="sets of one's own, also degraded"
    )
    parser.add_argument(
        "--noise", nargs="+", type=int, default=[], metavar="DB", help="one's own sets in noise, too"
    )
    parser.add_argument("--fit", action="store_true", help="print the weights that suit best")
    return parser


def judge(audio: Path, work: Path) -> list[Judged]:
    """Diarize a folder; return each recording's estimate and error."""
    extract(audio, work / "E")
    detect(work / "E", work / "R", ("--task", "turns", "--no_plot", "--no_labels", "--no_link"))
    found = [read_recording_turns(file) for file in sorted((work / "R").glob("recordings/**/turns.json"))]
    return [of_recording(one, audio) for one in found if one.quality is not None]


def of_recording(found: RecordingTurns, audio: Path) -> Judged:
    """Return a recording's estimate and error."""
    (reference,) = read_rttm((audio / found.recording_id).with_suffix(".rttm")).values()
    uem = [(0.0, found.duration)]
    amounts = score_recording(found.recording_id, reference, found.turns, uem=uem).amounts
    assert found.quality is not None and amounts.der is not None
    signs = tuple(float(getattr(found.quality, name)) for name in SIGNS)
    return Judged(found.quality.estimated_der, amounts.der, amounts.errors, signs)


def row(title: str, judged: Sequence[Judged]) -> str:
    """Return a line of the table."""
    estimate, der = (np.array([getattr(one, name) for one in judged]) for name in ("estimate", "der"))
    errors = np.array([one.errors for one in judged])
    first = np.argsort(-estimate)[: max(1, len(judged) // 4)]
    cells = [
        title,
        f"{len(judged)}",
        f"{spearmanr(estimate, der).statistic:.2f}" if len(judged) > 2 else "–",
        f"{100 * estimate.mean():.1f}",
        f"{100 * der.mean():.1f}",
        f"{100 * np.abs(estimate - der).mean():.1f}",
        f"{errors[first].sum() / errors.sum():.0%}",
    ]
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
