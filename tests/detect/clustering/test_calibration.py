"""What a cosine means in a recording: by its own pairs, by its band, and translated thresholds."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diar.detect.clustering.calibration import REFERENCE, calibrated, different_cosine, translated
from diar.detect.clustering.iterative import IterativeSettings
from diar.detect.observations import LocalSpeakers, Observations, Windows
from diar.intervals import IntervalLists


def talk(cosine: float, pairs: int, *, clean: float = 3.0, narrow_band: bool = False) -> Observations:
    """Two local speakers in each of so many seg_windows, their embeddings as alike as said."""
    embedding = np.tile([[1.0, 0.0], [cosine, np.sqrt(1 - cosine**2)]], (pairs, 1)).astype(np.float32)
    local = LocalSpeakers(
        seg_window=np.repeat(np.arange(pairs), 2),
        seg_window_start=np.arange(pairs) * 5.0,
        seg_window_end=np.arange(pairs) * 5.0 + 10,
        speech_seconds=np.full(2 * pairs, 4.0),
        clean_seconds=np.full(2 * pairs, clean),
        embedding=embedding,
        activity=np.zeros((2 * pairs, 589), np.uint8),
        active=IntervalLists.of([np.empty((0, 2))] * 2 * pairs),
        norm=np.ones(2 * pairs, np.float32),
    )
    nothing = Windows(np.empty(0), np.empty(0), np.empty(0), np.empty((0, 2), np.float32))
    return Observations(10.0 + 5 * pairs, nothing, local, 0.031, 0.016875, narrow_band)


@pytest.mark.parametrize("cosine", [0.05, 0.22, 0.6])
def test_many_pairs_decide_and_few_are_shrunk(cosine: float) -> None:
    assert different_cosine(talk(cosine, 1000)) == pytest.approx(cosine, abs=0.01)
    few = different_cosine(talk(cosine, 3))
    assert min(cosine, REFERENCE) - 1e-6 <= few <= max(cosine, REFERENCE) + 1e-6
    assert abs(few - REFERENCE) < abs(cosine - REFERENCE) / 3 + 1e-6


def test_a_recording_that_shows_no_pairs_is_judged_by_its_band() -> None:
    wide, narrow = talk(0.9, 20, clean=0.5), talk(0.9, 20, clean=0.5, narrow_band=True)
    assert different_cosine(wide) == REFERENCE
    assert different_cosine(narrow) > REFERENCE + 0.1
    empty = replace(wide, local=wide.local.between(-10, -5))
    assert different_cosine(empty) == REFERENCE


@given(threshold=st.floats(-0.5, 0.99), different=st.floats(-0.2, 0.95))
def test_thresholds_keep_their_share_of_the_way_to_one(threshold: float, different: float) -> None:
    found = translated(threshold, different)
    assert (1 - found) / (1 - different) == pytest.approx((1 - threshold) / (1 - REFERENCE))
    assert translated(threshold, REFERENCE) == pytest.approx(threshold)


def test_all_cosines_are_translated_and_nothing_else() -> None:
    given_, found = IterativeSettings(), calibrated(IterativeSettings(), 0.45)
    assert given_.stray_cosine < given_.threshold < given_.start_threshold
    assert found.stray_cosine < found.threshold < found.start_threshold
    assert found.threshold > given_.threshold
    assert found.coexistence_penalty == given_.coexistence_penalty
