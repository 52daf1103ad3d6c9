"""The page itself: one HTML file without a server and without another address.

The content security policy allows the page's own script and style, by their SHA-256, and pictures beside it.
A browser therefore runs nothing and loads nothing that a name in the data might smuggle in.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from html import escape
from pathlib import Path
from string import Template
from typing import Any

from diar.formats.html.elements import Section
from diar.formats.html.tables import DataTable

_HERE = Path(__file__).parent
_SCRIPTS = ("canvas.js", "turns.js", "cells.js", "table.js", "details.js")
_LISTEN_SCRIPTS = (
    "names.js",
    "player.js",
    "lanes.js",
    "transcript.js",
    "search.js",
    "recording.js",
    "keys.js",
)
_START = "start.js"


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
        listen: what the page needs to play recordings and show their words; None: it shows tables only.
    """

    title: str
    program: str
    head: str
    sections: Sequence[Section]
    tables: Sequence[DataTable] = ()
    names: Sequence[str] = ()
    colors: Sequence[str] = field(default=())
    listen: Mapping[str, Any] | None = None

    def render(self) -> bytes:
        """Return the file's content; what is no Unicode in it becomes a question mark."""
        style, script, view = self._parts()
        parts = {
            "title": escape(self.title),
            "program": escape(self.program),
            "head": self.head,
            "sections": "\n".join(_entry(section) for section in self.sections),
            "body": "\n".join(section.html() for section in self.sections),
            "view": view,
            "policy": _policy(script, style, plays=self.listen is not None),
            "style": style,
            "script": script,
            "data": self._data(),
        }
        return Template(_text("page.html")).substitute(parts).encode(errors="replace")

    def _parts(self) -> tuple[str, str, str]:
        """Return style, script, and the HTML of the view of one recording."""
        if self.listen is None:
            return _text("page.css"), "".join(map(_script, (*_SCRIPTS, _START))), ""
        scripts = [*map(_script, _SCRIPTS), *(_script(f"listen/{name}") for name in _LISTEN_SCRIPTS)]
        style = _text("page.css") + _text("listen/listen.css")
        return style, "".join([*scripts, _script(_START)]), _text("listen/recording.html")

    def _data(self) -> str:
        """Return JSON that cannot end the script element around it."""
        data: dict[str, Any] = {
            "tables": {table.name: table.as_json() for table in self.tables},
            "names": list(self.names),
            "colors": list(self.colors),
            "listen": self.listen,
        }
        text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        return text.replace("<", "\\u003c")


def _entry(section: Section) -> str:
    return f'<li><a href="#{section.name}">{escape(section.heading)}</a></li>'


def _policy(script: str, style: str, *, plays: bool) -> str:
    # what the page's own script loads may run: the words of a recording, from the file beside it
    rules = [
        "default-src 'none'",
        f"script-src '{_digest(script)}'" + (" 'strict-dynamic'" if plays else ""),
        f"style-src '{_digest(style)}'",
        "img-src 'self' file:",
        *(["media-src 'self' file: blob:"] if plays else []),
        "base-uri 'none'",
        "form-action 'none'",
    ]
    return "; ".join(rules)


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _script(name: str) -> str:
    """Return a script; what other pages import as a module is a part of one script here."""
    return _text(name).replace("\nexport function ", "\nfunction ")


@cache
def _text(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")
