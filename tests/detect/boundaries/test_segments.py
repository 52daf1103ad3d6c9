"""Speakers, odd files, confidence and sequences on simulated archives."""

import numpy as np
import pytest

from diar.detect.boundaries import odd_files, speakers
from diar.detect.boundaries.confidence import separation
from diar.detect.boundaries.odd_files import measure_fit, similarity_to_rest
from diar.detect.boundaries.scatter import robust_center
from diar.detect.boundaries.segments import Found, find_segments
from diar.detect.boundaries.sequences import split_archive
from diar.detect.boundaries.settings import BoundarySettings
from diar.detect.boundaries.speakers import adaptive_threshold, link_segments, number_by_appearance
from tests.detect.boundaries.synthetic import make_archive, unit


def find(embeddings: np.ndarray, **options: object) -> Found:
    names = [f"{i}.wav" for i in range(len(embeddings))]
    sequences = split_archive(names, np.ones(len(embeddings), dtype=bool), by_folder=False)
    speech = np.full(len(embeddings), 2.0)
    return find_segments(embeddings, speech, sequences, BoundarySettings(**options))


def starts(found: Found) -> list[int]:
    return found.segmentation.starts[1:].tolist()


def test_returning_speakers_get_their_number_back() -> None:
    order = [0, 1, 0, 2, 1, 3]
    archive = make_archive([15] * 6, speakers=order, seed=1)
    assert find(archive.embeddings).speakers.tolist() == order
    assert find(archive.embeddings, link=False).speakers.tolist() == list(range(6))
    assert find(archive.embeddings, link_threshold=0.99).speakers.tolist() == list(range(6))


@pytest.mark.parametrize("direct", [4_096, 5])
def test_linking_many_segments(direct: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speakers, "_DIRECT", direct)
    monkeypatch.setattr(speakers, "_BATCH", 16)
    rng = np.random.default_rng(2)
    truth = number_by_appearance(rng.integers(60, size=200))
    voices = unit(rng.standard_normal((60, 64)))
    centers = unit(voices[truth] + 0.04 * rng.standard_normal((200, 64)))
    assert link_segments(centers, np.full(200, 10), 0.7).tolist() == truth.tolist()


def test_linking_equals_average_linkage_over_all_pairs() -> None:
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import pdist

    centers = unit(np.random.default_rng(3).standard_normal((80, 4)))
    tree = linkage(pdist(centers, lambda a, b: 1 - a @ b), method="average")
    reference = number_by_appearance(fcluster(tree, 1 - 0.6, criterion="distance"))
    assert link_segments(centers, np.ones(80), 0.6).tolist() == reference.tolist()


def test_the_threshold_lies_between_strangers_and_halves() -> None:
    archive = make_archive([20] * 30, noise=0.5, seed=4)
    parts = np.split(archive.embeddings, archive.boundaries)
    centers = np.stack([robust_center(part) for part in parts])
    cosines = np.einsum("nd,nd->n", centers[1:], centers[:-1])
    threshold = adaptive_threshold(parts, cosines)
    pairs = (centers @ centers.T)[np.triu_indices(30, 1)]
    assert pairs.max() < threshold < 0.9


def test_one_speaker_cut_into_expected_segments_stays_one() -> None:
    archive = make_archive([200], noise=0.4, seed=14)
    found = find(archive.embeddings, segment_size=20, boundary_window=5)
    assert starts(found) == list(range(20, 200, 20))
    assert set(found.speakers) == {0}
    assert found.separation[1:].max() < 0.05


def test_odd_files_are_found() -> None:
    odd = [7, 33, 52, 90, 131]
    archive = make_archive([25] * 6, odd=odd, noise=0.35, seed=5)
    fit = find(archive.embeddings).fit
    assert np.flatnonzero(fit.odd_probability > 0.5).tolist() == odd
    assert not fit.unclear.any()


def test_silence_in_several_segments_is_unclear_not_foreign() -> None:
    archive = make_archive([25] * 6, noise=0.35, seed=6)
    silence = unit(np.random.default_rng(0).standard_normal(64))
    silent = [10, 40, 41, 99]
    archive.embeddings[silent] = unit(silence + 0.01 * np.random.default_rng(1).standard_normal((4, 64)))
    found = find(archive.embeddings)
    assert starts(found) == archive.boundaries
    assert np.flatnonzero(found.fit.unclear).tolist() == silent


