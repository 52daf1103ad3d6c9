"""Several streams in one pass of a network: each gets what it would get alone."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from diar.online.hearing.together import Together


@given(st.lists(st.integers(1, 4), min_size=1, max_size=12), st.integers(1, 5))
def test_each_input_gets_its_own_output(lengths: list[int], most: int) -> None:
    torch.manual_seed(0)
    inputs = [torch.randn(1, length, 3) for length in lengths]
    passes: list[int] = []

    def network(batch: Tensor) -> Tensor:
        passes.append(len(batch))
        return batch.square().cumsum(dim=1)

    together = Together(network, most)
    for _ in range(2):  # the first time, a shape is tried
        passes.clear()
        found = together(inputs)
        assert all(torch.equal(own, network(one)) for one, own in zip(inputs, found, strict=True))
    assert max(passes) <= most
    passes.clear()
    together([inputs[0]] * most)
    together([inputs[0]] * most)
    assert passes[-1] == most  # what is exact goes together


def test_a_network_that_rounds_otherwise_in_a_batch_runs_on_each_alone() -> None:
    def network(batch: Tensor) -> Tensor:
        return batch + 1e-3 * (len(batch) - 1)

    together = Together(network, 4)
    inputs = [torch.full((1, 2), float(number)) for number in range(6)]
    for _ in range(3):
        assert all(torch.equal(own, one) for own, one in zip(together(inputs), inputs, strict=True))
