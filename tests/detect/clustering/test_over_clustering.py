"""Over-clustering loses no weight, keeps people apart, and needs no square of all rows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diar.detect.clustering import over_clustering
from diar.detect.clustering.over_clustering import cluster_means, over_cluster
from tests.detect.observations_sample import make_voices, unit


def scattered(rows: int, speakers: int, noise: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Embeddings (rows, D) around as many voices, and whose each is."""
    rng = np.random.default_rng(seed)
    who = rng.integers(speakers, size=rows)
    voices = make_voices(speakers, seed)
    around = unit(rng.standard_normal((rows, voices.shape[1])))
    return unit(np.sqrt(1 - noise) * voices[who] + np.sqrt(noise) * around), who


@given(
    labels=st.lists(st.integers(0, 4), min_size=1, max_size=30).map(
        lambda found: np.unique(found, return_inverse=True)[1]
    ),
    seed=st.integers(0, 2**31),
)
def test_means_are_those_of_each_label(labels: np.ndarray, seed: int) -> None:
    rng = np.random.default_rng(seed)
    vectors, weights = rng.standard_normal((len(labels), 3)), rng.uniform(0.1, 2.0, len(labels))
    means, totals = cluster_means(vectors, weights, labels)
    for label in range(labels.max() + 1):
        of = labels == label
        np.testing.assert_allclose(means[label], np.average(vectors[of], axis=0, weights=weights[of]))
        assert totals[label] == pytest.approx(weights[of].sum())


@given(
    rows=st.integers(0, 60), part=st.integers(2, 20), threshold=st.floats(-1.5, 1.5), seed=st.integers(0, 99)
)
def test_no_weight_is_lost(rows: int, part: int, threshold: float, seed: int) -> None:
    vectors, _ = scattered(rows, 3, 0.5, seed)
    weights = np.random.default_rng(seed).uniform(0.1, 2.0, rows)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(over_clustering, "PART", part)
        means, totals = over_cluster(vectors, weights, threshold)
    assert len(means) == len(totals) <= rows
    assert totals.sum() == pytest.approx(weights.sum())
    np.testing.assert_allclose(totals @ means, weights @ vectors, atol=1e-9)
    if threshold > 1.0 + 1e-6:
        assert len(means) == rows
    elif threshold < -1.0 and rows:
        assert len(means) == 1


@pytest.mark.parametrize("rows", [900, 5_000])
def test_voices_stay_apart_in_one_part_and_in_many(rows: int) -> None:
    vectors, who = scattered(rows, 8, 0.3, 1)
    means, totals = over_cluster(vectors, np.ones(rows), 0.5)
    assert len(means) == 8
    found = (unit(means) @ make_voices(8, 1).T).argmax(axis=1)
    assert sorted(found) == list(range(8))
    np.testing.assert_array_equal(totals[np.argsort(found)], np.bincount(who))


def test_no_more_than_a_part_is_compared_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    largest = []
    original = over_clustering.average_linkage

    def noted(similarities: np.ndarray, threshold: float) -> np.ndarray:
        largest.append(len(similarities))
        return original(similarities, threshold)

    monkeypatch.setattr(over_clustering, "average_linkage", noted)
    vectors, _ = scattered(3_500, 4, 0.9, 0)  # so scattered that nothing is alike
    means, _ = over_cluster(vectors, np.ones(len(vectors)), 0.6)
    assert max(largest) == over_clustering.PART
    assert len(means) > 0.9 * len(vectors)
