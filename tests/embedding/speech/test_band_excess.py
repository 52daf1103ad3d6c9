"""Levels above the noise floor, on signals and levels whose bands are known."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from diar.embedding.speech.band_excess import band_excess, floor_by_sorting, noise_floor
from diar.embedding.speech.band_levels import BANDS, FINE_BANDS, BandLevels
from diar.models.segmentation.base import FrameGeometry

RATE = 16_000
FRAMES = FrameGeometry(991, 270)
STEP = FRAMES.step_seconds


def noise(seconds: float, level: float, seed: int) -> np.ndarray:
    return level * np.random.default_rng(seed).standard_normal(round(seconds * RATE))


def excess_of(levels: np.ndarray, speech: np.ndarray) -> np.ndarray:
    """(frames,) of (bands, frames) and (frames,)."""
    tensors = (torch.from_numpy(values[None].astype(np.float32)) for values in (levels, speech))
    return band_excess(*tensors, STEP)[0].numpy()


def levels_of(samples: np.ndarray) -> np.ndarray:
    return BandLevels(FRAMES)(torch.from_numpy(samples.astype(np.float32)[None]))[0].numpy()


def reference(level: np.ndarray, speech: np.ndarray) -> np.ndarray:
    """The excess of one chunk without digital zeros, written as the formula is, in float64."""

    def fisher(values: np.ndarray) -> float:
        quiet, loud = values[silence], values[voice]
        return (loud.mean() - quiet.mean()) ** 2 / (loud.var() + quiet.var() + 1e-6) + 1e-6

    def weighted(bands: np.ndarray) -> np.ndarray:
        told = np.maximum(bands[:, voice].mean(axis=1) - bands[:, silence].mean(axis=1), 0)
        weights = told / (bands[:, silence].var(axis=1) + 3)
        return np.average(bands, axis=0, weights=weights if weights.any() else None)

    above = np.clip(level - np.percentile(level, 10, axis=1, keepdims=True), 0, 20)
    bands, fine = above[:BANDS], above[BANDS:]
    silence, voice = speech < 0.1, speech > 0.95
    if min(silence.sum(), voice.sum()) < 1 / STEP:
        return np.minimum(bands.mean(axis=0), fine.mean(axis=0))
    coarse, finer = weighted(bands), weighted(fine)
    return np.minimum(coarse, finer) if fisher(finer) > 1.1 * fisher(coarse) else coarse


@pytest.mark.parametrize("seed", range(6))
def test_the_excess_is_the_formulas(seed: int) -> None:
    rng = np.random.default_rng(seed)
    level = rng.normal(0, 4, (BANDS + FINE_BANDS, 600)) + rng.normal(0, 6, (BANDS + FINE_BANDS, 1))
    level[:, 200:400] += rng.uniform(0, 15, (BANDS + FINE_BANDS, 1))
    speech = np.where((np.arange(600) // 200) == 1, 0.99, 0.02 if seed % 3 else 0.5)
    level, speech = level.astype(np.float32), speech.astype(np.float32)
    assert excess_of(level, speech) == pytest.approx(reference(level, speech), abs=1e-3)


def test_zeros_have_no_excess_and_do_not_count() -> None:
    rng = np.random.default_rng(1)
    level, speech = rng.normal(0, 4, (BANDS + FINE_BANDS, 500)), np.repeat([0.02, 0.98], 250)
    gap = np.r_[40:90, 300:310]
    with_gap, speech_with_gap = np.insert(level, gap, np.nan, axis=1), np.insert(speech, gap, 0.01)
    found = excess_of(with_gap, speech_with_gap)
    zero = np.isnan(with_gap[0])
    assert np.isnan(found[zero]).all()
    assert found[~zero] == pytest.approx(excess_of(level, speech), abs=1e-4)
    assert np.isnan(excess_of(np.full_like(level, np.nan), speech)).all()


@settings(max_examples=60)
@given(frames=st.integers(1, 60), zeros=st.integers(0, 60), seed=st.integers(0, 99))
def test_both_ways_to_the_floor_agree(frames: int, zeros: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    level = rng.normal(-40, 10, (3, 5, frames)).astype(np.float32)
    level[1, :, rng.permutation(frames)[: min(zeros, frames)]] = np.nan
    tensor = torch.from_numpy(level)
    assert torch.allclose(noise_floor(tensor), floor_by_sorting(tensor), atol=1e-4, equal_nan=True)


def test_a_band_that_sounds_in_silence_counts_little() -> None:
    """A tone that comes and goes at 1 kHz, as music does, under bursts of noise that are the speech."""
    voice, rest = noise(3, 0.05, 1), noise(3, 0.0005, 2)
    time = np.arange(9 * RATE) / RATE
    tone = 0.02 * np.sin(2 * np.pi * 1000 * time) * (np.sin(2 * np.pi * 1.5 * time) > 0)
    levels = levels_of(np.concatenate([voice, rest, voice]) + tone)
    levels[BANDS:] = levels[:FINE_BANDS]  # fine ones that tell nothing more
    centres = FRAMES.first_center + np.arange(levels.shape[1]) * STEP
    speech = np.where((centres > 3) & (centres < 6), 0.05, 0.97)
    inside = (centres > 3.2) & (centres < 5.8)
    weighted = excess_of(levels, speech)[inside]
    equal = excess_of(levels, np.full_like(speech, 0.5))[inside]
    assert weighted.mean() < 0.7 * equal.mean()


@pytest.mark.parametrize(("spread", "fine_spread", "fine"), [(4.0, 0.5, True), (0.5, 4.0, False)])
def test_fine_bands_count_where_they_tell_more(spread: float, fine_spread: float, fine: bool) -> None:
    """What sounds in silence is spread over the bands, or over the fine ones."""
    rng = np.random.default_rng(8)
    silence = np.arange(400) % 100 < 40
    level = np.where(silence, 0.0, 12.0) + np.zeros((BANDS + FINE_BANDS, 1))
    level[:BANDS] += spread * rng.random(400) * silence
    level[BANDS:] += fine_spread * rng.random(400) * silence
    speech = np.where(silence, 0.01, 0.99)
    found = excess_of(level, speech)
    coarse = level.copy()
    coarse[BANDS:] = coarse[:1]
    alone = excess_of(coarse, speech)
    assert (found < alone - 0.1).any() == fine
    assert (found <= alone + 1e-4).all()
