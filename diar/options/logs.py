"""What commands tell on stderr as JSON, one object a line, for collectors of logs (`--log_format json`)."""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from typing import Any, TextIO, cast

from diar.options.watching import LogFormat

_INHERITED = "_DIAR_LOGS_JSON_OF"  # variable for processes that the command starts
_LEVELS = {"error:": "error", "warning:": "warning"}  # by the first word of a printed line


def log_line(level: str, message: str, **facts: Any) -> str:
    """Return one line of JSON; `facts` that are None are left out."""
    entry = {
        "time": datetime.now(timezone.utc).isoformat(timespec="milliseconds"),
        "level": level,
        "message": message,
        "pid": os.getpid(),
        **facts,
    }
    rank = os.environ.get("RANK")  # of torch's processes
    if rank is not None:
        entry["rank"] = int(rank)
    return json.dumps({key: value for key, value in entry.items() if value is not None}, default=str)


class JsonFormatter(logging.Formatter):
    """Formats a record of `logging`, with the facts that its call gave."""

    def __init__(self, command: str) -> None:
        super().__init__()
        self._command = command

    def format(self, record: logging.LogRecord) -> str:
        """Return one line of JSON."""
        facts = getattr(record, "facts", {})  # `extra={"facts": {"recording": …}}` of the call
        failed = self.formatException(record.exc_info) if record.exc_info else None
        level = record.levelname.lower()
        return log_line(
            level, record.getMessage(), command=self._command, logger=record.name, exception=failed, **facts
        )


class JsonLines:
    """A stream on which each line that is printed becomes an object; lines of JSON go through as they are."""

    def __init__(self, stream: TextIO, command: str) -> None:
        self._stream, self._command = stream, command
        self._begun = ""
        self._lock = threading.Lock()

    def write(self, text: str) -> int:
        """Take text; whole lines are written at once."""
        with self._lock:
            *lines, self._begun = (self._begun + text).split("\n")
            for line in lines:
                if line.strip():
                    self._stream.write(f"{self._as_json(line)}\n")
        return len(text)

    def flush(self) -> None:
        """Write what is written; a line that has begun waits for its end."""
        self._stream.flush()

    def isatty(self) -> bool:
        """Say no: nobody draws bars into a log."""
        return False

    def finish(self) -> None:
        """Write a last line that has no end."""
        if self._begun.strip():
            self.write("\n")

    def _as_json(self, line: str) -> str:
        if line.startswith("{") and _is_object(line):
            return line
        first, _, rest = line.partition(" ")
        level = _LEVELS.get(first)
        return log_line(level or "info", rest if level else line, command=self._command)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _is_object(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


@contextmanager
def logged_as(log_format: LogFormat, command: str) -> Iterator[None]:
    """Within the block, write what is printed on stderr and what is logged as asked.

    Args:
        log_format: `text` leaves everything as it is.
        command: that tells it, such as `diar extract`.
    """
    if log_format == "text" or as_json():  # a rank of torchrun is its command, too
        yield
        return
    before, root = sys.stderr, logging.getLogger()
    lines, handler = _begin(command)
    os.environ[_INHERITED] = command
    try:
        yield
    finally:
        del os.environ[_INHERITED]
        root.removeHandler(handler)
        lines.finish()
        sys.stderr = before


def log_as_parent() -> None:
    """In a process that a command has started: write as that does, to the end."""
    command = os.environ.get(_INHERITED)
    if command is not None and not as_json():
        _begin(command)
        logging.getLogger().setLevel(logging.INFO)


def _begin(command: str) -> tuple[JsonLines, logging.Handler]:
    lines = JsonLines(sys.stderr, command)
    sys.stderr = cast(TextIO, lines)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter(command))
    logging.getLogger().addHandler(handler)
    return lines, handler


def as_json() -> bool:
    """Return whether stderr gets JSON."""
    return isinstance(sys.stderr, JsonLines)


def log_from(level: int) -> None:
    """Log records of `level` and above on stderr: as asked by `logged_as`, else the message alone."""
    if as_json():
        logging.getLogger().setLevel(level)
    else:
        logging.basicConfig(level=level, format="%(message)s")
