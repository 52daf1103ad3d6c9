"""What a command prints on a terminal or into a pipe of any encoding."""

from __future__ import annotations

import io
from typing import TextIO


def print_all_characters(stream: TextIO) -> None:
    """Make a stream print characters that its encoding lacks as escapes, such as `\\xd7`, and not fail.

    Names of files that are not UTF-8 are printed in this way, too.
    """
    if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
        stream.reconfigure(errors="backslashreplace")
