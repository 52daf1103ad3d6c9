"""Errors that a user can mend, how their messages name parameters, and the exit codes of all commands."""

from __future__ import annotations

import errno
import re
from collections.abc import Container

EXIT_OK, EXIT_UNFINISHED, EXIT_ERROR, EXIT_FAILURES = 0, 1, 2, 3
EXIT_INTERRUPTED = 75  # EX_TEMPFAIL of sysexits.h: try again later
EXIT_CODES = {
    EXIT_OK: "done",
    EXIT_UNFINISHED: "not finished: a worker died too often, or recordings are left (`status`, `detect`)",
    EXIT_ERROR: "an error that the message on stderr explains",
    EXIT_FAILURES: "done, but some recordings failed, or something is damaged (`diar verify`) or left (`diar "
    "purge`); all are listed with their reason",
    EXIT_INTERRUPTED: "stopped as asked, before the end; the same command goes on from there",
}

_PARAMETER = re.compile(r"`(\w+)(?:=([^`\n]+))?`")  # `name` or `name=value`


# What to do about errors of the operating system, by number
_REMEDIES = {
    errno.ENOSPC: "the disk is full; free some space, or write to another disk, and run it again",
    errno.EDQUOT: "your quota of disk space is used up; free some space or write to another disk",
    errno.EFBIG: "the file is larger than the disk or `ulimit -f` allows; write to another disk",
    errno.EACCES: "you may not read or write there; give another place, or change its permissions",
    errno.EPERM: "you may not do that there; give another place, or change its owner or permissions",
    errno.EROFS: "that disk can only be read; write to another place",
    errno.ENOTDIR: "a part of that path is a file, not a folder; check the path",
    errno.EISDIR: "that is a folder, a file is needed; check the path",
    errno.ENOENT: "there is no such file or folder; check the path",
    errno.EEXIST: "there is a file in the way; give another place",
    errno.EMFILE: "too many files are open; raise the limit (`ulimit -n 4096`), or take fewer workers",
    errno.ENFILE: "too many files are open on this machine; close other programs, or take fewer workers",
    errno.ENAMETOOLONG: "that name is too long for the disk; give a shorter one",
    errno.ENOMEM: "this machine's memory is used up; take fewer workers, or a machine with more",
    errno.EIO: "the disk or the network drive fails; look at the system's log (`dmesg`), then run it again",
    errno.ESTALE: "the network drive has lost the file; mount it again, then run the same command again",
}


class DiarError(Exception):
    """What happened, the value found, and what to do about it, in one message.

    A message names parameters in backticks, as in "use `place=copy`, or give another `output_dir`". In Python
    it reads like that; the command line shows "use --place copy, or give another --output_dir".
    """


class StoreUnavailable(DiarError):
    """A remote store gave no usable answer for as long as it is asked; that is no fault of one file."""


class NoConditions(DiarError):
    """A remote store cannot create a file only if there is none: it keeps nobody apart."""


def with_flags(message: str, options: Container[str]) -> str:
    """Return a message with its parameters as flags, those that are no options of the command unchanged."""

    def flag(found: re.Match[str]) -> str:
        name, value = found.groups()
        if name not in options:
            return found[0]
        return f"--{name}" if value is None else f"--{name} {value}"

    return _PARAMETER.sub(flag, message)


def explain(error: BaseException) -> str:
    """Return an error's message; of the operating system's also what it means and what to do.

    The operating system's own words follow in brackets, such as `[errno 28: No space left on device]`.
    """
    if not isinstance(error, OSError) or error.errno is None or error.strerror is None:
        return str(error) or type(error).__name__
    where = "" if error.filename is None else f"{error.filename}: "
    remedy = _REMEDIES.get(error.errno)
    if remedy is None:
        return f"{where}{error.strerror} [errno {error.errno}]"
    return f"{where}{remedy} [errno {error.errno}: {error.strerror}]"
