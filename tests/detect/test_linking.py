"""Linking recordings: evidence against scipy and sampling, partners and merging against plain loops."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from diar.detect.linking import link, partners
from diar.detect.linking.adaptation import adapt_different, adapt_sessions
from diar.detect.linking.evidence import CAMPPLUS, Evidence
from diar.detect.linking.groups import Groups
from diar.detect.linking.known import KnownSpeakers, LinkingError
from diar.detect.linking.link import LinkedSpeakers, link_speakers, num_persons
from diar.detect.linking.partners import find_partners

DIMENSION = 72  # random directions have a deviation of 0.118 in it, as CAM++ vectors have


def unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)


@dataclass(frozen=True)
class People:
    embedding: np.ndarray
    seconds: np.ndarray
    recording: np.ndarray
    person: np.ndarray

    def link(self, **options: object) -> LinkedSpeakers:
        return link_speakers(self.embedding, self.seconds, self.recording, **options)

    def permuted(self, order: np.ndarray) -> People:
        return People(self.embedding[order], self.seconds[order], self.recording[order], self.person[order])


def people(
    persons: int, recordings: int, seed: int = 0, session: float = 0.1, common: float = 0.1, each: int = 3
) -> People:
    """`each` persons in every recording, sampled from the model in diar/detect/linking/evidence.py."""
    rng = np.random.default_rng(seed)

    def gaussian(*shape: int) -> np.ndarray:
        return rng.standard_normal((*shape, DIMENSION)) / np.sqrt(DIMENSION)

    voices, shared = gaussian(persons), unit(gaussian())
    person = np.concatenate([rng.permutation(persons)[:each] for _ in range(recordings)])
    seconds = rng.uniform(4, 40, len(person))
    noise = np.sqrt(session + CAMPPLUS.speech_variance / seconds)
    own = unit(voices[person] + noise[:, None] * gaussian(len(person)))
    embedding = unit(np.sqrt(common) * shared + np.sqrt(1 - common) * own)
    return People(embedding, seconds, np.repeat(np.arange(recordings), each), person)


def partition(label: np.ndarray) -> set[frozenset[int]]:
    return {frozenset(np.flatnonzero(label == one).tolist()) for one in np.unique(label)}


def test_log_ratio_is_that_of_two_gaussians_where_both_tails_are_met() -> None:
    share, other = CAMPPLUS.share(np.array([5.0, 30.0]), np.array([1, 4]))
    expected = 0.1 + 0.9 * np.sqrt(share * other)
    for cosine in (0.12, 0.3, 0.45):
        same = norm(expected, 0.9 * CAMPPLUS.same_deviation)
        different = norm(CAMPPLUS.different_mean, CAMPPLUS.different_deviation)
        gained = same.logpdf(cosine) - same.logpdf(expected)
        lost = different.logpdf(cosine) - different.logpdf(CAMPPLUS.different_mean)
        assert CAMPPLUS.log_ratio(np.array(cosine), share, other) == pytest.approx(gained - lost)


def test_expected_cosine_is_what_sampling_from_the_model_gives() -> None:
    rng = np.random.default_rng(0)
    dimension, seconds = 100_000, np.array([2.0, 15.0])
    voice = rng.standard_normal(dimension)
    noise = np.sqrt(CAMPPLUS.session_variance + CAMPPLUS.speech_variance / seconds)
    own = unit(voice + noise[:, None] * rng.standard_normal((2, dimension)))
    common = unit(rng.standard_normal(dimension))
    first, second = unit(np.sqrt(0.1) * common + np.sqrt(0.9) * own)
    share = CAMPPLUS.share(seconds, np.ones(2))
    assert first @ second == pytest.approx(0.1 + 0.9 * np.sqrt(share[0] * share[1]), abs=0.01)


@given(st.floats(-1, 1), st.floats(0, 0.5), st.floats(0, 500), st.floats(0.1, 500), st.integers(1, 50))
def test_a_higher_cosine_is_never_less_evidence(
    cosine: float, more: float, seconds: float, other: float, recordings: int
) -> None:
    shares = (
        CAMPPLUS.share(np.array(seconds), np.array(recordings)),
        CAMPPLUS.share(np.array(other), np.array(1)),
    )
    low, high = (CAMPPLUS.log_ratio(np.array(c), *shares) for c in (cosine, cosine + more))
    assert low <= high + 1e-9
    assert low <= 0 or cosine >= CAMPPLUS.least_cosine(float(low)) - 1e-6


@given(st.floats(0.5, 12), st.floats(0.5, 300), st.floats(0.5, 300))
def test_cosine_at_is_ratio_at_the_other_way_round(ratio: float, seconds: float, other: float) -> None:
    cosine = CAMPPLUS.cosine_at(ratio, seconds, other)
    assert cosine == 1 or CAMPPLUS.ratio_at(cosine, seconds, other) == pytest.approx(ratio, abs=1e-3)


def test_adaptation_finds_what_the_archive_was_made_with() -> None:
    archive = people(200, 400, session=0.6, common=0.3)
    different = adapt_different(CAMPPLUS, archive.embedding, archive.recording)
    assert different.different_mean == pytest.approx(0.3, abs=0.02)
    strangers = np.triu(archive.person[:, None] != archive.person)
    deviation = (archive.embedding @ archive.embedding.T)[strangers].std()
    assert different.different_deviation == pytest.approx(1.1 * deviation, rel=0.1)
    adapted = adapt_sessions(different, archive.embedding, archive.seconds, archive.person)
    assert adapted.session_variance == pytest.approx(0.6, abs=0.06)


def test_adaptation_learns_nothing_from_one_recording_of_one_person() -> None:
    archive = people(1, 1, each=1)
    assert adapt_different(CAMPPLUS, archive.embedding, archive.recording) == CAMPPLUS
    assert adapt_sessions(CAMPPLUS, archive.embedding, archive.seconds, archive.person) == CAMPPLUS


def test_a_person_in_most_recordings_is_not_taken_for_how_alike_strangers_are() -> None:
    archive = people(4, 60)
    adapted = adapt_different(CAMPPLUS, archive.embedding, archive.recording)
    assert adapted.different_mean < 0.3
    assert partition(archive.link().label) == partition(archive.person)


def test_number_of_persons_in_an_archive_from_a_sample_of_its_rows() -> None:
    rng = np.random.default_rng(0)
    sample = rng.choice(np.repeat(np.arange(1_000), 8), 1_000, replace=False)
    rows = np.bincount(sample)[np.unique(sample)]
    assert len(rows) < 700
    assert num_persons(rows, 8_000) == pytest.approx(1_000, rel=0.1)
    assert num_persons(np.ones(50, int), 60) == 60


def test_partners_are_those_of_a_loop_over_all_pairs() -> None:
    archive = people(30, 60, session=0.8)
    groups = Groups.single(archive.embedding, archive.seconds, archive.recording, CAMPPLUS)
    groups, _ = groups.merge(np.array([0, 0, 7]), np.array([50, 90, 120]))
    found = find_partners(groups, CAMPPLUS, 2.0)
    share = CAMPPLUS.share(groups.seconds, groups.vectors)
    recordings = groups.recordings.toarray() > 0
    for i in range(len(groups)):
        ratio = CAMPPLUS.log_ratio(groups.direction @ groups.direction[i], share, share[i])
        ratio[(recordings & recordings[i]).any(axis=1)] = -np.inf
        best = int(ratio.argmax())
        assert found.index[i] == (best if ratio[best] >= 2 else -1)


def test_a_merged_group_is_the_weighted_mean_of_its_vectors() -> None:
    archive = people(5, 4)
    groups = Groups.single(archive.embedding, archive.seconds, archive.recording, CAMPPLUS)
    groups, renamed = groups.merge(np.array([1, 1]), np.array([4, 8]))
    weight = 1 / (CAMPPLUS.session_variance + CAMPPLUS.speech_variance / archive.seconds)
    mean = (archive.embedding * weight[:, None])[[1, 4, 8]].sum(axis=0)
    np.testing.assert_allclose(groups.direction[1], unit(mean), atol=1e-6)
    assert groups.seconds[1] == pytest.approx(archive.seconds[[1, 4, 8]].sum())
    assert sorted(groups.recordings[[1]].indices.tolist()) == [0, 1, 2]
    assert renamed[[1, 4, 8]].tolist() == [1, 1, 1]
    assert len(groups) == len(archive.person) - 2


def greedy(archive: People, evidence: Evidence, least_ratio: float) -> np.ndarray:
    """The likeliest pair of all merges, again and again, from the definitions."""
    members = [[i] for i in range(len(archive.person))]
    weight = 1 / (evidence.session_variance + evidence.speech_variance / archive.seconds)

    def ratio(one: list[int], other: list[int]) -> float:
        if set(archive.recording[one]) & set(archive.recording[other]):
            return -np.inf
        first, second = (unit((archive.embedding[g] * weight[g, None]).sum(axis=0)) for g in (one, other))
        shares = [evidence.share(archive.seconds[g].sum(), np.array(len(g))) for g in (one, other)]
        return float(evidence.log_ratio(first @ second, *shares))

    while True:
        pairs = [(ratio(a, b), i, j) for i, a in enumerate(members) for j, b in enumerate(members[:i])]
        best, i, j = max(pairs)
        if best < least_ratio:
            break
        members[j] += members.pop(i)
    label = np.empty(len(archive.person), int)
    for index, group in enumerate(members):
        label[group] = index
    return label


@pytest.mark.parametrize("seed", range(3))
def test_rounds_find_what_merging_the_likeliest_pair_one_by_one_finds(seed: int) -> None:
    archive = people(6, 12, seed, session=0.3)
    evidence = replace(CAMPPLUS, session_variance=0.3)
    expected = greedy(archive, evidence, evidence.ratio_at(0.5))
    assert partition(archive.link(threshold=0.5, evidence=evidence).label) == partition(expected)


@pytest.mark.parametrize("session", [0.02, 0.3])
def test_people_are_found_again(session: float) -> None:
    archive = people(40, 150, session=session)
    found = archive.link()
    assert partition(found.label) == partition(archive.person)
    assert found.name == found.speaker_id == [f"person_{i + 1:04d}" for i in range(len(found.name))]
    assert found.label[0] == 0
    assert np.diff(np.unique(found.label, return_index=True)[1]).min() > 0  # in order of appearance
    with_own = np.einsum("ij,ij->i", archive.embedding, found.centroid[found.label])
    assert (found.similarity < with_own).all(), "to the other rows, so without its own"
    assert (with_own - found.similarity).max() < 0.1
    np.testing.assert_allclose(np.linalg.norm(found.centroid, axis=1), 1, atol=1e-5)
    assert 0.97 < np.median(found.probability) < 1


def test_a_person_in_hundreds_of_recordings_takes_few_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    rounds = []
    monkeypatch.setattr(link, "find_partners", lambda *given: rounds.append(1) or find_partners(*given))
    archive = people(3, 500, each=1)
    assert partition(archive.link().label) == partition(archive.person)
    assert len(rounds) < 40  # of two clusterings


def test_cells_find_the_same_people_as_all_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partners, "_CELL", 50)
    monkeypatch.setattr(partners, "_VISITED", 6)
    archive = people(200, 400, session=0.05)
    found = archive.link(exact=100)
    assert partition(found.label) == partition(archive.link().label) == partition(archive.person)


@st.composite
def anything(draw: st.DrawFn) -> People:
    """Vectors around few directions, some of them equal, in recordings at random."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n = draw(st.integers(1, 60))
    voices = rng.standard_normal((draw(st.integers(1, 5)), 8))
    person = rng.integers(len(voices), size=n)
    spread = draw(st.sampled_from([0.0, 0.1, 1.0]))
    embedding = unit(voices[person] + spread * rng.standard_normal((n, 8)))
    return People(embedding, rng.uniform(0, 60, n), rng.integers(draw(st.integers(1, 40)), size=n), person)


