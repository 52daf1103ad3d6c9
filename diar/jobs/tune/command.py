"""`diar tune`: thresholds of stage 2 that suit an archive, and how sure that is."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial

from diar import storage
from diar.errors import EXIT_FAILURES, EXIT_INTERRUPTED, EXIT_OK, DiarError
from diar.jobs.detect.without_f2py import keep_f2py_out
from diar.jobs.left_out import tell_left_out
from diar.jobs.sweep.config import SweepConfig
from diar.jobs.tune.config import TuneConfig
from diar.options.command import run_command
from diar.options.places import check_writable

DESCRIPTION = """\
Find thresholds of `diar detect --task turns` that suit an archive of which some recordings have true turns. A
few values of a few options are tried. What the choice is worth is measured on recordings that it was not made
on (cross-validation), with the interval in which the gain lies. The settings are written as a file for
`diar detect --config`."""

EPILOG = """\
examples:
  {prog} --embeddings_dir E --reference RTTMS --output_dir T
  {prog} --embeddings_dir E --reference truth.rttm --output_dir T --tried onset=default,0.2 smoothing=0,200
  diar detect --embeddings_dir E --output_dir R --config T/tuned.yaml

T/tuned.yaml holds the settings, T/tuning.json all figures, T/trials/ what each trial came to (as `diar sweep`
writes it). Of settings that are as good within one standard error, the one nearest to the defaults is chosen.

exit codes: 0 done (see the warnings); 3 done, some recordings of the reference have no tracks (their speech
counts as missed); 75 stopped as asked, the same command goes on; 2 an error."""

PRESET_NAME, FIGURES_NAME, TRIALS_NAME = "tuned.yaml", "tuning.json", "trials"
_OF_SWEEP = ("embeddings_dir", "reference", "uem", "detect_config", "metric", "collar", "skip_overlap",
             "processes", "overwrite", "encryption_key", "share")  # fmt: skip


class TuneError(DiarError):
    """Nothing can be learned."""


def main(arguments: Sequence[str], prog: str = "diar tune") -> int:
    """Run the command and return its exit code."""
    return run_command(
        _tune, TuneConfig, arguments, prog=prog, description=DESCRIPTION, epilog=EPILOG.format(prog=prog)
    )


def _tune(config: TuneConfig) -> int:
    keep_f2py_out()
    check_writable("output_dir", str(config.output_dir))
    from diar.jobs.sweep.run import Sweep
    from diar.jobs.tune.report import TuneReport
    from diar.jobs.tune.validation import learn

    sweep = Sweep(_as_sweep(config))
    if remark := sweep.space.remark():
        print(remark, file=sys.stderr)
    try:
        swept = sweep.run()
    except KeyboardInterrupt:
        print("stopped before the end; the same command goes on from here", file=sys.stderr)
        return EXIT_INTERRUPTED
    chosen = partial(learn, metric=config.metric, folds=config.folds, confidence=config.confidence)
    try:
        learned = chosen(sweep.amounts, sweep.trials, seed=config.seed)
    except ValueError as error:
        raise TuneError(f"`reference={config.reference}`: {error}") from None
    failed = len(sweep.errors)
    report = TuneReport(learned, sweep.fixed, config.metric, len(swept.rows), config.confidence, failed)
    for name, data in ((FIGURES_NAME, report.json()), (PRESET_NAME, report.preset())):
        storage.write_bytes_atomic(storage.local_url(str(config.output_dir / name)), data)
    print(report.text())
    print(f"the settings: diar detect --config {config.output_dir / PRESET_NAME} …")
    for warning in report.warnings():
        print(f"warning: {warning}", file=sys.stderr)
    tell_left_out(sweep.errors, "{name}: {reason}; its speech counts as missed")
    return EXIT_FAILURES if failed else EXIT_OK


def _as_sweep(config: TuneConfig) -> SweepConfig:
    """Return the sweep that makes the trials."""
    given = {name: getattr(config, name) for name in _OF_SWEEP}
    return SweepConfig(**given, vary=config.tried, output_dir=config.output_dir / TRIALS_NAME)
