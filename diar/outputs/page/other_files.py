"""Links to the files of an output directory that hold what the page shows."""

from __future__ import annotations

from html import escape
from pathlib import Path

from diar.formats.boundaries_table import BOUNDARIES_NAME
from diar.formats.files_table import FILES_NAME
from diar.formats.html.elements import Section, link
from diar.formats.result_json import RESULT_NAME
from diar.formats.rttm import ALL_NAME
from diar.outputs.speakers_table import SPEAKERS_CSV, SPEAKERS_NAME
from diar.outputs.turns import ALL_EXCLUSIVE_NAME, RECORDINGS_NAME, REFERENCE_NAME

_FILES = {
    ALL_NAME: "the turns of all recordings",
    ALL_EXCLUSIVE_NAME: "the same without overlap",
    REFERENCE_NAME: "the true turns that the archive's list names",
    RECORDINGS_NAME: "every recording, its status and its amounts",
    SPEAKERS_CSV: "the people, for readers",
    SPEAKERS_NAME: "the people, with an embedding each, for programs",
    FILES_NAME: "every file, its segment and its speaker",
    BOUNDARIES_NAME: "the boundaries, with the files on both sides",
    RESULT_NAME: "segments, boundaries and speakers of the files, for programs",
}


def files_section(root: Path) -> Section:
    """Return links to those files that are there."""
    there = [(name, what) for name, what in _FILES.items() if (root / name).exists()]
    sheets = sorted(path.name for path in root.glob("timelines_*.png"))
    there += [(name, "timelines of short recordings") for name in sheets]
    items = "".join(f"<li>{link(name)}: {escape(what)}</li>" for name, what in there)
    return Section("files-of-the-result", "Files of this result", f"<ul>{items}</ul>")
