"""Local speakers of one seg_window get different clusters, at the best total similarity."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from diar.detect.clustering.assignment import NO_CLUSTER, assign_distinct


@given(
    members=st.lists(st.integers(1, 6), max_size=8),
    clusters=st.integers(0, 8),
    levels=st.sampled_from([3, 1000]),
    seed=st.integers(0, 2**31),
)
def test_the_total_is_that_of_the_hungarian_method(
    members: list[int], clusters: int, levels: int, seed: int
) -> None:
    seg_window = np.repeat(3 * np.arange(len(members)), members)  # numbers may have holes
    rng = np.random.default_rng(seed)
    similarity = rng.integers(-levels, levels, (len(seg_window), clusters)) / levels  # few levels make ties
    assigned = assign_distinct(similarity, seg_window)
    assert assigned.shape == seg_window.shape
    for number in np.unique(seg_window):
        own, found = similarity[seg_window == number], assigned[seg_window == number]
        served = found != NO_CLUSTER
        assert served.sum() == min(len(own), clusters)
        assert len(set(found[served])) == served.sum()
        rows, columns = linear_sum_assignment(own, maximize=True)
        assert own[served, found[served]].sum() == pytest.approx(own[rows, columns].sum())
