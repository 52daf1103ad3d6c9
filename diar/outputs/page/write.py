"""Writing `index.html` from what lies in an output directory: the last step of stage 2.

The page shows the results of both tasks where both are there. It is made of the files, not of the run's
memory; it can therefore be written again at any time.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TypeVar

import diar
from diar.formats.document import ResultError
from diar.formats.html.document import Page
from diar.formats.html.elements import Section
from diar.formats.html.tables import Names
from diar.outputs.managed_directory import Entry, OutputDirectory
from diar.outputs.page.boundaries_part import BoundariesPart, read_boundaries
from diar.outputs.page.look import look_section
from diar.outputs.page.other_files import files_section
from diar.outputs.page.turns_part import TurnsPart, read_turns

PartT = TypeVar("PartT")

PAGE_NAME = "index.html"
LIST_NAME = "_detection/written_page.csv"
WARNINGS_NAME = "_detection/warnings.json"


def write_page(
    output_dir: str, warnings: Iterable[str] | None = (), called: Mapping[str, str] | None = None
) -> Path:
    """Write the page of the results in `output_dir`; return its path.

    Args:
        output_dir: of stage 2, local.
        warnings: of the run, about the whole archive; None = those of the page that is there.
        called: new names of people, by those that the turns have.

    Raises:
        OutputError: there is an `index.html` that this program did not write.
        OSError: the folder cannot be written to.
    """
    output = OutputDirectory(output_dir, LIST_NAME)
    told = _earlier_warnings(output.root) if warnings is None else list(warnings)
    output.replace([Entry("file", PAGE_NAME), Entry("file", WARNINGS_NAME)])
    output.write(PAGE_NAME, result_page(output.root, told, called or {}).render())
    output.write(WARNINGS_NAME, json.dumps(told).encode())
    return output.root / PAGE_NAME


def _earlier_warnings(root: Path) -> list[str]:
    """Return the warnings of the last run of stage 2, which no other file holds."""
    path = root / WARNINGS_NAME
    return json.loads(path.read_text()) if path.exists() else []


def result_page(root: Path, warnings: Iterable[str], called: Mapping[str, str]) -> Page:
    """Return the page of the results in `root`."""
    names = Names()
    warnings = list(warnings)
    turns = _readable(read_turns, root, names, warnings)
    boundaries = _readable(read_boundaries, root, names, warnings)
    parts: list[TurnsPart | BoundariesPart] = [part for part in (turns, boundaries) if part is not None]
    told = dict.fromkeys([*warnings, *(text for part in parts for text in part.warnings)])
    look, look_tables = look_section(turns, boundaries, list(told))
    settings = Section("settings", "Settings", "".join(part.settings_html() for part in parts))
    colors = {name: color for part in parts for name, color in part.colors().items()}
    middle = [section for part in parts for section in part.sections()]
    return Page(
        title=f"Who spoke: {root.resolve().name}",
        program=f"diar {diar.__version__}",
        head="".join(part.head() for part in parts),
        sections=[look, *middle, settings, files_section(root)],
        tables=[*look_tables, *(table for part in parts for table in part.tables())],
        names=[called.get(name, name) for name in names.all],
        colors=[colors[name] for name in names.all],
        listen=None if turns is None else turns.listen(called),
    )


def _readable(
    read: Callable[[Path, Names], PartT | None], root: Path, names: Names, warnings: list[str]
) -> PartT | None:
    """Read a part; one that an earlier run left, and that cannot be read, becomes a warning."""
    try:
        return read(root, names)
    except ResultError as error:
        warnings.append(f"not shown here: {error}")
        return None
