"""The detector with a network on WavLM: four local speakers, windows of its own, any lengths at once."""

from pathlib import Path

import numpy as np
import pytest
import torch

from diar.embedding.speech.detector import SpeechDetector
from diar.models.open import open_segmentation
from tests.embedding.speech.noise import noise


@pytest.fixture(scope="module")
def detector(tiny_wavlm_dir: Path) -> SpeechDetector:
    model = open_segmentation(str(tiny_wavlm_dir))
    return SpeechDetector(model, torch.device("cpu"), model.step, silence_margin=0.0)


@pytest.mark.parametrize("seconds", [0.03, 0.05, 0.3, 3.99, 4.0, 4.03, 9.5])
def test_frames_tile_a_chunk_of_any_length(detector: SpeechDetector, seconds: float) -> None:
    samples = noise(2, seconds)
    with torch.inference_mode():
        found = detector.detect(samples)
    assert (found.edges[0], found.edges[-1]) == (0, samples.shape[1])
    assert (np.diff(found.edges) > 0).all()
    assert found.speech.shape == found.single.shape == (2, len(found.edges) - 1)
    if seconds < 0.045:
        assert found.local is None
        return
    local = found.local
    windows = len(local.first)
    assert local.probability.shape == local.active.shape == (2, windows, len(local.edges) - 1, 4)
    assert windows == -(-max(0, (samples.shape[1] - 64_000) // 320 * 320) // 64_000) + 1
    with torch.inference_mode():
        starts = local.starts.tolist()
        size = min(64_000, samples.shape[1])
        alone = torch.stack([detector.network(samples[:, start : start + size]) for start in starts], dim=1)
    expected = detector.network.powerset.soft(alone)
    np.testing.assert_allclose(local.probability / 255, expected, atol=0.5 / 255 + 1e-4)
    assert (local.active == detector.network.powerset.hard(alone).numpy()).mean() > 0.999


def test_chunks_of_many_lengths_are_what_each_is_by_itself(detector: SpeechDetector) -> None:
    groups = [noise(1, seconds) for seconds in (0.03, 0.3, 2.5, 4.0, 9.5)]
    with torch.inference_mode():
        together = [pending.speech() for pending in detector.start_all(groups)]
        alone = [detector.detect(samples) for samples in groups]
    for found, expected in zip(together, alone, strict=True):
        np.testing.assert_array_equal(found.edges, expected.edges)
        np.testing.assert_array_equal(found.speech, expected.speech)
        np.testing.assert_array_equal(found.single, expected.single)
        assert (found.local is None) == (expected.local is None)
        if found.local is not None:
            np.testing.assert_array_equal(found.local.probability, expected.local.probability)
