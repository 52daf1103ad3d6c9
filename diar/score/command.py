"""`diar score …`: options and printing."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from diar.errors import report_errors


@report_errors
def main(arguments: Sequence[str]) -> int:
    """Run one kind of scoring and return the exit code."""
    parser = argparse.ArgumentParser(prog="diar score", description="Measure a result against a truth.")
    kinds = parser.add_subparsers(dest="kind", required=True, metavar="KIND")
    _add_boundaries(kinds)
    _add_der(kinds)
    options = parser.parse_args(list(arguments))
    return _boundaries(options) if options.kind == "boundaries" else _der(options)


def _add_boundaries(kinds: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = kinds.add_parser(
        "boundaries",
        help="boundaries between files: precision, recall, F1, odd files, purity",
        description="Precision, recall and F1 of boundaries (tolerances 0, 1, 5 files) and of odd files, "
        "and how pure the speakers are.",
    )
    parser.add_argument(
        "--truth", required=True, type=Path, metavar="CSV", help="with columns path,speaker[,block,odd]"
    )
    parser.add_argument(
        "--result", required=True, type=Path, metavar="JSON", help="speaker_boundary_detection_result.json"
    )
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")


def _add_der(kinds: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = kinds.add_parser(
        "der",
        help="who spoke when: DER, JER, speaker count, overlap",
        description="Diarization error rate (miss, false alarm, confusion), Jaccard error rate, number of "
        "speakers, and precision and recall of overlapped speech, of each recording and of all together.",
    )
    for side in ("reference", "hypothesis"):
        parser.add_argument(
            f"--{side}", required=True, type=Path, metavar="RTTM", help=".rttm file, or a folder of them"
        )
    parser.add_argument(
        "--uem", type=Path, metavar="FILE", help="what to score of which recordings [all of each]"
    )
    parser.add_argument(
        "--collar",
        type=float,
        default=0.0,
        metavar="SECONDS",
        help="forgiven on EACH side of a reference boundary, as md-eval counts it [0]",
    )
    parser.add_argument(
        "--skip_overlap", action="store_true", help="leave out where reference speakers overlap"
    )
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument(
        "--report", type=Path, metavar="DIR", help="write a page with pictures of the worst recordings there"
    )


def _boundaries(options: argparse.Namespace) -> int:
    from diar.score.boundary_score import score_boundaries

    score = score_boundaries(options.truth, options.result)
    print(score.to_json() if options.json else score.to_text())
    return 0


def _der(options: argparse.Namespace) -> int:
    from diar.formats.rttm import read_turns, read_uem
    from diar.score.der import ScoreOptions, score_turns
    from diar.score.report import to_json, to_text, write_report

    chosen = ScoreOptions(options.collar, options.skip_overlap, str(options.uem) if options.uem else None)
    uem = read_uem(options.uem) if options.uem else None
    score = score_turns(read_turns(options.reference), read_turns(options.hypothesis), chosen, uem)
    for warning in score.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    print(to_json(score) if options.json else to_text(score))
    if options.report:
        page = write_report(score, options.report, str(options.reference), str(options.hypothesis))
        print(f"report: {page}", file=sys.stderr)
    return 0
