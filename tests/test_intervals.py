"""Lists of intervals in one array: rows come out as they went in."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diar.intervals import IntervalLists

ROWS = st.lists(st.integers(0, 3).map(lambda n: np.arange(2.0 * n).reshape(n, 2)), max_size=6)


@given(ROWS, ROWS)
def test_rows_come_out_as_they_went_in(first: list[np.ndarray], second: list[np.ndarray]) -> None:
    lists = IntervalLists.concatenate([IntervalLists.of(first), IntervalLists.of(second)])
    rows = [*first, *second]
    assert len(lists) == len(rows)
    for number, (found, row) in enumerate(zip(lists, rows, strict=True)):
        np.testing.assert_array_equal(found, row)
        np.testing.assert_array_equal(lists[number], row)
        np.testing.assert_array_equal(lists[number - len(rows)], row)
    assert lists.lengths().tolist() == [len(row) for row in rows]
    odd = np.arange(len(rows)) % 2 == 1
    assert [row.tolist() for row in lists.take(odd)] == [row.tolist() for row in rows[1::2]]
    with pytest.raises(IndexError):
        lists[len(rows)]
