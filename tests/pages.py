"""Reading the HTML pages that diar writes, without a browser."""

import base64
import hashlib
import json
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit


class _Parser(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.headings: list[str] = []
        self.texts: list[str] = []
        self.tags: list[str] = []
        self.names: list[str] = []
        self.scripts: dict[str, str] = {}
        self.policy = ""
        self._open = ""

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attributes}
        assert not [name for name in given if name.startswith("on") or name == "style"], given
        self.tags.append(tag)
        self.links += [given[name] for name in ("href", "src") if name in given]
        self.names += [given["id"]] if "id" in given else []
        if given.get("http-equiv") == "Content-Security-Policy":
            self.policy = given["content"]
        self._open = f"script {given.get('type', '')}".strip() if tag == "script" else tag

    def handle_endtag(self, tag: str) -> None:
        self._open = ""

    def handle_data(self, data: str) -> None:
        if self._open in ("script", "script application/json", "style"):
            self.scripts[self._open] = data
            return
        if self._open in ("h1", "h2", "h3"):
            self.headings.append(data)
        self.texts.append(data)


@dataclass
class ReadPage:
    """What a page holds."""

    path: Path
    source: str
    links: list[str]  # of the HTML, unquoted, without those into the page itself
    headings: list[str]
    text: str  # that can be read without a script
    data: dict[str, Any]
    policy: str
    tags: list[str]
    scripts: dict[str, str]  # and the style

    def table(self, name: str) -> dict[str, Any]:
        return self.data["tables"][name]

    def rows(self, name: str) -> int:
        return self.table(name)["rows"]

    def column(self, name: str, title: str) -> list[Any]:
        """The values of a column; texts and names in place of their numbers."""
        column = next(one for one in self.table(name)["columns"] if one["title"] == title)
        values = column["values"]
        if column["kind"] == "choice":
            return [values["of"][number] for number in values["is"]]
        if column["kind"] == "person":
            return [None if number is None else self.data["names"][number] for number in values]
        if column["kind"] == "people":
            return [[self.data["names"][number] for number in people] for people in values]
        return values

    def files_of_rows(self, name: str) -> list[str]:
        """The files to which opened rows link, relative to the page."""
        files = self.table(name)["files"]
        return [
            f"{folder}/{file}"
            for folder, numbered in zip(files["folders"], files["is"], strict=True)
            for file in files["sets"][numbered]
        ]

    def check_alone(self) -> None:
        """All links lead to files beside the page; nothing else is named, nothing else could be loaded."""
        files = [
            name
            for table in self.data["tables"]
            if self.table(table)["files"]
            for name in self.files_of_rows(table)
        ]
        for name in (*self.links, *files):
            assert (self.path.parent / name).is_file(), name
        assert "http" not in self.source.replace("http-equiv", "").split('id="data"')[0]
        for word in ("fetch(", "XMLHttpRequest", "import(", "@import", "url(", "innerHTML", "eval("):
            assert word not in self.source.split('id="data"')[0] + self.source.split("</script>")[-2]
        assert self.policy.startswith("default-src 'none'; script-src 'sha256-")
        assert "unsafe" not in self.policy
        for kind, content in self.scripts.items():
            digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
            assert kind == "script application/json" or f"'sha256-{digest}'" in self.policy
        assert self.tags.count("script") == 2
        assert self.tags.count("h1") == 1


def read_page(path: Path) -> ReadPage:
    """Parse a page; check what every page must have."""
    source = path.read_text(encoding="utf-8")
    parser = _Parser()
    parser.feed(source)
    assert '<html lang="en">' in source
    assert len(set(parser.names)) == len(parser.names), "an id twice"
    inner = [link[1:] for link in parser.links if link.startswith("#")]
    assert set(inner) <= set(parser.names)
    outer = [link for link in parser.links if not link.startswith("#")]
    for link in outer:
        parts = urlsplit(link)
        assert not (parts.scheme or parts.netloc or parts.query or parts.fragment), link
        assert quote(unquote(link), safe="/") == link
    return ReadPage(
        path,
        source,
        [unquote(link) for link in outer],
        parser.headings,
        " ".join(parser.texts),
        json.loads(parser.scripts["script application/json"]),
        parser.policy,
        parser.tags,
        parser.scripts,
    )
