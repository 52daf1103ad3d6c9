"""Ids and paths of recordings in text, however they are written there."""

from __future__ import annotations

import gzip
import html
import json
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from urllib.parse import quote

from diar import storage
from diar.formats.rttm import rttm_id

# What may not stand beside an id that is meant: `a.wav` is not in `ba.wav`, `x/a.wav` or `a.wav@10.00-20.00`
_BEFORE, _AFTER = rb"[\w./%\-]", rb"[\w@\-]"


class Mentions:
    """Looks for names of recordings in bytes.

    Args:
        ids: of recordings.
        paths: of their audio.
    """

    def __init__(self, ids: Iterable[str], paths: Iterable[str]) -> None:
        ids = [one for one in ids if one]
        self._needles = {form: _alone(form) for name in ids for form in _forms(name)}
        # A path that ends with its id is found by the id; the boundary before it is then another
        self._needles |= {
            form: re.compile(re.escape(form) + b"(?!" + _AFTER + b")") for p in paths for form in _forms(p)
        }

    def any_in(self, data: bytes) -> bool:
        """Return whether anything of them is in `data`."""
        return self.first_in(data) is not None

    def first_in(self, data: bytes) -> str | None:
        """Return what was found first, None if nothing is there."""
        for needle, pattern in self._needles.items():
            if needle in data and pattern.search(data):
                return needle.decode(errors="backslashreplace")
        return None


def _alone(form: bytes) -> re.Pattern[bytes]:
    return re.compile(b"(?<!" + _BEFORE + b")" + re.escape(form) + b"(?!" + _AFTER + b")")


def _forms(name: str) -> set[bytes]:
    """Return a name as text, JSON, RTTM, HTML and URLs write it."""
    forms = {name, rttm_id(name), html.escape(name)}
    forms |= {json.dumps(name, ensure_ascii=ascii_only)[1:-1] for ascii_only in (True, False)}
    encoded = {form.encode(errors="surrogateescape") for form in forms}
    return encoded | {quote(name.encode(errors="surrogateescape"), safe=safe).encode() for safe in ("/", "")}


def keep_lines(path: Path, stays: Callable[[bytes], bool]) -> None:
    """Drop the lines of a local text, gzipped or not, that do not stay; do nothing without the file."""
    if not path.is_file():
        return
    zipped = path.suffix == ".gz"
    content = gzip.decompress(path.read_bytes()) if zipped else path.read_bytes()
    lines = content.splitlines(keepends=True)
    left = [line for line in lines if stays(line)]
    if len(left) < len(lines):
        data = b"".join(left)
        storage.write_bytes_atomic(str(path), gzip.compress(data, mtime=0) if zipped else data)
