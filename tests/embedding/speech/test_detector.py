"""Where somebody speaks, and who of the local speakers: the detector against its network."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from diar.embedding.speech.detector import SpeechDetector, window_frames
from diar.errors import DiarError
from diar.models.segmentation.base import SegmentationModel
from diar.models.segmentation.pyannet import open_segmentation_dir
from tests.commands import RATE


@given(length=st.integers(1, 100_000), window=st.integers(1, 20_000), step=st.integers(30, 20_000))
def test_windows_cover_the_chunk(length: int, window: int, step: int) -> None:
    frame_step = 27
    window = min(window, length)
    starts = window_frames(length, window, step, frame_step) * frame_step
    assert starts[0] == 0
    assert length - frame_step < starts[-1] + window <= length
    assert (np.diff(starts) <= step + frame_step).all()
    assert len(starts) == 1 or (np.diff(starts) > 0).all()
    assert len(starts) <= (length - window) / step + 2


def test_the_chunks_of_a_long_recording_have_six_windows() -> None:
    assert len(window_frames(511_920, 160_000, 80_000, 270)) == 6
    assert window_frames(48_000, 48_000, 80_000, 270).tolist() == [0]


@pytest.fixture(scope="module")
def model(segmentation_dir: Path) -> SegmentationModel:
    return open_segmentation_dir(segmentation_dir)


@pytest.fixture(scope="module")
def detector(model: SegmentationModel) -> SpeechDetector:
    return SpeechDetector(model, torch.device("cpu"), step=5.0, silence_margin=0.0)


def noise(batch: int, seconds: float) -> torch.Tensor:
    return 0.1 * torch.randn(batch, round(seconds * RATE), generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("seconds", [0.05, 0.3, 9.99, 10.0, 10.01, 10.1, 17.0])
def test_frames_tile_a_chunk_of_any_length(detector: SpeechDetector, seconds: float) -> None:
    samples = noise(2, seconds)
    with torch.inference_mode():
        found = detector.detect(samples)
    assert found.edges[0] == 0
    assert found.edges[-1] == samples.shape[1]
    assert (np.diff(found.edges) > 0).all()
    assert found.speech.shape == found.single.shape == (2, len(found.edges) - 1)
    assert not (found.single & ~found.speech).any()
    if found.local is None:
        assert seconds == 0.05
        return
    batch, windows, frames, speakers = found.local.probability.shape
    assert (batch, windows, speakers) == (2, len(found.local.first), 3)
    assert found.local.edges[0] == 0
    assert found.local.edges[-1] == min(10 * RATE, samples.shape[1])
    assert found.local.first[-1] + frames == len(found.edges) - 1


def test_every_window_has_what_the_network_says_of_it(
    model: SegmentationModel, detector: SpeechDetector
) -> None:
    samples = noise(2, 17.0)
    with torch.inference_mode():
        local = detector.detect(samples).local
        assert local is not None
        assert len(local.starts) == 3
        for window, start in enumerate(local.starts):
            log_probs = model.network.aligned(model.network(samples[:, start : start + 10 * RATE]))
            expected = model.network.powerset.soft(log_probs).numpy()
            assert np.abs(local.probability[:, window] / 255 - expected).max() <= 0.5 / 255 + 1e-4
            decided = model.network.powerset.hard(log_probs).numpy()
            assert (local.active[:, window] != decided).mean() < 1e-3


def test_the_chunk_averages_what_its_windows_say(detector: SpeechDetector) -> None:
    with torch.inference_mode():
        found = detector.detect(noise(2, 17.0))
    assert found.local is not None
    counts: list[list[list[float]]] = [[[] for _ in range(len(found.edges) - 1)] for _ in range(2)]
    for item in range(2):
        for first, window in zip(found.local.first, found.local.probability[item], strict=True):
            for frame, speakers in enumerate(window.sum(axis=1) / 255):
                counts[item][first + frame].append(speakers)
    expected = np.array([[np.mean(seen) for seen in item] for item in counts])
    clear = np.abs(expected[..., None] - [0.5, 1.5]).min(axis=-1) > 0.01
    np.testing.assert_array_equal(found.speech[clear], (expected >= 0.5)[clear])
    np.testing.assert_array_equal(found.single[clear], ((expected >= 0.5) & (expected < 1.5))[clear])


def test_a_batch_decides_as_each_chunk_alone(detector: SpeechDetector) -> None:
    samples = noise(3, 12.0)
    with torch.inference_mode():
        together = detector.detect(samples)
        alone = [detector.detect(samples[i : i + 1]) for i in range(3)]
    np.testing.assert_array_equal(together.speech, np.concatenate([found.speech for found in alone]))


def test_silence_is_nobodys(model: SegmentationModel) -> None:
    samples = noise(1, 4.0)
    samples[:, RATE : 2 * RATE] *= 1e-3
    gated = SpeechDetector(model, torch.device("cpu"), step=5.0, silence_margin=3.0)
    with torch.inference_mode():
        found = gated.detect(samples)
    assert found.local is not None
    inside = (found.edges[:-1] > 1.05 * RATE) & (found.edges[1:] < 1.95 * RATE)
    assert not found.speech[:, inside].any()
    assert not found.local.probability[:, :, inside].any()
    assert not found.local.active[:, :, inside].any()


def test_windows_that_leave_audio_out_are_refused(model: SegmentationModel) -> None:
    with pytest.raises(DiarError, match=r"`step=11\.0` s must not exceed the 10\.0 s"):
        SpeechDetector(model, torch.device("cpu"), step=11.0, silence_margin=0.0)
