"""The clusterers of windows: against scipy, on voices easily told apart, within bounds."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.cluster.hierarchy import fcluster, linkage

from diar.detect.clustering.ahc import cluster_ahc
from diar.detect.clustering.similarity import unit_rows
from diar.detect.clustering.speaker_count import SpeakerCount
from diar.detect.clustering.spectral import cluster_spectral
from tests.detect.clustering.test_over_clustering import scattered
from tests.detect.observations_sample import make_voices, unit

Clusterer = Callable[[np.ndarray, np.ndarray, SpeakerCount], np.ndarray]


def ahc(vectors: np.ndarray, weights: np.ndarray, count: SpeakerCount) -> np.ndarray:
    return cluster_ahc(vectors, weights, count, threshold=0.4, least_seconds=2.0)


def spectral(vectors: np.ndarray, weights: np.ndarray, count: SpeakerCount) -> np.ndarray:
    return cluster_spectral(vectors, weights, count, least_seconds=2.0)


BOTH = pytest.mark.parametrize("cluster", [ahc, spectral])
counts = st.one_of(
    st.builds(SpeakerCount, st.integers(1, 6)),
    st.tuples(st.integers(1, 6), st.integers(0, 4)).map(lambda b: SpeakerCount(b[0], b[0] + b[1])),
)


@given(rows=st.integers(2, 40), threshold=st.floats(-0.2, 0.95), seed=st.integers(0, 999))
def test_ahc_is_average_linkage_of_cosines(rows: int, threshold: float, seed: int) -> None:
    vectors, _ = scattered(rows, 4, 0.5, seed)
    tree = linkage(vectors, "average", metric="cosine")
    labels = fcluster(tree, 1 - threshold, criterion="distance")
    expected = unit_rows(np.array([vectors[labels == label].mean(axis=0) for label in np.unique(labels)]))
    found = cluster_ahc(vectors, np.ones(rows), SpeakerCount(), threshold=threshold, least_seconds=0.0)
    assert found.shape == expected.shape
    assert (found @ expected.T).max(axis=1) == pytest.approx(1.0)
    assert (found @ expected.T).max(axis=0) == pytest.approx(1.0)


@BOTH
@pytest.mark.parametrize("speakers", [2, 3, 4, 5, 6])
def test_voices_are_found(cluster: Clusterer, speakers: int) -> None:
    vectors, _ = scattered(150, speakers, 0.3, 5)
    found = cluster(vectors, np.ones(150), SpeakerCount())
    assert len(found) == speakers
    match = found @ make_voices(speakers, 5).T
    assert sorted(match.argmax(axis=1)) == list(range(speakers))
    assert match.max(axis=1).min() > 0.95


@BOTH
def test_a_voice_of_too_few_seconds_is_none_unless_so_many_are_asked_for(cluster: Clusterer) -> None:
    voices = make_voices(3, 2)
    rng = np.random.default_rng(0)
    rows = voices[[0] * 40 + [1] * 40 + [2] * 8]
    vectors = unit(rows + 0.05 * rng.standard_normal(rows.shape))
    weights = np.repeat([0.5, 0.2], [80, 8])
    assert len(cluster(vectors, weights, SpeakerCount())) == 2
    assert len(cluster(vectors, weights, SpeakerCount(3, 3))) == 3


@BOTH
@given(rows=st.integers(0, 30), speakers=st.integers(1, 5), count=counts, seed=st.integers(0, 999))
def test_bounds_are_kept(
    cluster: Clusterer, rows: int, speakers: int, count: SpeakerCount, seed: int
) -> None:
    vectors, _ = scattered(rows, speakers, 0.4, seed)
    found = cluster(vectors, np.random.default_rng(seed).uniform(0.1, 1.0, rows), count)
    assert found.shape[1] == vectors.shape[1]
    assert np.linalg.norm(found, axis=1) == pytest.approx(1.0)
    assert len(found) >= min(count.minimum, rows, 1)
    if rows >= 10:  # fewer may be too few for a graph
        assert len(found) >= count.minimum
    if count.maximum is not None:
        assert len(found) <= count.maximum


@BOTH
@pytest.mark.filterwarnings("ignore:Number of distinct clusters")
def test_embeddings_that_are_all_the_same(cluster: Clusterer) -> None:
    vectors = np.repeat(make_voices(1), 12, axis=0)
    assert len(cluster(vectors, np.ones(12), SpeakerCount())) == 1
    found = cluster(vectors, np.ones(12), SpeakerCount(3, 3))  # nor are there three of them
    assert found @ vectors[0] == pytest.approx(1.0)
