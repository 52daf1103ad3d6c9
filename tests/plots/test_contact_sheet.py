"""Contact sheets: a line a recording, people in the colours of all pictures."""

from dataclasses import replace

import numpy as np
import pytest

from diar.plots.contact_sheet import MOST_ON_SHEET, draw_contact_sheet
from diar.plots.style import number_names
from diar.records import Turn
from tests.outputs.sample import make_turns
from tests.plots.test_timeline import OVERLAP, count, full, made_of, pixels

NUMBERS = {"person_0001": 0, "Ann": 1}


def sheet(*turns: Turn, offset: float = 0.0, count: int = 1) -> np.ndarray:
    result = replace(made_of(list(turns), 10.0), offset=offset, times="file" if offset else "part")
    return pixels(draw_contact_sheet([result] * count, NUMBERS, 0, count))


def test_a_bar_is_as_long_as_the_speech() -> None:
    half, whole = (sheet(Turn("r", 0, end, "person_0001")) for end in (5, 10))
    assert count(half, full(0)) == pytest.approx(count(whole, full(0)) / 2, rel=0.05)
    later = sheet(Turn("r", 100, 105, "person_0001"), offset=100.0)
    assert np.array_equal(later, half), "on the file's clock"
    both = sheet(Turn("r", 0, 5, "person_0001"), Turn("r", 4, 8, "Ann"))
    shares = [count(both, color) / count(whole, full(0)) for color in (full(0), full(1), OVERLAP)]
    assert shares == pytest.approx([0.4, 0.3, 0.1], abs=0.03)  # the key is red, too


@pytest.mark.parametrize("number", [1, 60, 61, MOST_ON_SHEET])
def test_as_many_as_fit(number: int) -> None:
    one = count(sheet(Turn("r", 0, 10, "Ann")), full(1))
    image = sheet(Turn("r", 0, 10, "Ann"), count=number)
    assert image.shape[1] == 1700
    assert image.shape[0] < 1800
    columns = 1 if number <= 60 else 2
    assert count(image, full(1)) > 0.25 / columns * number * one


def test_nobody_and_very_many_with_long_names() -> None:
    assert count(sheet(), full(0)) == 0
    names = [f"Maximiliane-Wilhelmine {'x' * 40} {i}" for i in range(40)]
    turns = [Turn("r", i / 4, i / 4 + 0.2, name) for i, name in enumerate(names)]
    result = replace(made_of(turns, 10.0), recording_id="ü" * 300)
    numbers = number_names([*names, "speaker_001", 'Ann "A" Ö'])
    assert pixels(draw_contact_sheet([result, make_turns()], numbers, 0, 2)).shape[1] == 1700
