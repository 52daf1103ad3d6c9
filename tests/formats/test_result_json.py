"""What the result of boundaries says of itself."""

from dataclasses import replace

import pytest

from diar.formats.result_json import Segment
from tests.outputs.sample import make_result


@pytest.mark.parametrize(
    ("sizes", "told"),
    [
        ([4, 1], "1 to 4 files (median 2.5)"),
        ([9, 1, 3], "1 to 9 files (median 3)"),
        ([1, 2000, 3000, 4000], "1 to 4,000 files (median 2,500)"),
        ([3, 3], "2 segments of 3 files"),
    ],
)
def test_the_median_of_segments_lies_in_the_middle(sizes: list[int], told: str) -> None:
    segments = [Segment(i + 1, "1", "", 0, n, "a", "b", n, 0.8) for i, n in enumerate(sizes)]
    assert told in replace(make_result(), segments=segments).summary()
