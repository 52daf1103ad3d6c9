"""`diar sweep`: which options of stage 2 suit recordings whose turns are known."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from diar.connectors.mlflow.tracking import Child, Tracking, run_tracked
from diar.errors import EXIT_FAILURES, EXIT_INTERRUPTED, EXIT_OK
from diar.jobs.detect.without_f2py import keep_f2py_out
from diar.jobs.left_out import tell_left_out
from diar.jobs.sweep.config import SweepConfig
from diar.jobs.tracked.ranks import tell_on_stderr
from diar.options.command import run_command
from diar.options.places import check_writable

if TYPE_CHECKING:
    from diar.jobs.sweep.report import Report, Row

DESCRIPTION = """\
Many settings of `diar detect --task turns` against true turns: which has the lowest DER (or JER)? Stage 1's
output is read once a recording, all cores work, and the same command goes on after an interruption. The best
settings are written as a file for `diar detect --config`."""

EPILOG = """\
examples:
  {prog} --embeddings_dir E --reference truth.rttm --output_dir S
  {prog} --embeddings_dir E --reference RTTMS --output_dir S --vary onset=0.2:0.6:0.05 smoothing=0,100,200
  {prog} --embeddings_dir E --reference RTTMS --output_dir S --search random --trials 200 \\
        --vary onset=0.2:0.6 offset=0.2:0.6 overlap=1.05:1.5
  {prog} --embeddings_dir E --reference RTTMS --output_dir S --mlflow http://127.0.0.1:5000
  diar detect --embeddings_dir E2 --output_dir R2 --config S/best.yaml

Settings that were chosen on some recordings look better on these than they are: score the best on others.

exit codes: 0 done; 3 done, some recordings of the reference have no tracks (their speech counts as missed);
75 stopped as asked, the same command goes on; 2 an error."""

_CHILD_SECONDS = 600.0  # at the end, to tell a tracking server of all trials, as long as it answers


def main(arguments: Sequence[str], prog: str = "diar sweep") -> int:
    """Run the command and return its exit code."""
    epilog = EPILOG.format(prog=prog)
    return run_command(_sweep, SweepConfig, arguments, prog=prog, description=DESCRIPTION, epilog=epilog)


def _sweep(config: SweepConfig) -> int:
    keep_f2py_out()
    check_writable("output_dir", str(config.output_dir))
    return run_tracked(config, "sweep", partial(_work, config), tell_on_stderr)


def _work(config: SweepConfig, tracking: Tracking) -> int:
    from diar.jobs.sweep.run import Sweep

    sweep = Sweep(config)
    if remark := sweep.space.remark():
        print(remark, file=sys.stderr)
    try:
        report = sweep.run()
    except KeyboardInterrupt:
        print("stopped before the end; the same command goes on from here", file=sys.stderr)
        return EXIT_INTERRUPTED
    print(report.text())
    for remark in report.remarks():
        print(f"note: {remark}")
    print(f"the best settings: diar detect --config {config.output_dir / 'best.yaml'} …")
    tell_left_out(sweep.errors, "{name}: {reason}; its speech counts as missed")
    _track(tracking, report, config)
    return EXIT_FAILURES if sweep.errors else EXIT_OK


def _track(tracking: Tracking, report: Report, config: SweepConfig) -> None:
    """Tell the best trial as the run's own, and every trial as a run within it."""
    best = report.best
    tracking.parameters({f"best.{name}": value for name, value in best.trial.given.items()})
    tracking.figures({**_figures(best), "trials": float(len(report.rows)), **_named("default", report.plain)})
    files = ("sweep.csv", "best.yaml")
    tracking.artifacts((name, config.output_dir / name) for name in files)
    tracking.children(
        (
            Child(str(row.trial), {k: str(v) for k, v in row.trial.given.items()}, _figures(row))
            for row in report.rows
        ),
        _CHILD_SECONDS,
    )


def _figures(row: Row) -> dict[str, float]:
    return {name: rate for name, rate in row.rates().items() if rate is not None}


def _named(prefix: str, row: Row) -> dict[str, float]:
    return {f"{prefix}.{name}": rate for name, rate in _figures(row).items()}
