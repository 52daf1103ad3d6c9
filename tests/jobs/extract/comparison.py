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
    """Same recordings, same intervals, probabilities equal up to rounding, vectors up to `cosine`."""
    one, two = load_index(str(first)), load_index(str(second))
    assert one.recording_id == two.recording_id
    assert one.status == two.status
    assert one.unfinished == two.unfinished == 0
    np.testing.assert_array_equal(one.duration, two.duration)
    good = [row for row, status in enumerate(one.status) if status == "ok"]
    assert np.sum(one.embedding[good] * two.embedding[good], axis=1).min() >= cosine
    for row in good:
        left, right = (read_tracks(folder, one.recording_id[row]) for folder in (first, second))
        computed = ["embedding", "activity", "norm"]
        assert left.drop_columns(computed).equals(right.drop_columns(computed))
        for one_row, other in zip(left["activity"].to_pylist(), right["activity"].to_pylist(), strict=True):
            steps = np.frombuffer(one_row, np.uint8).astype(int) - np.frombuffer(other, np.uint8)
            assert np.abs(steps).max(initial=0) <= 1
        norms = [table["norm"].to_numpy() for table in (left, right)]
        np.testing.assert_allclose(norms[0], norms[1], rtol=1e-2)
        # Stored with 12 bits, vectors are not exactly of unit length
        stored = [matrix(table["embedding"]).astype(np.float64) for table in (left, right)]
        unit = [vectors / np.linalg.norm(vectors, axis=1, keepdims=True) for vectors in stored]
        assert np.sum(unit[0] * unit[1], axis=1).min() >= cosine, one.recording_id[row]
