"""Speakers one by one, against their definition, and the checkpoint that has them."""

import numpy as np
import pytest
import torch

from diar.models.segmentation.multilabel import MultiLabel
from diar.models.segmentation.pyannet import open_segmentation_dir
from tests.conftest import named_weights


def test_speakers_are_independent() -> None:
    probability = torch.tensor([[0.2, 0.7, 0.4], [0.1, 0.1, 0.1]], dtype=torch.float64)
    labels = MultiLabel(3)
    log_probs = labels.log_probs(torch.logit(probability))
    torch.testing.assert_close(labels.soft(log_probs), probability)
    assert labels.hard(log_probs).tolist() == [[False, True, False], [False] * 3]
    torch.testing.assert_close(labels.speech(log_probs), torch.tensor([0.7, 0.1], dtype=torch.float64))
    assert labels.num_classes == 3
    with pytest.raises(ValueError, match="at least one"):
        MultiLabel(0)


def test_the_network_of_2022_has_them() -> None:
    model = open_segmentation_dir(named_weights("segmentation-2022.07"))
    assert (model.seg_window_samples, model.settings.max_simultaneous) == (80_000, None)
    with torch.inference_mode():
        output = model.network(0.1 * torch.randn(2, 80_000, generator=torch.Generator().manual_seed(0)))
    assert output.shape == (2, 293, 3)
    assert np.isfinite(output.numpy()).all()
    assert (output <= 0).all()
