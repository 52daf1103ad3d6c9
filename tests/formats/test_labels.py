"""Label tracks, the TextGrid as an independent reader sees it."""

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from praatio import textgrid

from diar.formats.labels import format_labels, format_textgrid
from diar.formats.speech_time import measure
from diar.records import Turn
from tests.outputs.sample import make_turns

NAME = 'Ann "A" Ö'


def read(path: Path, text: str) -> textgrid.Textgrid:
    path.write_text(text, encoding="utf-8")
    return textgrid.openTextgrid(str(path), includeEmptyIntervals=True, reportingMode="error")


def test_a_textgrid_has_a_tier_for_each_speaker(tmp_path: Path) -> None:
    grid = read(tmp_path / "x.TextGrid", format_textgrid(make_turns().turns, 12.0))
    assert grid.tierNames == ("speaker_001", NAME)
    assert (grid.minTimestamp, grid.maxTimestamp) == (0, 12)
    assert [tuple(entry) for entry in grid.getTier("speaker_001").entries] == [
        (0.0, 0.5, ""),
        (0.5, 3.25, "speaker_001"),
        (3.25, 8.0, ""),
        (8.0, 11.125, "speaker_001"),
        (11.125, 12.0, ""),
    ]
    assert [tuple(entry) for entry in grid.getTier(NAME).entries][1] == (2.75, 6.0, NAME)


times = st.floats(0, 20)
spans = st.tuples(times, times).map(sorted)
any_turns = st.lists(st.builds(lambda span, name: Turn("r", *span, name), spans, st.sampled_from("ab")))


@given(any_turns, st.floats(0.01, 25))
def test_intervals_leave_no_hole(tmp_path_factory, turns: list[Turn], duration: float) -> None:
    path = tmp_path_factory.getbasetemp() / "any.TextGrid"
    grid = read(path, format_textgrid(turns, duration))
    amounts = measure(turns).of_speaker
    for tier in grid.tiers:
        entries = tier.entries
        assert entries[0].start == 0
        assert entries[-1].end == grid.maxTimestamp >= round(duration, 9)
        assert all(left.end == right.start for left, right in pairwise(entries))
        assert all(entry.start < entry.end for entry in entries)
        spoken = sum(entry.end - entry.start for entry in entries if entry.label)
        assert spoken == pytest.approx(amounts.get(tier.name, 0.0), abs=0.001 * (len(turns) + 1))


def test_without_speech_there_is_one_empty_tier(tmp_path: Path) -> None:
    grid = read(tmp_path / "x.TextGrid", format_textgrid([], 3.5))
    assert [tuple(entry) for entry in grid.getTier("no speech").entries] == [(0.0, 3.5, "")]


def test_labels_are_what_audacity_imports() -> None:
    turns = [*make_turns().turns, Turn("r", 1.0, 2.0, "tab\tand\nline"), Turn("r", 3.0, 3.0, "nothing")]
    rows = [line.split("\t") for line in format_labels(turns).splitlines()]
    assert rows == [
        ["0.500000", "3.250000", "speaker_001"],
        ["1.000000", "2.000000", "tab and line"],
        ["2.750000", "6.000000", NAME],
        ["8.000000", "11.125000", "speaker_001"],
    ]
