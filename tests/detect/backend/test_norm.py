"""Score normalisation against its formula in plain loops, and in linking and between segments."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diar.detect.backend.back_end import BackEnd
from diar.detect.backend.calibration import Calibration
from diar.detect.backend.compared import Compared
from diar.detect.backend.norm import ScoreNorm
from diar.detect.backend.norm_file import NormError, StoredNorm, read_norm, write_norm
from diar.detect.boundaries.speakers import link_segments
from diar.detect.linking.bandwidth import link_over_channels
from diar.detect.linking.evidence import CAMPPLUS
from diar.detect.linking.groups import Groups
from diar.detect.linking.known import KnownSpeakers
from diar.detect.linking.partners import find_partners
from diar.detect.training.norm import make_norm

SIZE = 48


def unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)


def directions(count: int, seed: int) -> np.ndarray:
    return unit(np.random.default_rng(seed).standard_normal((count, SIZE)))


def by_hand(norm: ScoreNorm, first: np.ndarray, second: np.ndarray) -> float:
    """Matějka et al. 2017, with the people above the ceiling left out."""
    cosine, parts = float(first @ second), []
    for voice in (first, second):
        others = sorted(float(voice @ person) for person in norm.cohort)
        top = [value for value in others if value <= norm.ceiling][-norm.top :]
        mean = sum(top) / len(top)
        deviation = max(np.sqrt(sum((value - mean) ** 2 for value in top) / len(top)), 0.01)
        parts.append((cosine - mean) / deviation)
    return norm.mean + norm.deviation * sum(parts) / 2


@settings(max_examples=25)
@given(seed=st.integers(0, 10_000), people=st.integers(20, 60), top=st.integers(2, 80))
def test_pairs_are_as_the_formula_has_them(seed: int, people: int, top: int) -> None:
    norm = make_norm(directions(people, seed), top)
    voices, others = directions(4, seed + 1), directions(3, seed + 2)
    one, two = Compared.of(voices, norm), Compared.of(others, norm)
    expected = np.array([[by_hand(norm, first, second) for second in others] for first in voices])
    assert np.allclose(one.matrix(two), expected, atol=1e-4)
    assert np.allclose(one[:3].pairs(two), np.diag(expected), atol=1e-4)
    assert np.allclose(one.to_one(two[1:2]), expected[:, 1], atol=1e-4)
    assert np.allclose(one.matrix(one), one.matrix(one).T, atol=1e-5)


def test_the_people_of_a_cohort_have_average_cosines() -> None:
    people = directions(80, 3)
    norm = make_norm(people, 30)
    moments = norm.moments(people)  # each is above the ceiling to itself, so among others
    assert moments.mean(axis=0) == pytest.approx([norm.mean, norm.deviation], abs=1e-5)
    first, second = np.triu_indices(80, 1)
    cosines = (people @ people.T)[first, second]
    normalised = Compared.of(people, norm).matrix(Compared.of(people, norm))[first, second]
    assert np.corrcoef(cosines, normalised)[0, 1] > 0.97
    assert normalised.std() == pytest.approx(cosines.std(), rel=0.1)


@settings(max_examples=15)
@given(st.integers(0, 1000), st.floats(0, 0.3))
def test_a_voice_of_the_cohort_is_compared_as_if_it_were_not_there(seed: int, noise: float) -> None:
    norm, voice = make_norm(directions(40, seed), 10), directions(2, seed + 1)
    own = unit(voice + noise * directions(2, seed + 2))
    with_own = replace(norm, cohort=np.concatenate([norm.cohort, own[:1]]))
    assert own[0] @ voice[0] > norm.ceiling
    before, after = norm.moments(voice), with_own.moments(voice)
    assert np.allclose(before[0], after[0])
    if own[0] @ voice[1] < np.sort(norm.cohort @ voice[1])[-10]:
        assert np.allclose(before[1], after[1])


def test_where_all_of_the_cohort_are_left_out_a_voice_is_average() -> None:
    norm = make_norm(directions(40, 1), 10)
    alone = replace(norm, ceiling=-2.0)
    assert np.allclose(alone.moments(directions(3, 2)), [norm.mean, norm.deviation])
    assert Compared.of(directions(1, 5), alone).pairs(Compared.of(directions(1, 6), alone)) == pytest.approx(
        directions(1, 5)[0] @ directions(1, 6)[0], abs=1e-6
    )


def groups_of(vectors: np.ndarray, recording: np.ndarray, norm: ScoreNorm) -> Groups:
    return Groups.single(vectors, np.full(len(vectors), 9.0), recording, CAMPPLUS, norm)


@pytest.mark.parametrize("exact", [1000, 10])
def test_partners_are_the_most_alike_by_normalised_cosine(exact: int) -> None:
    norm, recording = make_norm(directions(40, 1), 10), np.arange(60) // 2
    voices = directions(20, 2)
    vectors = unit(np.repeat(voices, 3, axis=0) + 0.5 * directions(60, 3))
    groups = groups_of(vectors, recording, norm)
    found = find_partners(groups, CAMPPLUS, 1.0, exact)
    share = CAMPPLUS.share(groups.seconds, groups.vectors)
    best = np.full(60, -np.inf)
    for one in range(60):
        for other in range(60):
            if recording[one] != recording[other]:
                cosine = np.array(by_hand(norm, vectors[one], vectors[other]))
                ratio = float(CAMPPLUS.log_ratio(cosine, share[one], share[other]))
                best[one] = max(best[one], ratio if ratio >= 1.0 else -np.inf)
    assert np.isfinite(best).sum() > 40
    assert np.allclose(found.log_ratio, best, rtol=1e-3)


def test_merged_groups_are_normalised_anew() -> None:
    norm = make_norm(directions(40, 1), 10)
    merged, _ = groups_of(directions(9, 2), np.arange(9), norm).merge(np.array([0, 4]), np.array([7, 5]))
    assert merged.lines is not None
    assert np.allclose(merged.lines, norm.lines(merged.direction), atol=1e-5)


def two_channels(people: int, seed: int, common: float = 1.2) -> tuple[np.ndarray, np.ndarray]:
    """Return (people, 4, SIZE): two recordings as they are, two with what a channel gives to all voices."""
    voices = np.repeat(directions(people, seed)[:, None], 4, axis=1)
    voices = voices + 0.25 * directions(people * 4, seed + 1).reshape(people, 4, SIZE)
    voices[:, 2:] += common * directions(1, 99)
    return unit(voices), np.repeat(np.arange(people), 4)


def test_a_cohort_of_both_channels_links_across_them() -> None:
    people, _ = two_channels(80, seed=11)
    norm = make_norm(np.concatenate([people[:40, 0], people[40:, 2]]), 20)
    rows, person = two_channels(15, seed=21)
    rows = rows.reshape(-1, SIZE)
    ann = KnownSpeakers(["Ann"], rows[:1], np.array([20.0]))
    given = (rows, np.full(60, 20.0), np.arange(60), np.zeros(60, bool))
    plain = link_over_channels(*given, ann, 0.5, None)
    linked = link_over_channels(*given, ann, 0.5, None, BackEnd(norm=norm))
    assert purity(linked.label, person) == 1 > purity(plain.label, person)
    named = np.array([linked.name[one] == "Ann" for one in linked.label])
    assert named[:2].all() and not named[4:].any()
    assert np.nanmax(linked.similarity) <= 1


def purity(label: np.ndarray, person: np.ndarray) -> float:
    return float(np.mean([len(np.unique(person[label == one])) == 1 for one in np.unique(label)]))


@pytest.mark.parametrize("copies", [1, 90])  # above 4096 segments they are grouped by leaders first
def test_segments_are_linked_by_normalised_cosine(copies: int) -> None:
    people, _ = two_channels(80, seed=11)
    norm = make_norm(np.concatenate([people[:40, 0], people[40:, 2]]), 20)
    rows = np.tile(two_channels(24, seed=31)[0][:, 2:].reshape(-1, SIZE), (copies, 1))
    label = link_segments(rows, np.full(len(rows), 5), 0.6, norm)
    plain = link_segments(rows, np.full(len(rows), 5), 0.6)
    person = np.tile(np.repeat(np.arange(24), 2), copies)
    assert label.tolist() == person.tolist()
    assert purity(plain, person) < 0.5  # their channel makes all of them alike


def test_a_file_keeps_everything_and_says_what_it_is_for(tmp_path: Path) -> None:
    norm, file = make_norm(directions(30, 1), 10, Calibration(20.0, -8.0)), tmp_path / "norm.npz"
    write_norm(file, StoredNorm(norm, "abc", "model"))
    read = read_norm(file)
    assert np.array_equal(read.norm.cohort, norm.cohort)
    assert replace(read.norm, cohort=norm.cohort) == norm and (read.encoder_sha256, read.plda) == (
        "abc",
        "model",
    )
    read.check("f", "campplus", "abc", "model", SIZE)
    for there, told in (
        (("abd", "model", SIZE), "another encoder"),
        (("abc", "other", SIZE), "with another `plda`"),
        (("abc", "", SIZE), "trained with `plda`"),
        (("abc", "model", 9), "48 dimensions in place of 9"),
    ):
        with pytest.raises(NormError, match=told):
            read.check("f", "campplus", *there)
    with pytest.raises(NormError, match="trained without `plda`"):
        StoredNorm(norm, "abc", "").check("f", "campplus", "abc", "model", SIZE)


def test_damaged_files_are_named(tmp_path: Path) -> None:
    file = tmp_path / "norm.npz"
    write_norm(file, StoredNorm(make_norm(directions(30, 1), 10), "abc", ""))
    arrays = dict(np.load(file))
    for changed, told in (
        ({"cohort": arrays["cohort"][0]}, "shape"),
        ({"cohort": 2 * arrays["cohort"]}, "length 1"),
        ({"cohort": np.full((30, SIZE), np.nan)}, "length 1"),
        ({"top": np.array(0)}, "above 0"),
        ({"deviation": np.array(np.nan)}, "above 0"),
        ({"mean": np.array("x")}, "must be numbers"),
        ({"calibration": np.array([-1.0, 0.0])}, "slope above 0"),
    ):
        np.savez(file, **{**arrays, **changed})
        with pytest.raises(NormError, match=told):
            read_norm(file)
    np.savez(file, cohort=arrays["cohort"])
    with pytest.raises(NormError, match="lacks"):
        read_norm(file)
    for content, told in ((b"PK damaged", "damaged"), (b"text", "no .npz")):
        file.write_bytes(content)
        with pytest.raises(NormError, match=told):
            read_norm(file)


def test_few_people_make_no_cohort() -> None:
    with pytest.raises(ValueError, match="20 people"):
        make_norm(directions(19, 1), 10)
