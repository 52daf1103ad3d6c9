"""Each way of finding boundaries, against exact references and on simulated archives."""

import numpy as np
import pytest
import ruptures
from hypothesis import given, settings
from hypothesis import strategies as st

from diar.detect.boundaries import changepoint, cosine, gmm
from diar.detect.boundaries.changepoint import default_penalty, find_changepoints
from diar.detect.boundaries.cut import Context
from diar.detect.boundaries.expected import find_expected
from diar.detect.boundaries.placing import place_boundaries
from diar.detect.boundaries.scatter import (
    Noise,
    cosine_across,
    estimate_noise,
    gain,
    robust_center,
    speaker_distance,
)
from diar.detect.boundaries.settings import BoundarySettings
from tests.detect.boundaries.synthetic import make_archive, unit

SIZES = st.lists(st.integers(8, 30), min_size=1, max_size=8)


def place(archive: np.ndarray, **options: object) -> list[int]:
    noise = estimate_noise(archive)
    chosen = BoundarySettings(**options)
    penalty = default_penalty(archive, noise, chosen.min_segment)
    return [cut.index for cut in place_boundaries(archive, chosen, noise, penalty)]


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.floats(0.2, 4.0), st.integers(1, 5))
def test_change_points_are_those_of_ruptures(seed: int, penalty: float, min_segment: int) -> None:
    archive = make_archive([7, 5, 9, 6], noise=0.6, seed=seed).embeddings.astype(np.float64)
    found = find_changepoints(archive, estimate_noise(archive), penalty, min_segment)
    search = ruptures.KernelCPD(kernel="linear", min_size=min_segment).fit(archive)
    assert found.tolist() == search.predict(pen=penalty)[:-1]


def test_long_sequences_give_what_the_exact_search_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    archive = make_archive(rng.integers(6, 60, size=100).tolist(), noise=0.5, odd=range(3, 3000, 97), seed=2)
    noise = estimate_noise(archive.embeddings)
    penalty = default_penalty(archive.embeddings, noise, 4)
    fast = find_changepoints(archive.embeddings, noise, penalty, 4)
    assert len(changepoint.candidate_places(archive.embeddings, noise)) < len(archive.embeddings) / 2
    monkeypatch.setattr(changepoint, "_EXACT", 10**9)
    assert fast.tolist() == find_changepoints(archive.embeddings, noise, penalty, 4).tolist()


@pytest.mark.parametrize("options", [{}, {"segment_size": 20}, {"segment_size": 20, "use_gmm": True}])
@settings(max_examples=15)
@given(jitter=st.lists(st.integers(-3, 3), min_size=2, max_size=9), seed=st.integers(0, 1000))
def test_clear_boundaries_are_found_exactly(options: dict, jitter: list[int], seed: int) -> None:
    archive = make_archive([20 + j for j in jitter], noise=0.35, seed=seed)
    assert place(archive.embeddings, boundary_window=5, min_segment=4, **options) == archive.boundaries


@pytest.mark.parametrize("size", [100, 1000])
@pytest.mark.parametrize("expected", [False, True])
def test_large_blocks(size: int, expected: bool) -> None:
    rng = np.random.default_rng(size)
    sizes = (size + rng.integers(-8, 9, size=12)).tolist()
    archive = make_archive(sizes, noise=0.6, seed=size)
    options = {"segment_size": size} if expected else {}
    assert place(archive.embeddings, **options) == archive.boundaries


