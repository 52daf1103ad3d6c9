"""The detector with a Sortformer: eight local speakers, frames of 10 ms, one seg_window a chunk."""

from pathlib import Path

import numpy as np
import pytest
import torch

from diar.embedding.chunks import ChunkSettings
from diar.embedding.speech.detector import SpeechDetector
from diar.models.open import open_segmentation
from tests.commands import RATE
from tests.embedding.speech.noise import noise


@pytest.fixture(scope="module")
def detector(tiny_sortformer_dir: Path) -> SpeechDetector:
    model = open_segmentation(str(tiny_sortformer_dir))
    return SpeechDetector(model, torch.device("cpu"), model.step, silence_margin=0.0)


@pytest.mark.parametrize(
    ("seconds", "windows"), [(0.07, 0), (0.08, 1), (0.3, 1), (31.99, 1), (32.0, 1), (33.0, 2), (50.0, 3)]
)
def test_frames_tile_a_chunk_of_any_length(detector: SpeechDetector, seconds: float, windows: int) -> None:
    samples = noise(2, seconds)
    with torch.inference_mode():
        found = detector.detect(samples)
    assert (found.edges[0], found.edges[-1]) == (0, samples.shape[1])
    assert (np.diff(found.edges) > 0).all()
    assert found.speech.shape == found.single.shape == (2, len(found.edges) - 1)
    if not windows:
        assert found.local is None
        return
    local = found.local
    assert local.probability.shape == (2, windows, min(3200, samples.shape[1] // 160), 8)
    assert np.diff(local.starts).max(initial=0) <= 16 * RATE
    with torch.inference_mode():
        size = min(32 * RATE, samples.shape[1])
        parts = [detector.network(samples[:, start : start + size]) for start in local.starts.tolist()]
    expected = torch.stack(parts, dim=1).exp()
    np.testing.assert_allclose(local.probability / 255, expected, atol=0.5 / 255 + 1e-4)
    assert (local.active == (expected > 0.5).numpy()).mean() > 0.999


def test_a_chunk_of_stage_1_is_one_seg_window(detector: SpeechDetector) -> None:
    chunks = ChunkSettings.from_seconds(RATE, chunk=30.0, window=1.0, hop=0.5)
    assert chunks.length == detector.window


def test_chunks_of_many_lengths_are_what_each_is_by_itself(detector: SpeechDetector) -> None:
    groups = [noise(1, seconds) for seconds in (0.03, 0.3, 2.5, 9.5)]
    with torch.inference_mode():
        together = [pending.speech() for pending in detector.start_all(groups)]
        alone = [detector.detect(samples) for samples in groups]
    for found, expected in zip(together, alone, strict=True):
        np.testing.assert_array_equal(found.edges, expected.edges)
        np.testing.assert_array_equal(found.speech, expected.speech)
        assert (found.local is None) == (expected.local is None)
        if found.local is not None:
            np.testing.assert_array_equal(found.local.probability, expected.local.probability)
