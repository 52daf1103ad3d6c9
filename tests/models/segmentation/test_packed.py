"""Packed seg_windows: what the network says of one does not depend on the others of its row."""

import numpy as np
import pytest
import torch

from diar.models.segmentation import bf16
from diar.models.segmentation.packed import PackedPyanNet
from diar.models.segmentation.pyannet import PyanNet, PyanNetSettings, open_segmentation_dir
from tests.commands import RATE
from tests.conftest import named_weights


@pytest.fixture(scope="module", params=["segmentation-3.0", "segmentation-2022.07"])
def network(request: pytest.FixtureRequest) -> PyanNet:
    return open_segmentation_dir(named_weights(request.param)).network


@pytest.mark.parametrize(
    "lengths", [[31_337], [16_000, 57_123], [15_777, 160_000, 41_003, 95_999, 1261, 64_321, 20_011]]
)
@torch.inference_mode()
def test_a_seg_window_has_the_probabilities_that_it_has_alone(
    network: PyanNet, conversation: np.ndarray, lengths: list[int]
) -> None:
    starts = [5 * RATE * number for number in range(len(lengths))]
    windows = [
        torch.from_numpy((1 + 3 * (number % 2)) / 4 * conversation[start : start + length])
        for number, (start, length) in enumerate(zip(starts, lengths, strict=True))
    ]
    packed = PackedPyanNet(network, at_once=20 * RATE)(windows)
    for window, found in zip(windows, packed, strict=True):
        alone = network.aligned(network(window[None]))[0]
        assert found.shape == alone.shape
        torch.testing.assert_close(
            found.exp(), alone.exp(), atol=5e-5, rtol=0
        )  # near silence, rounding grows


@torch.inference_mode()
def test_so_it_has_in_bf16(network: PyanNet, conversation: np.ndarray) -> None:
    if not bf16.runs_here():
        pytest.skip("this CPU has no bf16")
    halved = network.in_bf16()
    windows = [torch.from_numpy(conversation[:length]) for length in (80_000, 31_337)]
    for window, found in zip(windows, PackedPyanNet(halved, at_once=20 * RATE)(windows), strict=True):
        alone = halved.aligned(halved(window[None]))[0]
        assert (found.exp() - alone.exp()).abs().mean() < 1e-4


@torch.inference_mode()
def test_the_lstm_forgets_between_seg_windows_whatever_it_was_told() -> None:
    torch.manual_seed(0)
    network = PyanNet(PyanNetSettings(lstm_size=8, lstm_layers=2)).eval().requires_grad_(False)
    for parameter in network.lstm.parameters():
        parameter *= 20  # gates that stay open
    quiet, loud = 0.01 * torch.randn(30_000), torch.randn(29_000)
    beside_loud = PackedPyanNet(network, at_once=10**6)([quiet, loud, loud, quiet])
    alone = network.aligned(network(quiet[None]))[0]
    for found in (beside_loud[0], beside_loud[3]):
        torch.testing.assert_close(found, alone, atol=1e-4, rtol=0)