@settings(max_examples=20)
@given(SIZES, st.integers(0, 1000))
def test_a_single_foreign_file_makes_no_boundary(sizes: list[int], seed: int) -> None:
    middle = [start + size // 2 for start, size in zip([0, *np.cumsum(sizes)[:-1]], sizes, strict=True)]
    archive = make_archive(sizes, odd=middle, noise=0.35, seed=seed)
    assert place(archive.embeddings, min_segment=4) == archive.boundaries


@pytest.mark.parametrize("noise", [0.2, 0.5, 0.8])
def test_one_speaker_has_no_boundary(noise: float) -> None:
    assert place(make_archive([500], noise=noise, seed=3).embeddings) == []


def test_identical_files_have_no_boundary() -> None:
    same = np.repeat(unit(np.ones((1, 16), dtype=np.float32)), 50, axis=0)
    assert place(same) == []
    assert len(place(same, segment_size=10, use_gmm=True)) == 4


@settings(max_examples=30)
@given(st.integers(5, 12), st.integers(0, 4), st.integers(1, 60), st.integers(0, 100))
def test_expected_boundaries_are_the_best_chain(size: int, window: int, count: int, seed: int) -> None:
    window = min(window, size // 2)
    archive = unit(np.random.default_rng(seed).standard_normal((count, 6)))
    found = find_expected(archive, size, window, 1.0, 0.3)

    def cost(start: int, end: int) -> float:
        return float(end - start - np.linalg.norm(archive[start:end].sum(axis=0)) ** 2 / (end - start))

    best = {0: (0.0, [])}
    for end in range(1, count):
        options = [
            (best[end - n][0] + cost(end - n, end) + 0.3 + 0.3 * ((n - size) / max(window, 1)) ** 2, end - n)
            for n in range(size - window, size + window + 1)
            if end - n in best
        ]
        if options:
            total, start = min(options)
            best[end] = (total, [*best[start][1], end])
    finals = [
        (total + cost(start, count) + 1.0 * (count - start < size - window), chain)
        for start, (total, chain) in best.items()
        if count - start <= size + window
    ]
    assert found.tolist() == min(finals)[1]


def test_expected_boundaries_of_long_archives_do_not_depend_on_the_span(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sizes = (15 + np.random.default_rng(4).integers(-3, 4, size=600)).tolist()
    archive = make_archive(sizes, seed=4)
    assert find_expected(archive.embeddings, 15, 4, 1.5, 0.5).tolist() == archive.boundaries


def test_a_misfit_beside_the_cut_leaves_it_open() -> None:
    archive = make_archive([15, 15], odd=[15], noise=0.2, seed=5)
    sure = cosine.place_cut(make_archive([15, 15], noise=0.2, seed=5).embeddings, Context(0, 12, 15, 18, 30))
    open_cut = cosine.place_cut(archive.embeddings, Context(0, 12, 15, 18, 30))
    assert sure.index == 15 and sure.certainty > 0.99
    assert open_cut.index in (15, 16) and open_cut.certainty < 0.95


def test_gmm_needs_files_on_both_sides() -> None:
    archive = make_archive([20, 2]).embeddings
    with pytest.raises(gmm.GmmError, match="1 files on one side, at least 3"):
        gmm.place_cut(archive, Context(0, 18, 20, 21, 22), 2)


def test_gmm_falls_back_to_cosine_and_says_why() -> None:
    archive = make_archive([4, 4, 4], noise=0.3).embeddings
    noise = estimate_noise(archive)
    cuts = place_boundaries(
        archive, BoundarySettings(segment_size=4, boundary_window=1, use_gmm=True), noise, 1.0
    )
    assert [cut.index for cut in cuts] == [4, 8]
    assert {cut.method for cut in cuts} == {"cosine"}
    assert all("cosine instead of gmm: 2 files on one side" in (cut.fallback or "") for cut in cuts)


def test_noise_is_that_of_the_simulation() -> None:
    archive = make_archive([50] * 40, noise=0.4, seed=6).embeddings
    noise = estimate_noise(archive)
    assert noise.mean == pytest.approx(0.4, abs=0.03)
    spectrum = np.exp(-np.arange(64) / 15)
    spectrum *= 0.4 / spectrum.sum()
    assert noise.deviation == pytest.approx(np.sqrt(2 * (spectrum**2).sum()), rel=0.25)
    assert speaker_distance(archive, noise) == pytest.approx(2 * 0.6 * (1 - 0.08), rel=0.15)
    assert estimate_noise(archive[:1]) == Noise(1.0, 0.0)


def test_gain_is_the_scatter_that_a_cut_removes() -> None:
    a, b = make_archive([9, 5], seed=7).embeddings[:9], make_archive([9, 5], seed=7).embeddings[9:]

    def scatter(x: np.ndarray) -> float:
        return float(((x - x.mean(axis=0)) ** 2).sum())

    assert gain(a, b) == pytest.approx(scatter(np.vstack([a, b])) - scatter(a) - scatter(b), rel=1e-5)


def test_robust_center_ignores_a_misfit() -> None:
    clean = make_archive([20], noise=0.2, seed=8)
    dirty = make_archive([20], noise=0.2, seed=8, odd=[3, 4, 5, 6])
    assert robust_center(dirty.embeddings) @ robust_center(clean.embeddings) > 0.98


def test_cosine_across_a_place() -> None:
    x = make_archive([12, 12], seed=9).embeddings.astype(np.float64)
    across = cosine_across(x, reach=5)
    assert np.isnan(across[0])
    for place_ in (1, 4, 12, 23):
        before, after = x[max(0, place_ - 5) : place_].sum(axis=0), x[place_ : place_ + 5].sum(axis=0)
        expected = before @ after / np.linalg.norm(before) / np.linalg.norm(after)
        assert across[place_] == pytest.approx(expected)
    assert int(np.nanargmin(across)) == 12
