"""The page itself: one HTML file without a server and without another address.

The content security policy allows the page's own script and style, by their SHA-256, and pictures beside it.
A browser therefore runs nothing and loads nothing that a name in the data might smuggle in.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from html import escape
from pathlib import Path
from string import Template
from typing import Any

from diar.formats.html.elements import Section
from diar.formats.html.tables import DataTable

_HERE = Path(__file__).parent
_SCRIPTS = ("turns.js", "cells.js", "table.js", "start.js")


@dataclass(frozen=True)
class Page:
    """What a page shows.

    Attributes:
        title: of the page, plain text.
        program: that wrote it, with its version.
        head: HTML below the title.
        sections: in order; their tables are in `tables`.
        tables: data of the tables for which `sections` have a place.
        names: people's names by the numbers that the tables use.
        colors: of the names, as `#rrggbb`.
    """

    title: str
    program: str
    head: str
    sections: Sequence[Section]
    tables: Sequence[DataTable] = ()
    names: Sequence[str] = ()
    colors: Sequence[str] = field(default=())

    def render(self) -> bytes:
        """Return the file's content; what is no Unicode in it becomes a question mark."""
        style, script = _text("page.css"), "".join(_text(name) for name in _SCRIPTS)
        parts = {
            "title": escape(self.title),
            "program": escape(self.program),
            "head": self.head,
            "sections": "\n".join(_entry(section) for section in self.sections),
            "body": "\n".join(section.html() for section in self.sections),
            "policy": _policy(script, style),
            "style": style,
            "script": script,
            "data": _data(self.tables, self.names, self.colors),
        }
        return Template(_text("page.html")).substitute(parts).encode(errors="replace")


def _entry(section: Section) -> str:
    return f'<li><a href="#{section.name}">{escape(section.heading)}</a></li>'


def _data(tables: Iterable[DataTable], names: Sequence[str], colors: Sequence[str]) -> str:
    """Return JSON that cannot end the script element around it."""
    data: dict[str, Any] = {
        "tables": {table.name: table.as_json() for table in tables},
        "names": list(names),
        "colors": list(colors),
    }
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c")


def _policy(script: str, style: str) -> str:
    rules = [
        "default-src 'none'",
        f"script-src '{_digest(script)}'",
        f"style-src '{_digest(style)}'",
        "img-src 'self' file:",
        "base-uri 'none'",
        "form-action 'none'",
    ]
    return "; ".join(rules)


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


@cache
def _text(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")
