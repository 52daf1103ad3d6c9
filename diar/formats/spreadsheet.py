"""Cells of CSV that a spreadsheet shows as they are.

A cell that begins with `=`, `+`, `-`, `@`, a tabulator or a carriage return is a formula to spreadsheets,
also in quotes: a file may be called `=HYPERLINK(…)`. An apostrophe before it makes it text
(OWASP, "CSV Injection"). Our own readers take it away again.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from typing import TextIO

_FORMULA = re.compile(r"'*[=+\-@\t\r]")
_QUOTED = re.compile(r"'+[=+\-@\t\r]")
_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")


def cell(value: object) -> object:
    """Return a value as a cell that is no formula; numbers, also as text, stay as they are."""
    if isinstance(value, str) and _FORMULA.match(value) and not _NUMBER.fullmatch(value):
        return f"'{value}"
    return value


def cells(values: Iterable[object]) -> list[object]:
    """Return a row of cells."""
    return [cell(value) for value in values]


def plain(text: str) -> str:
    """Return what `cell` was given."""
    return text[1:] if _QUOTED.match(text) else text


def rows(file: TextIO) -> Iterator[dict[str, str]]:
    """Yield the rows of a table by column, as they were before `cell`.

    Raises:
        csv.Error: it is no CSV.
    """
    for row in csv.DictReader(file):
        yield {name: plain(value) if isinstance(value, str) else value for name, value in row.items()}
