"""Arithmetic of stretches, against counting on a grid."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diar.formats.speech_time import by_speaker, measure
from diar.intervals import at_least, running_seconds, without
from diar.records import Turn

STEP = 1 / 8  # exact in binary, so that sums are, too
CELLS = 64
spans = st.tuples(st.integers(0, CELLS), st.integers(0, CELLS)).map(sorted)
names = st.sampled_from("abc")
turn_lists = st.lists(
    st.builds(lambda span, name: Turn("r", span[0] * STEP, span[1] * STEP, name), spans, names)
)


def grid(turns: list[Turn]) -> dict[str, np.ndarray]:
    """Speaker → (CELLS,) bool."""
    cells: dict[str, np.ndarray] = {}
    for turn in turns:
        own = cells.setdefault(turn.speaker, np.zeros(CELLS, bool))
        own[round(turn.start / STEP) : round(turn.end / STEP)] = True
    return {name: own for name, own in cells.items() if own.any()}


def as_grid(stretches: np.ndarray) -> np.ndarray:
    cells = np.zeros(CELLS, bool)
    for start, end in stretches:
        cells[round(start / STEP) : round(end / STEP)] = True
    assert (stretches[:, 1] > stretches[:, 0]).all()
    assert (stretches[1:, 0] > stretches[:-1, 1]).all()
    return cells


@given(turn_lists)
def test_amounts_equal_counting(turns: list[Turn]) -> None:
    cells = grid(turns)
    depth = np.sum(list(cells.values()), axis=0) if cells else np.zeros(CELLS)
    amounts = measure(turns)
    assert amounts.speech == STEP * (depth >= 1).sum()
    assert amounts.overlap == STEP * (depth >= 2).sum()
    assert amounts.of_speaker == {name: STEP * own.sum() for name, own in cells.items()}
    shared = {name: STEP * (own & (depth >= 2)).sum() for name, own in cells.items()}
    assert amounts.overlap_of_speaker == pytest.approx(shared)


@given(turn_lists, turn_lists)
def test_stretches_equal_their_cells(turns: list[Turn], others: list[Turn]) -> None:
    own, cells = by_speaker(turns), grid(turns)
    assert {name: as_grid(stretches).tolist() for name, stretches in own.items()} == {
        name: mask.tolist() for name, mask in cells.items()
    }
    first, second = at_least(1, own.values()), at_least(1, by_speaker(others).values())
    assert np.array_equal(as_grid(without(first, second)), as_grid(first) & ~as_grid(second))
    edges = np.arange(CELLS + 1) * STEP
    assert np.allclose(np.diff(running_seconds(first, edges)), STEP * as_grid(first))


def test_speakers_come_by_their_first_turn() -> None:
    assert list(by_speaker([Turn("r", 5, 6, "a"), Turn("r", 1, 2, "b"), Turn("r", 0, 0, "c")])) == ["b", "a"]
