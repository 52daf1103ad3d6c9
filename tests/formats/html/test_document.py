"""The page as a file: what names from outside may do to it, and how turns become text."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diar.formats.html.document import Page
from diar.formats.html.elements import Section, facts, link, notes, pairs_table, picture, table_place
from diar.formats.html.tables import Column, DataTable, Names
from diar.formats.html.turns_text import STEPS, number_text, turns_text
from tests.pages import read_page

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
HOSTILE = [
    "</script><script>alert(1)</script>",
    "<!-- <script>",
    "a\"'&amp;<b>.wav",
    "会議/日本語 😀#1?x=%41.wav",
    "\u2028 \ud800.wav",
    "javascript:alert(1)",
]


def numbers(text: str) -> list[int]:
    """What the page's script reads."""
    found, value = [], 0
    for letter in text:
        digit = LETTERS.index(letter)
        value = value * 32 + (digit & 31)
        if not digit & 32:
            found.append(value)
            value = 0
    return found


@given(st.integers(0, 2**40))
def test_a_number_is_read_as_it_was_written(number: int) -> None:
    assert numbers(number_text(number)) == [number]


def test_turns_are_read_as_they_were_written() -> None:
    turns = [(40.961, 41.0, 2), (0.0, 1.234, 0), (0.5, 0.501, 1), (3600.0, 7200.0, 0)]
    read, before = numbers(turns_text(turns)), 0
    for place, (start, end, speaker) in enumerate(sorted(turns)):
        gap, length, who = read[3 * place : 3 * place + 3]
        before += gap
        assert before / STEPS == pytest.approx(start, abs=0.5 / STEPS)
        assert length / STEPS == pytest.approx(max(end - start, 1 / STEPS), abs=1 / STEPS)
        assert who == speaker
    assert turns_text([]) == ""


def test_names_from_outside_are_only_text(tmp_path) -> None:
    names = Names()
    columns = [
        Column("Recording", "path", HOSTILE),
        Column("Speaker", "person", [names.number(name) for name in HOSTILE]),
        Column("Status", "choice", ["ok", *HOSTILE[1:]]),
        Column("Nothing", "text", [""] * len(HOSTILE), more=True),
    ]
    content = "".join(
        [
            notes(HOSTILE),
            facts(zip(HOSTILE, HOSTILE, strict=True)),
            pairs_table("c", [(HOSTILE[0], HOSTILE[1])]),
        ]
    )
    linked = "".join(link(name) + picture(name, name) for name in HOSTILE)
    page = Page(
        title=HOSTILE[0],
        program="diar <0>",
        head=linked,
        sections=[Section("s", HOSTILE[2], content + table_place("t"))],
        tables=[DataTable("t", "recording", "recordings", columns)],
        names=names.all,
        colors=["#000000"] * len(names),
    )
    path = tmp_path / "index.html"
    path.write_bytes(page.render())
    read = read_page(path)
    shown = [name.replace("\ud800", "?") for name in HOSTILE]
    assert read.links == [name for name in shown for _ in range(3)]
    assert read.headings == [HOSTILE[0], HOSTILE[2]]
    assert read.column("t", "Recording") == read.column("t", "Speaker") == shown
    assert read.column("t", "Status")[1:] == shown[1:]
    assert all(name in read.text for name in shown)
    assert len(read.table("t")["columns"]) == 3  # what says nothing is left out
    assert not re.search(r"alert\(1\)</script>|<b>", read.source)
    assert read.tags.count("script") == 2
