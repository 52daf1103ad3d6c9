"""Products over time: any number of frames, and the same as torch's own."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import example, given
from hypothesis import strategies as st

from diar.models.encoders import time_major
from diar.models.encoders.time_major import linear


@given(batch=st.integers(1, 3), frames=st.integers(1, 1200), biased=st.booleans())
@example(batch=1, frames=1023, biased=True)
@example(batch=1, frames=1024, biased=True)
def test_linear_is_torchs(batch: int, frames: int, biased: bool) -> None:
    generator = torch.Generator().manual_seed(frames)
    x = torch.randn(batch, frames, 24, generator=generator)
    weight = torch.randn(10, 24, generator=generator)
    bias = torch.randn(10, generator=generator) if biased else None
    torch.testing.assert_close(linear(x, weight, bias), F.linear(x, weight, bias), rtol=1e-5, atol=1e-5)


def test_half_precision_goes_to_torch() -> None:
    x, weight = torch.randn(2, 7, 16).bfloat16(), torch.randn(4, 16).bfloat16()
    assert torch.equal(linear(x, weight, None), F.linear(x, weight))


@pytest.mark.skipif(not hasattr(torch.ops.mkldnn, "_linear_pointwise"), reason="a torch without oneDNN")
def test_short_recordings_of_all_lengths_ask_for_few_products(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: set[int] = set()
    product = time_major._product

    def noted(x: torch.Tensor, *parameters: torch.Tensor | None) -> torch.Tensor:
        asked.add(x.shape[:-1].numel())
        return product(x, *parameters)

    monkeypatch.setattr(time_major, "_product", noted)
    weight = torch.randn(2, 3)
    lengths = range(50, 1000)
    for frames in lengths:
        before = len(asked)
        assert linear(torch.randn(1, frames, 3), weight, None).shape == (1, frames, 2)
        if len(asked) > before:
            assert frames <= max(asked) <= 1.25 * frames
    assert len(asked) <= 4 * 5, "four for each doubling"
    linear(torch.randn(1, 1601, 3), weight, None)
    assert max(asked) == 1601, "a long recording's chunks are all of one length, and stay it"
