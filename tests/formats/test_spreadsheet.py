"""Cells of CSV: no formula for a spreadsheet, and as they were for our own readers."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diar.formats.spreadsheet import cell, cells, plain, rows

TEXTS = st.one_of(st.text(), st.text("'=+-@\t\r0.a", max_size=6))


@pytest.mark.parametrize("name", ["=cmd()", "+1x", "-a.wav", "@SUM(A1)", "\t=x", "\r=x", "'=x", "''-x"])
def test_a_name_is_no_formula(name: str) -> None:
    assert cell(name) == f"'{name}"


@pytest.mark.parametrize("value", ["-0.1234", "+5", -3, 1.5, None, "a=b", "", "'s-Hertogenbosch.wav"])
def test_numbers_and_other_names_stay(value: object) -> None:
    assert cell(value) == value


@given(st.lists(TEXTS, min_size=2, max_size=2))
def test_what_was_written_is_read(values: list[str]) -> None:
    assert [plain(str(one)) for one in cells(values)] == values
    text = io.StringIO(newline="")
    csv.writer(text).writerows([["a", "b"], cells(values)])
    assert [*rows(io.StringIO(text.getvalue(), newline=""))] == [dict(zip("ab", values, strict=True))]
