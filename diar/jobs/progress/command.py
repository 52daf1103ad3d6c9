"""`diar status`."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

from diar.jobs.progress.config import StatusConfig
from diar.options.command import run_command

_WATCH_SECONDS = 5.0
_CLEAR = "\033[2J\033[H"  # an empty screen, from its top

DESCRIPTION = "How far an extraction, and its words, are: while they run, after a crash or at their end."

EPILOG = """\
examples:
  diar status E
  diar status E --failures
  diar status E --warnings
  diar status E --watch
  diar status E --report report.html
  diar status E --words --failures

exit codes: 0 finished; 1 not finished; 3 finished, some recordings failed."""


def main(arguments: Sequence[str], prog: str = "diar status") -> int:
    """Run `diar status` and return the exit code."""
    return run_command(_status, StatusConfig, arguments, prog=prog, description=DESCRIPTION, epilog=EPILOG)


def _status(config: StatusConfig) -> int:
    if not config.watch:
        return _tell(config)
    from diar.jobs.progress.running import is_at_work

    try:
        while is_at_work(config.output_dir):
            if sys.stdout.isatty():
                print(_CLEAR, end="")
            _tell(config)
            sys.stdout.flush()
            time.sleep(_WATCH_SECONDS)
    except KeyboardInterrupt:
        print()
    return _tell(config)


def _tell(config: StatusConfig) -> int:
    from diar.jobs.progress.status import print_status, print_status_of_words

    if config.report is not None:
        from diar.jobs.progress.report.page import write_report

        write_report(config.output_dir, config.report)
    if config.words:
        return print_status_of_words(config.output_dir, list_failures=config.failures)
    return print_status(config.output_dir, list_failures=config.failures, list_warnings=config.warnings)
