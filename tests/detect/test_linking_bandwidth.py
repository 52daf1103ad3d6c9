"""Linking an archive of which half comes over a telephone: what all callers have in common links nobody."""

from dataclasses import replace
from itertools import combinations

import numpy as np

from diar.detect.linking.bandwidth import centre, link_over_channels
from diar.detect.linking.known import KnownSpeakers
from diar.detect.linking.link import LinkedSpeakers, link_speakers

PERSONS, DIMENSION = 40, 192


def archive(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Each of 40 persons twice clean and twice over a telephone: unit vectors, person, whether narrow."""
    rng = np.random.default_rng(seed)
    voice = rng.standard_normal((PERSONS, DIMENSION)) / np.sqrt(DIMENSION)
    telephone = rng.standard_normal(DIMENSION) / np.sqrt(DIMENSION)
    person = np.repeat(np.arange(PERSONS), 4)
    narrow = np.tile([False, False, True, True], PERSONS)
    vectors = voice[person] + 0.4 * rng.standard_normal((len(person), DIMENSION)) / np.sqrt(DIMENSION)
    vectors = vectors + 1.2 * narrow[:, None] * telephone
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32), person, narrow


def scores(label: np.ndarray, person: np.ndarray) -> tuple[float, float]:
    """Precision and recall of pairs."""
    pairs = [(label[i] == label[j], person[i] == person[j]) for i, j in combinations(range(len(label)), 2)]
    linked, true = np.array(pairs).T
    return float(true[linked].mean()), float(linked[true].mean())


def linked(embedding: np.ndarray, narrow: np.ndarray, known: KnownSpeakers | None = None) -> LinkedSpeakers:
    rows = len(embedding)
    return link_over_channels(embedding, np.full(rows, 20.0), np.arange(rows), narrow, known, 0.5, None)


def test_one_person_is_found_on_both_channels() -> None:
    embedding, person, narrow = archive()
    precision, recall = scores(linked(embedding, narrow).label, person)
    assert (precision, recall) > (0.99, 0.99)
    rows = np.arange(len(person))
    before = scores(link_speakers(embedding, np.full(len(rows), 20.0), rows).label, person)
    assert before[1] < recall - 0.1, "else nothing would show that the channel is taken away"


def test_centroids_are_those_of_the_vectors_given() -> None:
    embedding, _, narrow = archive()
    found = linked(embedding, narrow)
    for number in range(len(found.centroid)):
        rows = embedding[found.label == number]
        assert rows.mean(axis=0) @ found.centroid[number] > 0.99 * np.linalg.norm(rows.mean(axis=0))


def test_an_archive_of_one_channel_is_linked_as_ever() -> None:
    embedding, _, narrow = archive()
    wide = embedding[~narrow]
    expected = link_speakers(wide, np.full(len(wide), 20.0), np.arange(len(wide)))
    np.testing.assert_array_equal(linked(wide, np.zeros(len(wide), bool)).label, expected.label)


def test_who_was_enrolled_clean_is_named_on_the_telephone() -> None:
    embedding, person, narrow = archive()
    enrolled = KnownSpeakers(["Ann"], embedding[:1], np.array([20.0]))
    rows = np.arange(len(embedding)) > 0
    found = linked(embedding[rows], narrow[rows], enrolled)
    names = np.array([found.name[label] for label in found.label])
    np.testing.assert_array_equal(names == "Ann", person[rows] == 0)
    over_phone = replace(enrolled, embedding=embedding[2:3], narrow_band=np.array([True]))
    again = linked(embedding[rows], narrow[rows], over_phone)
    assert {again.name[label] for label in again.label[person[rows] == 0]} == {"Ann"}


def test_the_centre_is_robust_to_one_who_is_everywhere() -> None:
    rng = np.random.default_rng(3)
    others = rng.standard_normal((60, 8)) + 5
    host = np.tile([100.0] + [0.0] * 7, (40, 1))
    assert np.linalg.norm(centre(np.concatenate([others, host])) - 5) < 5 < 30
