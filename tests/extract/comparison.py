"""Comparing two extractions row by row."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from diar.store.layout import Layout
from diar.store.reader import load_index
from diar.store.schema import matrix


def read_tracks(output: Path, recording_id: str) -> pa.Table:
    with open(Layout(str(output)).tracks(recording_id), "rb") as file:
        return pq.read_table(file)


def assert_same_extraction(first: Path, second: Path, cosine: float = 0.99999) -> None:
    """Same recordings, same intervals, vectors equal up to `cosine`."""
    one, two = load_index(str(first)), load_index(str(second))
    assert one.recording_id == two.recording_id
    assert one.status == two.status
    assert one.unfinished == two.unfinished == 0
    np.testing.assert_array_equal(one.duration, two.duration)
    good = [row for row, status in enumerate(one.status) if status == "ok"]
    assert np.sum(one.embedding[good] * two.embedding[good], axis=1).min() >= cosine
    for row in good:
        left, right = (read_tracks(folder, one.recording_id[row]) for folder in (first, second))
        assert left.drop_columns("embedding").equals(right.drop_columns("embedding"))
        products = np.sum(matrix(left["embedding"]) * matrix(right["embedding"]), axis=1)
        assert products.min() >= cosine, one.recording_id[row]
