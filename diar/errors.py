"""Errors that a user can act on, and how commands report them."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any

EXIT_ERROR = 2


class DiarError(Exception):
    """What happened, the value found, and what to do about it, in one message."""


def report_errors(command: Callable[..., int]) -> Callable[..., int]:
    """Turn errors that a user can mend into one message on stderr and exit code 2."""

    @functools.wraps(command)
    def guarded(*arguments: Any, **options: Any) -> int:
        try:
            return command(*arguments, **options)
        except DiarError as error:
            print(f"error: {error}", file=sys.stderr)
        except BrokenPipeError:
            raise  # whoever read our output has gone; `diar.cli.main` ends quietly
        except OSError as error:
            where = f": {error.filename}" if error.filename else ""
            print(f"error: {error.strerror or error}{where}", file=sys.stderr)
        return EXIT_ERROR

    return guarded
