"""What is told of errors without a reference."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from diar.detect.clustering.choose import ClusteringSettings, find_centroids
from diar.detect.diarize import DiarizeSettings, diarize
from diar.detect.observations import Observations
from diar.detect.quality import Quality, estimate, together
from tests.detect.observations_sample import converse, make_voices, observe

VOICES = make_voices(4, 5)
PLAIN = ClusteringSettings()


def observed(voices: np.ndarray, seed: int = 1) -> Observations:
    return observe(converse(voices, 90.0, overlap=0.2, seed=seed))


def told(seen: Observations, centroids: np.ndarray, misheard: float = 0.1) -> Quality:
    found = estimate(seen, centroids, misheard, PLAIN, find_centroids)
    assert found is not None
    return found


def test_clear_voices_are_stable() -> None:
    assert told(observed(VOICES[:3]), VOICES[:3]).unstable < 0.05


def test_what_other_clusterings_tell_otherwise_is_unstable() -> None:
    """One voice that was told as two: whatever clusters it again finds one, or divides it otherwise."""
    seen, random = observed(VOICES[:1]), np.random.default_rng(0)
    around = VOICES[:1] + random.normal(0, 0.3 / np.sqrt(VOICES.shape[1]), (2, VOICES.shape[1]))
    halves = around / np.linalg.norm(around, axis=1, keepdims=True)
    assert told(seen, halves).unstable > 0.2 > 0.05 > told(seen, VOICES[:1]).unstable


def test_thresholds_are_moved_and_parts_are_clustered() -> None:
    seen, asked = observed(VOICES[:2]), list[tuple[float, float]]()

    def cluster(part: Observations, settings: ClusteringSettings) -> np.ndarray:
        asked.append((len(part.windows) / len(seen.windows), settings.iterative.threshold))
        return VOICES[:2]

    assert estimate(seen, VOICES[:2], 0.0, PLAIN, cluster) is not None
    shares, thresholds = zip(*asked, strict=True)
    assert shares == pytest.approx((0.5, 0.5, 0.5, 1, 1), abs=0.05)
    assert thresholds == pytest.approx((0.6, 0.6, 0.6, 0.54, 0.66))


def test_unsure_is_the_less_likely_answer_a_second_of_speech() -> None:
    seen = observed(VOICES[:3])
    activity = np.random.default_rng(3).integers(0, 256, seen.local.activity.shape, np.uint8)
    found = told(replace(seen, local=replace(seen.local, activity=activity)), VOICES[:3])
    probability = activity.astype(np.float64) / 255
    assert found.unsure == pytest.approx(np.minimum(probability, 1 - probability).sum() / probability.sum())


def test_a_recording_without_speech_has_no_estimate() -> None:
    seen = observed(VOICES[:2])
    silent = replace(seen, windows=seen.windows[:0], local=seen.local.between(-2, -1))
    assert estimate(silent, VOICES[:0], 0.0, PLAIN, find_centroids) is None
    assert diarize(silent, DiarizeSettings(quality=True)).quality is None


def test_sides_count_by_their_speech() -> None:
    sides = [Quality(30.0, 0.2, 0.4, 0.1, 0.1), None, Quality(10.0, 0.0, 0.2, 0.5, 0.3)]
    means = (pytest.approx(mean) for mean in (0.15, 0.35, 0.2, 0.15))
    assert together(sides) == Quality(40.0, *means)
    assert together([None]) is None and Quality(1.0, 1.0, 1.0, 1.0, 1.0).estimated_der == 1.0


def test_noise_is_the_amplitude_of_faint_frames_over_that_of_loud_ones() -> None:
    seen = observed(VOICES[:2])
    assert told(seen, VOICES[:2]).noisy == 0, "not known"
    quiet, loud = (told(replace(seen, level_range=range_), VOICES[:2]) for range_ in (40.0, 6.0))
    assert (quiet.noisy, loud.noisy) == (pytest.approx(0.01), pytest.approx(0.501, abs=1e-3))
    assert loud.estimated_der > quiet.estimated_der


def test_diarize_tells_it_where_it_is_asked_for() -> None:
    seen = observed(VOICES[:3])
    assert diarize(seen, DiarizeSettings()).quality is None
    found = diarize(seen, DiarizeSettings(quality=True)).quality
    assert found is not None and 0 < found.estimated_der < 0.5
    assert list(found.figures()) == ["estimated_der", "misheard", "unsure", "noisy", "unstable"]
    assert found.misheard == pytest.approx(found.figures()["misheard"], abs=1e-4)
