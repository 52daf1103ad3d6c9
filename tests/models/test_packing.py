"""Packed items: apart, in few lengths of rows, with the means of their own frames."""

from itertools import pairwise

import torch
from hypothesis import given
from hypothesis import strategies as st

from diar.models.packing import Packing, spread

LENGTHS = st.lists(st.integers(1, 1000), min_size=1, max_size=20)


@given(
    lengths=LENGTHS,
    capacity=st.integers(1, 3000),
    gap=st.sampled_from([0, 4, 8]),
    doublings=st.integers(0, 3),
)
def test_items_keep_their_length_and_their_distance(
    lengths: list[int], capacity: int, gap: int, doublings: int
) -> None:
    align = 2**doublings
    packing = Packing(lengths, capacity, gap, align)
    assert [place.length for place in packing.places] == lengths
    assert packing.length % align == 0
    for row in range(packing.rows):
        own = sorted((place for place in packing.places if place.row == row), key=lambda place: place.start)
        assert own and own[0].start == 0 and own[-1].end <= packing.length
        assert all(b.start % align == 0 and b.start - a.end >= gap for a, b in pairwise(own))


def test_rows_have_few_lengths_and_little_is_padded() -> None:
    lengths = {Packing([frames], 1, 0, 1).length for frames in range(1025, 2049)}
    assert len(lengths) == 8
    assert all(frames <= Packing([frames], 1, 0, 1).length <= frames * 9 / 8 for frames in range(16, 2000, 7))


@given(lengths=LENGTHS, capacity=st.integers(500, 3000), stride=st.sampled_from([1, 2, 8]))
def test_gaps_are_zeroed_and_means_are_of_an_items_own_frames(
    lengths: list[int], capacity: int, stride: int
) -> None:
    packing = Packing(lengths, capacity, 8, 8)
    frames = packing.length // stride
    values = torch.rand(packing.rows, frames, 3, generator=torch.Generator().manual_seed(0)) + 1
    weights, number = packing.means(frames, values)
    halves, half = packing.means(frames, values, segment=100)
    whole, parts = spread(weights @ values, number), spread(halves @ values, half)
    kept = packing.zero_gaps(values.clone(), 1)
    turned = packing.zero_gaps(values.transpose(1, 2).clone(), 2)
    assert torch.equal(turned, kept.transpose(1, 2))
    for place in (packing.scaled(place, frames) for place in packing.places):
        own = values[place.row, place.start : place.end]
        mean = own.mean(dim=0)
        torch.testing.assert_close(whole[place.row, place.start : place.end], mean.expand_as(own))
        last = place.length - 1
        tail = own[last // 100 * 100 :].mean(dim=0)
        torch.testing.assert_close(parts[place.row, place.end - 1], mean + tail)
        assert torch.equal(kept[place.row, place.start : place.end], own)
        kept[place.row, place.start : place.end] = 0
    assert not kept.any()
