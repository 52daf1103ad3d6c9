"""benchmarks/pairs.py: the line of a recording says what its threshold is made of."""

import pairs
import pytest

from tests.detect.clustering.test_calibration import talk


def test_a_line_says_what_the_threshold_is_made_of() -> None:
    band, count, _, median, _, different, threshold = pairs.columns(talk(0.5, 100, narrow_band=True))
    assert (band, count, median) == ("narrow", "100", "0.50")
    assert float(different) == pytest.approx(0.5, abs=0.02)
    assert float(different) < float(threshold) < 1
    assert pairs.columns(talk(0.5, 3, clean=0.1))[:3] == ["wide", "0", "–"]
