"""Pieces of HTML: everything that comes from outside is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from urllib.parse import quote


@dataclass(frozen=True)
class Section:
    """A part of the page with its own heading and a place in the list of sections."""

    name: str  # of the element
    heading: str
    content: str  # HTML

    def html(self) -> str:
        """Return the section's HTML."""
        heading = f'<h2 id="{self.name}-heading">{escape(self.heading)}</h2>'
        return (
            f'<section id="{self.name}" aria-labelledby="{self.name}-heading">\n{heading}\n'
            f"{self.content}\n</section>"
        )


def address(path: str) -> str:
    """Return the relative address of a file below the page's folder."""
    return escape(quote(path, safe="/", errors="replace"))


def link(path: str, text: str | None = None) -> str:
    """Return a link to a file below the page's folder."""
    return f'<a href="{address(path)}">{escape(path if text is None else text)}</a>'


def picture(path: str, description: str) -> str:
    """Return a picture that opens on its own when it is clicked."""
    place = address(path)
    image = f'<img src="{place}" alt="{escape(description)}" loading="lazy">'
    return f'<a class="picture" href="{place}">{image}</a>'


def facts(values: Iterable[tuple[str, str]]) -> str:
    """Return names and values, the values large."""
    items = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in values)
    return f'<dl class="facts">{items}</dl>'


def notes(texts: Iterable[str]) -> str:
    """Return remarks that a reader must not miss; nothing where there are none."""
    return "".join(f'<p class="note">{escape(text)}</p>' for text in texts)


def paragraph(text: str) -> str:
    """Return a paragraph of plain text."""
    return f"<p>{escape(text)}</p>"


def subheading(text: str) -> str:
    """Return a heading below a section's own."""
    return f"<h3>{escape(text)}</h3>"


def pairs_table(caption: str, values: Iterable[tuple[str, str]]) -> str:
    """Return a table of names and values."""
    rows = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td>{escape(value)}</td></tr>' for name, value in values
    )
    return (
        f'<div class="scroll"><table class="pairs"><caption>{escape(caption)}</caption>{rows}</table></div>'
    )


def plain_table(caption: str, heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table of figures that needs no script."""
    head = "".join(f'<th scope="col" class="number">{escape(text)}</th>' for text in heads)
    body = "".join(
        "<tr>" + "".join(f'<td class="number">{escape(cell)}</td>' for cell in row) + "</tr>" for row in rows
    )
    return (
        f'<div class="scroll" role="region" aria-label="{escape(caption)}" tabindex="0"><table>'
        f'<caption class="hidden">{escape(caption)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def folded(summary: str, content: str) -> str:
    """Return content that opens when its summary is clicked."""
    return f"<details><summary>{escape(summary)}</summary>{content}</details>"


def table_place(name: str) -> str:
    """Return the place where the page's script builds the table `name`."""
    return f'<div class="data-table" data-table="{escape(name)}"></div>'
