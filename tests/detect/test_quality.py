"""What is told of errors without a reference."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from diar.detect.diarize import DiarizeSettings, diarize
from diar.detect.observations import Observations
from diar.detect.quality import Quality, estimate, together
from tests.detect.observations_sample import converse, make_voices, observe

VOICES = make_voices(4, 5)


def observed(voices: np.ndarray, seed: int = 1) -> Observations:
    return observe(converse(voices, 60.0, overlap=0.2, seed=seed))


def unit(rows: np.ndarray) -> np.ndarray:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def blurred(seen: Observations, noise: float) -> Observations:
    """Return the same with noise on each window's embedding."""
    random = np.random.default_rng(0)
    rows = seen.windows.embedding
    added = random.normal(0, noise / np.sqrt(rows.shape[1]), rows.shape)
    return replace(seen, windows=replace(seen.windows, embedding=unit(rows + added)))


def test_voices_that_are_hardly_apart_are_in_doubt() -> None:
    apart = observed(VOICES[:2])
    alike = unit(np.stack([VOICES[0], VOICES[0] + 0.4 * VOICES[1]]))
    near = observed(alike)
    sure, doubtful = estimate(apart, VOICES[:2]), estimate(near, alike)
    assert sure is not None and doubtful is not None
    assert sure.doubt < 0.01 < 0.1 < doubtful.doubt <= 0.5
    assert sure.estimated_der < doubtful.estimated_der


def test_noise_spreads_windows() -> None:
    seen = observed(VOICES[:2])
    spreads = [estimate(blurred(seen, noise), VOICES[:2]) for noise in (0.0, 0.3, 1.0)]
    values = [one.spread for one in spreads if one is not None]
    assert values == sorted(values) and values[2] > values[0] + 0.1


def test_unsure_is_the_less_likely_answer_a_second_of_speech() -> None:
    seen = observed(VOICES[:3])
    activity = np.random.default_rng(3).integers(0, 256, seen.local.activity.shape, np.uint8)
    found = estimate(replace(seen, local=replace(seen.local, activity=activity)), VOICES[:3])
    probability = activity.astype(np.float64) / 255
    assert found is not None
    assert found.unsure == pytest.approx(np.minimum(probability, 1 - probability).sum() / probability.sum())


def test_a_recording_without_speech_has_no_estimate() -> None:
    seen = observed(VOICES[:2])
    silent = replace(seen, windows=seen.windows[:0], local=seen.local.between(-2, -1))
    assert estimate(silent, VOICES[:0]) is None
    assert diarize(silent, DiarizeSettings()).quality is None


def test_sides_count_by_their_speech() -> None:
    sides = [Quality(30.0, 0.2, 0.4, 0.1), None, Quality(10.0, 0.0, 0.2, 0.3)]
    assert together(sides) == Quality(40.0, pytest.approx(0.15), pytest.approx(0.35), pytest.approx(0.15))
    assert together([None]) is None and Quality(1.0, 1.0, 1.0, 1.0).estimated_der == 1.0


def test_diarize_tells_it() -> None:
    seen = observed(VOICES[:3])
    found = diarize(seen, DiarizeSettings())
    assert found.quality is not None and 0 < found.quality.estimated_der < 0.5
    assert list(found.quality.figures()) == ["estimated_der", "doubt", "spread", "unsure"]