@given(anything(), st.sampled_from([0.01, 0.5, 0.99]), st.booleans())
@settings(max_examples=40)
def test_speakers_of_one_recording_are_never_one_person(
    archive: People, probability: float, enrolled: bool
) -> None:
    known = KnownSpeakers(["Ann", "Bob", "Ann"], archive.embedding[[0, -1, 0]], np.array([9.0, 30.0, 2.0]))
    found = archive.link(probability=probability, known=known if enrolled else None)
    pairs = set(zip(archive.recording.tolist(), found.label.tolist(), strict=True))
    assert len(pairs) == len(archive.person)
    assert len(set(found.name)) == len(found.name) == len(found.centroid) == found.label.max() + 1
    assert (np.unique(found.label) == np.arange(len(found.name))).all()


@given(st.integers(0, 1_000), st.sampled_from([0.1, 0.5, 1.0]))
@settings(max_examples=20)
def test_the_order_of_rows_does_not_matter(seed: int, session: float) -> None:
    archive = people(8, 15, seed, session=session)
    order = np.random.default_rng(seed).permutation(len(archive.person))
    shuffled = np.empty(len(order), int)
    shuffled[order] = archive.permuted(order).link(evidence=CAMPPLUS).label
    assert partition(shuffled) == partition(archive.link(evidence=CAMPPLUS).label)


