"""What a command prints on a terminal or into a pipe: of any encoding, and nothing that a terminal obeys.

Names of files and errors of decoders are written by others. In them, control characters are shown as escapes:
`\\x1b]0;` would rename the window, `\\r` write over what stands before it, U+202E turn it around.
"""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO, cast

# All but the line feed and the tabulator; C1, line and paragraph separators, and what changes the direction
_OBEYED = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


def print_all_characters(stream: TextIO) -> None:
    """Make a stream print characters that its encoding lacks as escapes, such as `\\xd7`, and not fail.

    Names of files that are not UTF-8 are printed in this way, too.
    """
    if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
        stream.reconfigure(errors="backslashreplace")


def shown(text: str) -> str:
    """Return `text` with the control characters that a terminal obeys as escapes, such as `\\x1b`."""
    return _OBEYED.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


def in_one_line(text: str) -> str:
    """Return what is `shown` of a name or reason in one line and one column, without `\\n` and `\\t`."""
    return shown(text).replace("\n", "\\n").replace("\t", "\\t")


class _Shown:
    """A stream that writes what is `shown` of a text."""

    def __init__(self, stream: TextIO) -> None:
        self.as_written = stream

    def write(self, text: str) -> int:
        self.as_written.write(shown(text))
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.as_written, name)


def progress_stream() -> TextIO:
    """Return where progress bars go: stderr, as they write."""
    return as_written(sys.stderr)


def as_written(stream: TextIO) -> TextIO:
    """Return the stream behind one that escapes, for progress bars, which write over themselves."""
    return stream.as_written if isinstance(stream, _Shown) else stream


@contextmanager
def escaped_output() -> Iterator[None]:
    """Within the block, escape what is printed on stdout and stderr."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (
        cast(TextIO, stream if isinstance(stream, _Shown) else _Shown(stream)) for stream in before
    )
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before
