"""Removing recordings from what `task=files` wrote: positions stay, the recordings lose their names."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

from diar import storage
from diar.custody.removal.targets import read_csv
from diar.custody.removal.text import Mentions
from diar.formats.boundaries_table import BOUNDARIES_NAME
from diar.formats.files_table import FILES_NAME
from diar.formats.result_json import RESULT_NAME

PURGED = "(purged)"  # in place of a recording's id
_NAMES = ("before", "after", "first", "last")  # fields of boundaries and segments that hold an id


def purge_segments(root: Path, ids: set[str], mentions: Mentions) -> None:
    """Take the names of recordings out of `files.csv`, `boundaries.csv` and the result.

    Positions count files, so that a row must stay; it says nothing any more.
    """
    _purge_table(root / FILES_NAME, ids, ("path",), ("segment", "speaker", "odd", "similarity"))
    _purge_table(root / BOUNDARIES_NAME, ids, ("before", "after"), ())
    path = root / RESULT_NAME
    if not path.exists():
        return
    text = path.read_text(encoding="utf-8", errors="surrogateescape")
    document: dict[str, Any] = json.loads(text)
    for kind in ("boundaries", "segments"):
        for record in document.get(kind, ()):
            record.update({name: PURGED for name in _NAMES if record.get(name) in ids})
    for kind in ("odd_files", "not_used", "no_speech"):
        document[kind] = [record for record in document.get(kind, ()) if record["path"] not in ids]
    document["warnings"] = [
        one
        for one in document.get("warnings", ())
        if not mentions.any_in(one.encode(errors="surrogateescape"))
    ]
    now = json.dumps(document, ensure_ascii=False, indent=1, allow_nan=False) + "\n"
    if now != text:
        storage.write_bytes_atomic(str(path), now.encode(errors="surrogateescape"))


def _purge_table(path: Path, ids: set[str], names: tuple[str, ...], emptied: tuple[str, ...]) -> None:
    """Write a table again; rows that name a recording in `names` lose it, and what is in `emptied`."""
    rows = list(read_csv(path))
    hit = [row for row in rows if any(row[name] in ids for name in names)]
    if not hit:
        return
    for row in hit:
        row.update({name: PURGED for name in names if row[name] in ids})
        row.update(dict.fromkeys(emptied, ""))
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    storage.write_bytes_atomic(str(path), text.getvalue().encode(errors="surrogateescape"))
