"""What a hop hears depends on the samples of its window alone: not on earlier hops, nor on other streams."""

from pathlib import Path

import numpy as np
import pytest
import torch

from diar.embedding.speech.detector import LocalActivity
from diar.models.segmentation.pyannet import open_segmentation_dir
from diar.online.hearing.front import Front
from diar.online.models import Hear, LiveModels
from tests.online.conftest import RememberingModels

POSITIONS = (1_500, 8_000, 9_600, 16_000, 82_345, 88_000, 96_000, 104_000, 160_000, 161_600, 400_000, 408_000)


def hear(models: LiveModels, samples: np.ndarray, position: int, front: Front | None) -> Hear:
    """What a hop at `position` asks."""
    step = models.geometry.step
    start = max(0, -(-(position - models.window) // step) * step)
    begin = models.block_start(start)
    return Hear(samples[begin : min(position, start + models.window)], begin, start, front)


@pytest.fixture(scope="module")
def heard(live_models: RememberingModels, talk: np.ndarray) -> list[LocalActivity | None]:
    """The answers to hops one after the other, some far apart."""
    front = live_models.front()
    return [live_models.computed(hear(live_models, talk, position, front)) for position in POSITIONS]


def test_a_hop_hears_what_it_would_hear_without_those_before(
    live_models: RememberingModels, talk: np.ndarray, heard: list[LocalActivity | None]
) -> None:
    assert heard[0] is not None and heard[0].probability.shape[2] == 2
    assert live_models.computed(hear(live_models, talk, 900, live_models.front())) is None
    for position, before in list(zip(POSITIONS, heard, strict=True))[1::3]:
        same(live_models.computed(hear(live_models, talk, position, live_models.front())), before)


def test_streams_that_are_heard_together_are_heard_as_alone(
    live_models: RememberingModels, talk: np.ndarray, heard: list[LocalActivity | None]
) -> None:
    order = [11, 4, 10, 0, 9, 8]
    requests = [hear(live_models, talk, POSITIONS[number], live_models.front()) for number in order]
    for number, answer in zip(order, LiveModels.answer(live_models, requests), strict=True):
        same(answer, heard[number])


def test_the_network_of_hops_says_what_the_whole_network_says(
    live_models: RememberingModels,
    talk: np.ndarray,
    heard: list[LocalActivity | None],
    segmentation_dir: Path,
) -> None:
    network = open_segmentation_dir(segmentation_dir).network
    for position, answer in list(zip(POSITIONS, heard, strict=True))[4::4]:
        assert answer is not None
        window = torch.from_numpy(hear(live_models, talk, position, None).window)
        soft = network.powerset.soft(network.aligned(network(window.unsqueeze(0)))).numpy()
        found = answer.probability[0, 0].astype(float)
        differ = np.abs(found - 255 * soft[0])[found.any(axis=1)]  # pauses are silenced
        assert len(differ) > 100 and differ.mean() < 3 and (differ > 100).mean() < 0.01


def same(first: object, second: object) -> None:
    assert isinstance(first, LocalActivity) and isinstance(second, LocalActivity)
    assert np.array_equal(first.probability, second.probability)
    assert np.array_equal(first.active, second.active)
