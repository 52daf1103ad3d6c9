"""Errors that a user can mend, how their messages name parameters, and the exit codes of all commands."""

from __future__ import annotations

import re
from collections.abc import Container

EXIT_OK, EXIT_UNFINISHED, EXIT_ERROR, EXIT_FAILURES = 0, 1, 2, 3
EXIT_CODES = {
    EXIT_OK: "done",
    EXIT_UNFINISHED: "not finished: a worker died too often, or (`diar status`) recordings are left",
    EXIT_ERROR: "an error that the message on stderr explains",
    EXIT_FAILURES: "done, but some recordings failed; they are listed with their reason",
}

_PARAMETER = re.compile(r"`(\w+)(?:=([^`\n]+))?`")  # `name` or `name=value`


class DiarError(Exception):
    """What happened, the value found, and what to do about it, in one message.

    A message names parameters in backticks, as in "use `place=copy`, or give another `output_dir`". In Python
    it reads like that; the command line shows "use --place copy, or give another --output_dir".
    """


def with_flags(message: str, options: Container[str]) -> str:
    """Return a message with its parameters as flags, those that are no options of the command unchanged."""

    def flag(found: re.Match[str]) -> str:
        name, value = found.groups()
        if name not in options:
            return found[0]
        return f"--{name}" if value is None else f"--{name} {value}"

    return _PARAMETER.sub(flag, message)
