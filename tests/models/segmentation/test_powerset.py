"""Powerset classes against the definition, speaker by speaker."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from diar.models.segmentation.powerset import Powerset

SIZES = st.integers(1, 5).flatmap(lambda speakers: st.tuples(st.just(speakers), st.integers(1, speakers)))
SETS = [(), (0,), (1,), (2,), (0, 1), (0, 2), (1, 2)]  # the classes of segmentation-3.0


def test_classes_of_three_speakers_two_at_once() -> None:
    powerset = Powerset(3, 2)
    assert powerset.classes == SETS
    assert powerset.num_classes == 7
    assert not powerset.state_dict(), "checkpoints have no such name"


@given(SIZES)
def test_every_set_is_one_class(sizes: tuple[int, int]) -> None:
    speakers, simultaneous = sizes
    powerset = Powerset(speakers, simultaneous)
    assert len(set(powerset.classes)) == powerset.num_classes
    assert powerset.num_classes == sum(math.comb(speakers, size) for size in range(simultaneous + 1))
    certain = torch.full((powerset.num_classes, powerset.num_classes), -50.0).fill_diagonal_(0.0)
    for members, hard, soft in zip(
        powerset.classes, powerset.hard(certain), powerset.soft(certain), strict=True
    ):
        assert hard.dtype == torch.bool
        assert tuple(hard.nonzero().flatten().tolist()) == members
        torch.testing.assert_close(soft, hard.float())


@given(arrays.arrays(np.float64, (2, 3, 7), elements=st.floats(-8, 8)))
def test_probabilities_are_sums_over_sets(logits: np.ndarray) -> None:
    powerset = Powerset(3, 2).double()
    log_probs = torch.log_softmax(torch.from_numpy(logits), dim=-1)
    soft, speech, overlap = (f(log_probs) for f in (powerset.soft, powerset.speech, powerset.overlap))
    hard = powerset.hard(log_probs)
    assert hard.shape == soft.shape == (2, 3, 3)
    for item, frame in np.ndindex(2, 3):
        probability = dict(zip(SETS, log_probs[item, frame].exp().tolist(), strict=True))
        for speaker in range(3):
            expected = sum(p for members, p in probability.items() if speaker in members)
            assert soft[item, frame, speaker].item() == pytest.approx(expected)
        assert speech[item, frame].item() == pytest.approx(1 - probability[()])
        assert overlap[item, frame].item() == pytest.approx(sum(list(probability.values())[4:]))
        chosen = tuple(hard[item, frame].nonzero().flatten().tolist())
        assert probability[chosen] == max(probability.values())


@pytest.mark.parametrize(("speakers", "simultaneous"), [(3, 4), (3, 0), (0, 0)])
def test_impossible_sizes_are_refused(speakers: int, simultaneous: int) -> None:
    with pytest.raises(ValueError, match="max_simultaneous"):
        Powerset(speakers, simultaneous)
