"""Our kernels against torch by Triton's interpreter; `test_kernels.py` runs this with TRITON_INTERPRET=1."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from diar.models.kernels import available
from diar.models.kernels.dense import masked_convolution, normalised_product
from diar.models.kernels.sinc import largest_magnitudes
from diar.models.segmentation.sincnet import SincNet


@pytest.mark.parametrize("inputs", [96, 160])  # less than, and no multiple of, what a program loads at a time
def test_normalised_product(inputs):
    generator = torch.Generator().manual_seed(0)
    joined = torch.randn(2, 75, 288, generator=generator).half()
    x = joined[..., :inputs]
    scale, shift = torch.randn(2, inputs, generator=generator).half()
    weight = (torch.randn(128, inputs, generator=generator) / inputs**0.5).half()
    bias = torch.randn(128, generator=generator).half()
    expected = F.linear(F.relu(x.float() * scale.float() + shift.float()), weight.float(), bias.float())
    torch.testing.assert_close(
        normalised_product(x, scale, shift, weight, bias, relu=True).float(),
        F.relu(expected),
        atol=1e-2,
        rtol=1e-3,
    )
    torch.testing.assert_close(
        normalised_product(x, scale, shift, weight, None, relu=False).float(),
        expected - bias.float(),
        atol=1e-2,
        rtol=1e-3,
    )


@pytest.mark.parametrize("dilation", [1, 2])
def test_masked_convolution_into_a_slice(dilation):
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(2, 211, 64, generator=generator).half()
    weight = (torch.randn(3, 64, 32, generator=generator) / 14).half()
    mask = torch.rand(2, 3, 32, generator=generator).half()
    joined = torch.zeros(2, 211, 96, dtype=torch.half)
    masked_convolution(x, weight, mask, dilation, 100, joined[..., 32:64])
    found = F.conv1d(
        x.float().transpose(1, 2), weight.float().permute(2, 1, 0), padding=dilation, dilation=dilation
    )
    expected = found.transpose(1, 2) * mask.float().repeat_interleave(100, dim=1)[:, :211]
    torch.testing.assert_close(joined[..., 32:64].float(), expected, atol=2e-3, rtol=1e-3)
    assert not joined[..., :32].any() and not joined[..., 64:].any()


def test_largest_magnitudes():
    waveform = torch.randn(2, 4011, generator=torch.Generator().manual_seed(2))
    filters = SincNet(10).conv1d[0].filterbank.kernels.squeeze(1)
    found = largest_magnitudes(waveform, filters, 10, 3)
    expected = F.max_pool1d(F.conv1d(waveform[:, None], filters[:, None], stride=10).abs(), 3)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-5)


def test_layers_use_them_where_they_run(monkeypatch):
    """The interpreter computes the sinc layer in fp32, so the whole network is as exact as by torch."""
    network, waveform = SincNet(10), torch.randn(1, 1, 3000, generator=torch.Generator().manual_seed(3))
    with torch.inference_mode():
        found = network(waveform)
        monkeypatch.setattr(available, "run_on", lambda device: False)
        expected = network(waveform)
    assert not torch.equal(found, expected)  # other sums
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)
