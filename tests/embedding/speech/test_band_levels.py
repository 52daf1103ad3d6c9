"""Levels of bands against NumPy, frame by frame."""

import numpy as np
import pytest
import torch

from diar.embedding.speech.band_levels import BANDS, FINE_BANDS, BandLevels
from diar.models.segmentation.base import FrameGeometry

RATE, SIZE, HOP = 16_000, 991, 270
FRAMES = FrameGeometry(SIZE, HOP)


def triangles(bands: int, size: int) -> np.ndarray:
    """(bins, bands) weights of triangles that are even on the mel scale, 100 to 8000 Hz."""

    def mel(hertz: np.ndarray) -> np.ndarray:
        return 1127 * np.log(1 + hertz / 700)

    edges = np.linspace(mel(np.array(100.0)), mel(np.array(8000.0)), bands + 2)
    at = mel(np.arange(size // 2 + 1) * RATE / size)[:, None]
    rise, fall = (at - edges[:-2]) / (edges[1] - edges[0]), (edges[2:] - at) / (edges[1] - edges[0])
    return np.clip(np.minimum(rise, fall), 0, None)


def decibel(power: np.ndarray) -> np.ndarray:
    return 10 * np.log10(np.maximum(power, 1e-12))


def reference(samples: np.ndarray) -> np.ndarray:
    """(bands, frames), smoothed over five frames or as many of them as there are."""
    coarse, fine = triangles(BANDS, 512), triangles(FINE_BANDS, 1024)
    levels = []
    for start in range(0, len(samples) - SIZE + 1, HOP):
        frame = samples[start : start + SIZE].astype(np.float64)
        middle = frame[(SIZE - 512) // 2 :][:512]
        power = np.abs(np.fft.rfft((middle - middle.mean()) * np.hanning(512))) ** 2
        every = np.abs(np.fft.rfft((frame - frame.mean()) * np.hanning(SIZE), 1024)) ** 2
        levels.append(np.concatenate([decibel(power @ coarse), decibel(every) @ (fine / fine.sum(axis=0))]))
    level = np.stack(levels, axis=1)
    around = [level[:, max(0, i - 2) : i + 3].mean(axis=1) for i in range(level.shape[1])]
    return np.stack(around, axis=1)


def levels_of(samples: np.ndarray) -> np.ndarray:
    return BandLevels(FRAMES)(torch.from_numpy(samples[None].astype(np.float32))).numpy()[0]


def test_levels_are_those_of_the_definition() -> None:
    rng = np.random.default_rng(5)
    samples = 0.1 * rng.standard_normal(RATE) * np.linspace(0.01, 1, RATE) + 0.2
    found, expected = levels_of(samples), reference(samples.astype(np.float32))
    assert found.shape == (BANDS + FINE_BANDS, FRAMES.num_frames(RATE))
    np.testing.assert_allclose(found, expected, atol=0.02)


def test_digital_silence_has_no_level_and_takes_none_from_its_neighbours() -> None:
    sound = 0.1 * np.random.default_rng(6).standard_normal(RATE)
    samples = np.concatenate([sound, np.zeros(RATE), sound])
    found = levels_of(samples)
    centres = FRAMES.first_center + np.arange(found.shape[1]) * FRAMES.step_seconds
    inside = (centres > 1.02) & (centres < 1.98)
    assert np.isnan(found[:, inside]).all()
    assert not np.isnan(found[:, (centres < 0.98) | (centres > 2.02)]).any()
    np.testing.assert_allclose(found[:, :30], levels_of(sound)[:, :30], atol=1e-3)


def test_frames_must_fit_the_bands() -> None:
    with pytest.raises(ValueError, match="frames of 1025 samples"):
        BandLevels(FrameGeometry(1025, HOP))


def test_short_frames_are_seen_with_what_is_around_them() -> None:
    """Frames of 25 ms, as WavLM's: the same bands in 62 ms around their centres, mirrored at the ends."""
    short, long = FrameGeometry(400, 320), FrameGeometry(992, 320)
    samples = torch.from_numpy(0.1 * np.random.default_rng(8).standard_normal((1, RATE)).astype(np.float32))
    found = BandLevels(short)(samples)
    assert found.shape == (1, BANDS + FINE_BANDS, short.num_frames(RATE))
    mirrored = torch.nn.functional.pad(samples, (296, 296), mode="reflect")
    torch.testing.assert_close(found, BandLevels(long)(mirrored))
    assert short.first_center + 296 / RATE == pytest.approx(long.first_center)
    assert not found.isnan().any()


def test_partials_of_music_fill_bands_but_few_bins() -> None:
    """Notes of eight partials that sound half the time rise less out of noise in fine bands."""
    rng = np.random.default_rng(7)
    time = np.arange(6 * RATE) / RATE
    tones = sum(np.sin(2 * np.pi * 220 * partial * time) for partial in range(1, 9))
    samples = 0.0005 * rng.standard_normal(len(time)) + 0.01 * tones * np.clip(np.sin(2 * np.pi * time), 0, 1)
    level = levels_of(samples)
    above = level - np.percentile(level, 10, axis=1, keepdims=True)
    assert above[BANDS:].mean() < 0.8 * above[:BANDS].mean()
