"""A second network is asked where there is sound that the first calls silence, and only there."""

from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
import torch
from scipy.special import logit

from diar.embedding.speech.detector import SpeechDetector
from diar.embedding.speech.second_opinion import SecondOpinion
from diar.models.segmentation.base import SegmentationModel
from diar.models.segmentation.pyannet import open_segmentation_dir
from tests.commands import RATE
from tests.conftest import named_weights

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def second_model() -> SegmentationModel:
    return open_segmentation_dir(named_weights("segmentation-2022.07"))


def opinion(model: SegmentationModel, first: np.ndarray, excess: np.ndarray, everywhere: bool) -> np.ndarray:
    samples = 0.1 * torch.randn(1, 20 * RATE, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        return SecondOpinion(model, CPU, everywhere=everywhere).speech(samples, first, excess)


def frames(model: SegmentationModel) -> int:
    return model.network.num_frames(20 * RATE)


def test_without_doubt_nothing_is_asked(second_model: SegmentationModel) -> None:
    count = frames(second_model)
    heard, silent = np.full((1, count), 0.9), np.full((1, count), 0.1)
    loud, quiet = np.full((1, count), 9.0), np.full((1, count), 1.0)
    assert opinion(second_model, heard, loud, everywhere=False) is heard
    assert opinion(second_model, silent, quiet, everywhere=False) is silent
    brief = np.where(np.arange(count) % 20 < 8, 9.0, 1.0)[None]
    assert opinion(second_model, silent, brief, everywhere=False) is silent


def test_a_doubt_is_settled_by_both_within_reach_of_it(second_model: SegmentationModel) -> None:
    count = frames(second_model)
    first = np.full((1, count), 0.3)
    excess = np.zeros((1, count))
    excess[0, 500:520] = 9.0
    found = opinion(second_model, first, excess, everywhere=False)
    changed = np.flatnonzero(found[0] != first[0])
    assert changed.min() > 480 or changed.min() >= 500 - second_model.network.num_frames(5 * RATE)
    assert changed.max() <= 520 + second_model.network.num_frames(5 * RATE)
    assert {500, 519} <= set(changed.tolist())
    everywhere = opinion(second_model, first, excess, everywhere=True)
    np.testing.assert_allclose(found[0, 500:520], everywhere[0, 500:520], atol=1e-5)


def test_asked_seg_windows_that_touch_are_filtered_together_and_say_what_each_says(
    second_model: SegmentationModel, shared_dir: Path
) -> None:
    samples, _ = sf.read(shared_dir / "data/ami/trn03.wav", dtype="float32")
    chunks = torch.from_numpy(np.stack([samples, samples[::-1]]))
    network, size = second_model.network, second_model.seg_window_samples
    count = network.num_frames(chunks.shape[1])
    excess = np.zeros((2, count))
    excess[0, 100:120] = excess[0, 1500:1520] = excess[1, 800:830] = 9.0  # far apart, and in both chunks
    first = np.full((2, count), 0.3)
    judge = SecondOpinion(second_model, CPU, everywhere=False)
    with torch.inference_mode():
        question = judge._question(chunks, first, excess)
        runs = list(question.runs())
        assert len(runs) == 3 < sum(len(starts) for _, starts, _ in runs) == question.asked.sum()
        features = torch.cat([network.features_of_windows(*run) for run in runs])
        found = network.powerset.speech(network.classify(features))
        expected = network.powerset.speech(network(torch.stack(question.windows())))
    assert found.shape == expected.shape == (question.asked.sum(), network.num_frames(size))
    assert (found - expected).abs().max() < 1e-3
    assert (found - expected).abs().mean() < 1e-5


def test_both_are_averaged_in_logits(second_model: SegmentationModel) -> None:
    count = frames(second_model)
    low, high = (
        opinion(second_model, np.full((1, count), p), np.zeros((1, count)), True) for p in (0.2, 0.6)
    )
    inner = slice(0, count - 1)
    moved = logit(high[0, inner]) - logit(low[0, inner])
    np.testing.assert_allclose(moved, 0.3 * (logit(0.6) - logit(0.2)), atol=1e-6)
    assert (low > 0).all()
    assert (high < 1).all()


def test_faint_speech_that_the_first_network_misses_is_raised(shared_dir: Path) -> None:
    """Laughter and far voices of a real meeting: `doubt` hears more, and about as much as `both`."""
    from diar.archive.decoders.decode import decode
    from diar.archive.recording import Recording

    first = open_segmentation_dir(named_weights("segmentation-3.0"))
    second = open_segmentation_dir(named_weights("segmentation-2022.07"))
    audio = decode(Recording("a", str(shared_dir / "data" / "ami" / "trn01.wav"), 1, 0.0), RATE)
    samples = torch.from_numpy(audio.samples[None])
    heard = {}
    for name, asked in (("segmentation", None), ("doubt", False), ("both", True)):
        judge = None if asked is None else SecondOpinion(second, CPU, everywhere=asked)
        with torch.inference_mode():
            local = SpeechDetector(first, CPU, 5.0, 1.5, judge).detect(samples).local
        assert local is not None
        heard[name] = float(local.probability.max(axis=-1).mean())
    assert heard["doubt"] > 1.1 * heard["segmentation"]
    assert heard["both"] == pytest.approx(heard["doubt"], rel=0.25)
