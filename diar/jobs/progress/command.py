"""`diar status`."""

from __future__ import annotations

from collections.abc import Sequence

from diar.jobs.progress.config import StatusConfig
from diar.options.command import run_command

DESCRIPTION = "How far an extraction is: while it runs, after a crash or at its end."

EPILOG = """\
examples:
  diar status E
  diar status E --failures
  diar status E --warnings

exit codes: 0 finished; 1 not finished; 3 finished, some recordings failed."""


def main(arguments: Sequence[str], prog: str = "diar status") -> int:
    """Run `diar status` and return the exit code."""
    return run_command(_status, StatusConfig, arguments, prog=prog, description=DESCRIPTION, epilog=EPILOG)


def _status(config: StatusConfig) -> int:
    from diar.jobs.progress.status import print_status

    return print_status(config.output_dir, list_failures=config.failures, list_warnings=config.warnings)
