"""`diar score boundaries` and `diar score der`."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from functools import partial

from diar.connectors.mlflow.files import result_files
from diar.connectors.mlflow.tracking import Tracking, run_tracked
from diar.errors import EXIT_OK
from diar.options.command import run_command
from diar.options.places import check_writable, folder_of
from diar.options.tracking import TrackedConfig
from diar.score.config import ScoreBoundariesConfig, ScoreDerConfig

BOUNDARIES_DESCRIPTION = """\
A stage 2 result against a truth: precision, recall and F1 of boundaries between files (tolerances 0, 1,
5 files) and of odd files, and how pure the speakers are."""

BOUNDARIES_EPILOG = """\
The truth has a line for each file, in archive order. `block` is optional: a new value starts a block, also
where the speaker stays. So is `odd`: 1 marks a file of another voice inside a block.

examples:
  diar score boundaries OUT/truth.csv R/speaker_boundary_detection_result.json
  diar score boundaries --truth truth.csv --result result.json --json"""

DER_DESCRIPTION = """\
Who spoke when against a reference: diarization error rate (miss, false alarm, confusion), Jaccard error
rate, number of speakers, and precision and recall of overlapped speech, of each recording and of all
together."""

DER_EPILOG = """\
Recordings are matched by name. One without hypothesis counts as missed; one without reference is not scored.

examples:
  diar score der OUT/truth.rttm R
  diar score der --reference truth.rttm --hypothesis R --collar 0.25 --skip_overlap
  diar score der truth.rttm R --uem all.uem --report page"""


def boundaries(arguments: Sequence[str], prog: str = "diar score boundaries") -> int:
    """Run `diar score boundaries` and return the exit code."""
    return run_command(
        lambda config: _tracked(config, "score boundaries", partial(_score_boundaries, config)),
        ScoreBoundariesConfig,
        arguments,
        prog=prog,
        description=BOUNDARIES_DESCRIPTION,
        epilog=BOUNDARIES_EPILOG,
    )


def der(arguments: Sequence[str], prog: str = "diar score der") -> int:
    """Run `diar score der` and return the exit code."""
    return run_command(
        lambda config: _tracked(config, "score der", partial(_score_der, config)),
        ScoreDerConfig,
        arguments,
        prog=prog,
        description=DER_DESCRIPTION,
        epilog=DER_EPILOG,
    )


def _tracked(config: TrackedConfig, command: str, work: Callable[[Tracking], int]) -> int:
    return run_tracked(config, command, work, lambda text: print(text, file=sys.stderr, flush=True))


def _score_boundaries(config: ScoreBoundariesConfig, tracking: Tracking) -> int:
    from diar.score.boundary_score import score_boundaries
    from diar.score.tracked import numbers

    score = score_boundaries(config.truth, config.result)
    print(score.to_json() if config.as_json else score.to_text())
    tracking.figures(numbers(json.loads(score.to_json())))
    tracking.artifacts([("boundaries_score.json", score.to_json().encode())])
    return EXIT_OK


def _score_der(config: ScoreDerConfig, tracking: Tracking) -> int:
    from diar.formats.rttm import read_turns, read_uem
    from diar.score.der import ScoreOptions, score_turns
    from diar.score.report import check_report, to_json, to_text, write_report
    from diar.score.report_page import JSON_NAME, PAGE_NAME
    from diar.score.tracked import REPORT_FILES, der_figures

    check_writable("report", str(config.report or ""))
    check_report(config.report, PAGE_NAME, JSON_NAME)
    check_writable("metrics_file", folder_of(config.metrics_file))
    options = ScoreOptions(config.collar, config.skip_overlap, str(config.uem) if config.uem else None)
    uem = read_uem(config.uem) if config.uem else None
    score = score_turns(read_turns(config.reference), read_turns(config.hypothesis), options, uem)
    for warning in score.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    print(to_json(score) if config.as_json else to_text(score))
    tracking.figures(der_figures(score.pooled))
    if config.report is None:
        tracking.artifacts([("der.json", to_json(score).encode("utf-8", "surrogateescape"))])
    else:
        page = write_report(score, config.report, str(config.reference), str(config.hypothesis))
        print(f"report, to be opened in a browser: {page}", file=sys.stderr)
        tracking.artifacts(result_files(config.report, REPORT_FILES))
    if config.metrics_file:
        from diar.score.metrics import write_metrics

        write_metrics(score, config.metrics_file, config.metrics_set or config.reference.stem)
    return EXIT_OK