def test_closest_misfits_of_very_many(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = unit(np.random.default_rng(7).standard_normal((50, 8)))
    similar = vectors @ vectors.T
    np.fill_diagonal(similar, -1)
    monkeypatch.setattr(odd_files, "_BATCH", 7)
    np.testing.assert_allclose(odd_files._closest(vectors), similar.max(axis=1))
    monkeypatch.setattr(odd_files, "_MOST_MISFITS", 20)
    assert (odd_files._closest(vectors) <= similar.max(axis=1) + 1e-12).all()


def test_similarity_leaves_the_file_itself_out() -> None:
    part = make_archive([3], seed=8).embeddings
    rest = similarity_to_rest(part)
    assert rest[0] == pytest.approx(part[0] @ unit(part[1:].sum(axis=0)), abs=0.05)
    assert similarity_to_rest(part[:1]).tolist() == [1.0]


def test_one_segment_alone_has_a_fit() -> None:
    archive = make_archive([40], odd=[11], noise=0.3, seed=9).embeddings
    one = (np.zeros(1, dtype=int), robust_center(archive)[None], 0.5)
    fit = measure_fit(archive, np.full(40, 2.0), *one)
    assert np.flatnonzero(fit.odd_probability > 0.5).tolist() == [11]
    assert not fit.unclear.any()


def test_a_misfit_with_hardly_any_speech_is_unclear() -> None:
    archive = make_archive([40], odd=[11], noise=0.3, seed=9).embeddings
    speech = np.full(40, 2.0)
    speech[[5, 11]] = 0.3  # 5 fits its segment all the same
    fit = measure_fit(archive, speech, np.zeros(1, dtype=int), robust_center(archive)[None], 0.5)
    assert np.flatnonzero(fit.unclear).tolist() == [11]


@pytest.mark.parametrize("min_segment", [1, 3])
def test_a_segment_of_strangers_is_told(min_segment: int) -> None:
    strangers = unit(np.random.default_rng(3).standard_normal((77, 192))).astype(np.float32)
    found = find(strangers, min_segment=min_segment)
    assert found.warnings and "of 77 files in all without a common voice" in found.warnings[0]
    for noise in (0.3, 0.6):
        assert find(make_archive([30, 30], odd=[3, 9, 40], noise=noise, seed=4).embeddings).warnings == []


@pytest.mark.parametrize("copies", [2, 3])
@pytest.mark.parametrize("change", [0.0, 0.005])
def test_copies_of_files_are_no_proof_of_little_noise(copies: int, change: float) -> None:
    """Where each file stands there twice, neighbours are alike, but files of a speaker are not."""
    once = make_archive([10] * 5, speakers=[0, 1, 2, 0, 3], noise=0.35, seed=5).embeddings
    often = np.repeat(once, copies, axis=0).astype(np.float64)
    rng = np.random.default_rng(6)
    often = unit(often + np.sqrt(change) * unit(rng.standard_normal(often.shape))).astype(np.float32)
    found, plain = find(often), find(once)
    assert starts(plain) == [10, 20, 30, 40]
    assert starts(found) == [copies * start for start in starts(plain)]
    assert found.speakers.tolist() == plain.speakers.tolist()
    assert found.thresholds["penalty"] == pytest.approx(plain.thresholds["penalty"], rel=0.1)


def test_drift_within_a_speaker_is_no_boundary() -> None:
    archive = make_archive([300, 300, 300], speakers=[0, 0, 1], noise=0.3, seed=10)
    drift = 0.25 * unit(np.random.default_rng(11).standard_normal(64))
    archive.embeddings[300:600] = unit(archive.embeddings[300:600] + drift)
    assert starts(find(archive.embeddings)) == [600]


def test_no_change_in_the_window_keeps_the_expected_place() -> None:
    archive = make_archive([20, 40, 20], speakers=[0, 1, 2], noise=0.3, seed=12)
    found = find(archive.embeddings, segment_size=20, boundary_window=4)
    assert starts(found) == [20, 40, 60]
    assert found.separation[2] < 0.1 < 0.9 < found.separation[1]
    assert found.cuts[2] is not None and "no change of speaker" in (found.cuts[2].fallback or "")
    assert found.speakers.tolist() == [0, 1, 1, 2]
    assert "hold no change of speaker" in found.warnings[0]


def test_a_window_over_half_a_segment_is_reduced_with_a_warning() -> None:
    archive = make_archive([8, 8, 8], noise=0.3, seed=13)
    found = find(archive.embeddings, segment_size=8, boundary_window=10)
    assert starts(found) == [8, 16]
    assert "reduced to 4" in found.warnings[0]


def test_confidence_marks_the_errors() -> None:
    """Over noisy archives, boundaries of low confidence are wrong far more often."""
    right, wrong = [], []
    for seed in range(25):
        archive = make_archive([12] * 8, noise=0.5, odd=[5, 24, 47, 60, 83], seed=seed)
        found = find(archive.embeddings)
        for start, cut, separated in zip(starts(found), found.cuts[1:], found.separation[1:], strict=True):
            confidence = cut.certainty * separated
            (right if start in archive.boundaries else wrong).append(confidence)
    assert len(right) > 100 and len(wrong) > 3
    assert np.median(right) > 0.9 > 0.75 > np.median(wrong)


@pytest.mark.parametrize(
    ("gain", "cosine", "low", "high"), [(9, 0.1, 0.99, 1), (0.5, 0.1, 0, 0.01), (9, 0.95, 0, 0.01)]
)
def test_separation_needs_a_gain_and_two_speakers(
    gain: float, cosine: float, low: float, high: float
) -> None:
    assert low <= separation(np.array([gain]), np.array([cosine]), 1.5, 0.7)[0] <= high


def test_folders_are_sequences_of_their_own() -> None:
    names = ["a/1.wav", "a/b/1.wav", "a/2.wav", "c/1.wav", "a/b/2.wav"]
    sequences = split_archive(names, np.array([True, True, False, True, True]), by_folder=True)
    assert [names[i] for i in sequences.order] == ["a/1.wav", "a/2.wav", "a/b/1.wav", "a/b/2.wav", "c/1.wav"]
    assert sequences.used.tolist() == [0, 2, 3, 4]
    assert sequences.names == ["a", "a/b", "c"]
    assert sequences.starts.tolist() == [0, 1, 3]


@pytest.mark.parametrize("count", [1, 2, 3, 7])
@pytest.mark.parametrize("options", [{}, {"segment_size": 1}, {"segment_size": 2, "use_gmm": True}])
def test_tiny_archives(count: int, options: dict) -> None:
    found = find(make_archive([count]).embeddings, **options)
    assert found.segmentation.counts.sum() == count
    assert np.isfinite(found.fit.similarity).all()
