"""The best partner of each group: what a dictionary keeps, whatever comes in which order, with ties."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from diar.detect.linking.partners import Partners

GROUPS = 7
_PAIRS = st.tuples(st.integers(0, GROUPS - 1), st.integers(0, GROUPS - 1), st.sampled_from([1.0, 2.0, 2.5]))


@given(blocks=st.lists(st.lists(_PAIRS.filter(lambda pair: pair[0] != pair[1]), max_size=12), max_size=4))
def test_a_group_keeps_the_likeliest_partner_and_of_equal_ones_the_first(
    blocks: list[list[tuple[int, int, float]]],
) -> None:
    found, expected = Partners(GROUPS), dict.fromkeys(range(GROUPS), (-np.inf, 1))
    for block in blocks:
        first, second, ratio = np.array(block).reshape(-1, 3).T
        found.offer(first.astype(np.int64), second.astype(np.int64), ratio)
        for one, other, likely in block:
            expected[one] = max(expected[one], (likely, -other))
            expected[other] = max(expected[other], (likely, -one))
    assert found.index.tolist() == [-other for _, other in expected.values()]
    assert found.log_ratio.tolist() == [likely for likely, _ in expected.values()]
