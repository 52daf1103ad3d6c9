"""Removing recordings from an output of stage 2. Every step may be done twice; the table comes last.

Only what diar wrote is removed. A file that somebody else put into a recording's folder stays, and the search
for what is left names it.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Collection
from pathlib import Path, PurePosixPath

from diar import storage
from diar.custody.places import LISTS
from diar.custody.removal.manifests import purge_manifests
from diar.custody.removal.people import purge_people
from diar.custody.removal.segments import purge_segments
from diar.custody.removal.targets import read_csv
from diar.custody.removal.text import Mentions, keep_lines
from diar.formats.html.words_text import WORDS_SCRIPT
from diar.formats.rttm import ALL_NAME
from diar.formats.words.table import FORMATS
from diar.outputs.boundaries import DEBUG_NAME, PLOT_NAME
from diar.outputs.managed_directory import WRITTEN_NAME, OutputDirectory
from diar.outputs.page.write import PAGE_NAME, WARNINGS_NAME, write_page
from diar.outputs.turns import ALL_EXCLUSIVE_NAME, RECORDINGS_NAME, REFERENCE_NAME, recording_folder
from diar.outputs.turns import LIST_NAME as TURNS_LIST

_WORDS_FILES = (WORDS_SCRIPT, *(one.file_name for one in FORMATS.values()))
_SHEETS = "timelines_*.png"  # on which the recordings are named that have no picture of their own
_RTTM = (ALL_NAME, ALL_EXCLUSIVE_NAME, REFERENCE_NAME)


def purge_result(root: str, ids: Collection[str], paths: Collection[str], people: Collection[str]) -> None:
    """Remove recordings from everything below `root`.

    Args:
        root: output of stage 2.
        ids: of the recordings.
        paths: of their audio, to which links may point.
        people: names whose row of the table of people goes, too.

    Raises:
        DiarError: a table is damaged.
        OSError: a file cannot be written.
    """
    local, mentions, going = Path(root), Mentions(ids, paths), set(ids)
    rows = list(read_csv(local / RECORDINGS_NAME))
    stay = {row["recording_id"] for row in rows} - going
    rows = [row for row in rows if row["recording_id"] in going]
    _remove_folders(local, ids)
    _remove_placed(local, ids, paths)
    _remove_pictures(local)
    called = {row["rttm_id"].encode(errors="surrogateescape") for row in rows}
    for name in _RTTM:
        keep_lines(
            local / name, lambda line: line.split(maxsplit=2)[1:2] == [] or line.split()[1] not in called
        )
    purge_manifests(local, going, stay, set(paths))
    purge_people(local, going, set(people))
    purge_segments(local, going, mentions)
    _purge_warnings(local, mentions)
    _purge_table(local, going)
    if (local / PAGE_NAME).exists() and (local / LISTS[-1]).exists():
        write_page(root, None)


def _remove_folders(root: Path, ids: Collection[str]) -> None:
    """Remove the folders of recordings, with words and temporary files in them."""
    folders = {recording_folder(recording_id) for recording_id in ids}
    for folder in folders:
        for name in _WORDS_FILES:
            (root / folder / name).unlink(missing_ok=True)
        for place in (root / folder, *(root / folder).glob("speakers/*/")):
            storage.remove_temporaries(str(place))
    OutputDirectory(str(root), TURNS_LIST).forget(folders)


def _remove_placed(root: Path, ids: Collection[str], paths: Collection[str]) -> None:
    """Remove links and copies of audio from the speaker folders."""
    suffixes = {"", *(PurePosixPath(path).suffix for path in paths)}
    names = {storage.output_name(recording_id, suffix) for recording_id in ids for suffix in suffixes}
    local = {str(path.absolute()) for path in map(storage.local_path, paths) if path is not None}
    output = OutputDirectory(str(root), WRITTEN_NAME)
    output.forget(
        {one.name for one in output.entries() if one.target in local or _own_part(one.name) & names}
    )


def _own_part(name: str) -> set[str]:
    """Return what may be the recording's own part of a name in a speaker folder."""
    parts = name.split("/")
    return {"/".join(parts[start:]) for start in (1, 2) if len(parts) > start}


def _remove_pictures(root: Path) -> None:
    """Remove pictures that show several recordings; those of one have gone with its folder."""
    sheets = {path.name for path in root.glob(_SHEETS)}
    OutputDirectory(str(root), TURNS_LIST).forget(sheets)
    OutputDirectory(str(root), WRITTEN_NAME).forget({PLOT_NAME, DEBUG_NAME})


def _purge_warnings(root: Path, mentions: Mentions) -> None:
    path = root / WARNINGS_NAME
    if path.exists():
        told = json.loads(path.read_text())
        left = [one for one in told if not mentions.any_in(one.encode(errors="surrogateescape"))]
        storage.write_bytes_atomic(str(path), json.dumps(left).encode())


def _purge_table(root: Path, ids: set[str]) -> None:
    path = root / RECORDINGS_NAME
    rows = list(read_csv(path))
    left = [row for row in rows if row["recording_id"] not in ids]
    if len(left) < len(rows):
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, list(rows[0]))
        writer.writeheader()
        writer.writerows(left)
        storage.write_bytes_atomic(str(path), text.getvalue().encode(errors="surrogateescape"))