def test_a_cosine_below_the_threshold_is_enough_where_a_second_of_speech_shows_no_more() -> None:
    vectors = np.array([[1, 0], [0.55, np.sqrt(1 - 0.55**2)]], np.float32)
    pair = People(vectors, np.full(2, 60.0), np.arange(2), np.zeros(2))
    brief = replace(pair, seconds=np.full(2, 1.0))
    assert len(pair.link(threshold=0.57, evidence=CAMPPLUS).name) == 2
    assert len(brief.link(threshold=0.57, evidence=CAMPPLUS).name) == 1
    assert len(brief.link(threshold=0.8, evidence=CAMPPLUS).name) == 2


def enrolment(archive: People, names: dict[str, int]) -> KnownSpeakers:
    rows = [int(np.flatnonzero(archive.person == person)[0]) for person in names.values()]
    return KnownSpeakers(list(names), archive.embedding[rows], archive.seconds[rows])


def test_known_people_get_their_names_and_others_stay_numbered() -> None:
    archive = people(20, 60)
    known = enrolment(archive, {"Ann": 3, "Bob Smith": 7})
    found = archive.link(known=known)
    assert partition(found.label) == partition(archive.person)
    named = {found.name[i] for i in found.label[archive.person == 3]}
    assert named == {"Ann"}
    assert sorted(np.array(found.name)[found.known].tolist()) == ["Ann", "Bob Smith"]
    unknown = [i for i, name in enumerate(found.name) if not found.known[i]]
    assert [found.name[i] for i in unknown] == [found.speaker_id[i] for i in unknown]


def test_nobody_gets_the_name_of_someone_who_is_not_there() -> None:
    archive, elsewhere = people(20, 60), people(20, 60, seed=1)
    assert not archive.link(known=enrolment(elsewhere, {"Ann": 3})).known.any()


def test_a_name_joins_groups_that_only_the_enrolled_recordings_show_to_be_one() -> None:
    rng = np.random.default_rng(0)
    young, old = (unit(rng.standard_normal(DIMENSION)) for _ in range(2))
    rows = People(np.stack([young, old, young]), np.full(3, 60.0), np.array([0, 1, 1]), np.zeros(3))
    known = KnownSpeakers(["Ann", "Ann"], np.stack([young, old]), np.full(2, 60.0))
    apart = rows.link(evidence=CAMPPLUS)
    assert apart.label.tolist() == [0, 1, 0]
    together = rows.link(known=known, evidence=CAMPPLUS)  # both voices in recording 1: only one can be Ann's
    assert partition(together.label) == partition(apart.label)
    assert together.known.sum() == 1
    alone = rows.permuted(np.array([0, 1])).link(known=known, evidence=CAMPPLUS)
    assert alone.name == ["Ann"]
    assert alone.label.tolist() == [0, 0]


def test_no_rows_and_one_row() -> None:
    nobody = link_speakers(np.zeros((0, 4), np.float32), np.zeros(0), np.zeros(0, int))
    assert nobody.label.shape == (0,)
    assert nobody.name == []
    assert nobody.centroid.shape == (0, 4)
    archive = people(1, 1, each=1)
    one = archive.link()
    assert (one.label.tolist(), one.name) == ([0], ["person_0001"])
    assert np.isnan(one.similarity[0])
    assert np.isnan(one.probability[0])


def test_errors_say_what_to_do() -> None:
    archive = people(3, 4)
    with pytest.raises(LinkingError, match=r"\(n, D\), \(n,\) and \(n,\) are needed"):
        link_speakers(archive.embedding, archive.seconds[1:], archive.recording)
    with pytest.raises(LinkingError, match="embedding 2 has length 2, unit vectors"):
        link_speakers(
            archive.embedding * np.eye(12)[2][:, None] + archive.embedding, archive.seconds, archive.recording
        )
    with pytest.raises(LinkingError, match="strangers one person"):
        archive.link(threshold=0.2)
    for name in ("speaker_0007", "person_0007"):
        with pytest.raises(LinkingError, match=f"'{name}'"):
            KnownSpeakers([name], archive.embedding[:1], np.ones(1))
    with pytest.raises(LinkingError, match="embed both with the same model"):
        archive.link(known=KnownSpeakers(["Ann"], np.eye(5, dtype=np.float32)[:1], np.ones(1)))
