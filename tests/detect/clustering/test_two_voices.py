"""A cluster of two voices falls into two; one voice, however it scatters, does not."""

from dataclasses import replace

import numpy as np
import pytest

from diar.detect.clustering.iterative import IterativeSettings, cluster_iteratively
from diar.detect.clustering.speaker_count import SpeakerCount
from diar.detect.clustering.two_voices import Halves, TwoVoices, clearest_two_voices, halve
from tests.detect.clustering.test_iterative import matched
from tests.detect.observations_sample import Conversation, converse, make_voices, observe, unit

SETTINGS = TwoVoices()
SECOND = 0.5  # seconds that a window stands for


def windows(voices: np.ndarray, counts: list[int], scatter: float = 0.8, seed: int = 0) -> np.ndarray:
    """Return windows of each voice; `scatter` is the length of what is not the voice's."""
    rng = np.random.default_rng(seed)
    own = np.repeat(voices, counts, axis=0)
    return unit(own + scatter * unit(rng.standard_normal(own.shape)))


def split(embeddings: np.ndarray) -> np.ndarray | None:
    found = halve(embeddings, np.full(len(embeddings), SECOND), SETTINGS)
    if found is None or clearest_two_voices({3: found}, SETTINGS) != 3:
        return None
    return found.centroids


def test_two_alike_voices_are_told_apart() -> None:
    voices = make_voices(2, 7, alike=0.6)
    assert 0.5 < voices[0] @ voices[1] < 0.7
    found = split(windows(voices, [40, 60]))
    assert found is not None
    assert np.linalg.norm(found, axis=1) == pytest.approx(1.0)
    similarity = found @ voices.T
    assert (similarity.max(axis=1) > 0.95).all() and set(similarity.argmax(axis=1)) == {0, 1}


def test_one_voice_stays_one() -> None:
    voices = make_voices(2, 8, alike=0.6)
    assert split(windows(voices[:1], [400])) is None
    # a voice that goes from one end to the other: as far apart, but nothing is missing in between
    way = np.linspace(0, 1, 400)[:, None]
    assert split(unit((1 - way) * voices[0] + way * voices[1])) is None


def test_halves_no_farther_apart_than_those_of_one_voice_stay_together() -> None:
    """Where a recording takes one voice that far, as several sessions do, distance is no evidence."""
    none = np.zeros((2, 4))
    two, one = Halves(none, cosine=0.60, between=0.0), Halves(none, cosine=0.62, between=0.06)
    assert clearest_two_voices({0: two, 1: one}, SETTINGS) is None
    assert clearest_two_voices({0: two, 1: replace(one, cosine=0.66)}, SETTINGS) == 0
    assert clearest_two_voices({0: two, 1: replace(two, cosine=0.55)}, SETTINGS) == 1  # the clearer of two
    assert clearest_two_voices({}, SETTINGS) is None


def test_a_small_part_is_no_voice_of_its_own() -> None:
    voices = make_voices(2, 9, alike=0.6)
    assert split(windows(voices, [12, 20])) is None  # 6 s
    assert split(windows(voices, [30, 170])) is None  # 15 % of the cluster
    assert split(windows(voices[:1], [1])) is None
    assert split(np.repeat(voices[:1], 100, axis=0)) is None  # all the same


def test_voices_that_segmentation_takes_for_one_become_two() -> None:
    """Local speakers are one voice for the network; only the windows tell two."""
    voices = make_voices(3, 7, alike=0.2)
    voices[1] = unit(0.6 * voices[0] + 0.8 * voices[1])
    heard = converse(voices, 180.0, order=[0, 2, 1, 2] * 12)
    middle = np.stack([unit(voices[0] + voices[1])] * 2 + [voices[2]])
    taken = Conversation(180.0, middle, [(start, end, max(who, 1)) for start, end, who in heard.turns])
    talk = replace(observe(taken), windows=observe(heard).windows)
    assert matched(cluster_iteratively(talk, IterativeSettings(), SpeakerCount()), voices)
    without = IterativeSettings(two_voices=TwoVoices(cosine=-1.0))
    assert len(cluster_iteratively(talk, without, SpeakerCount())) == 2
    assert len(cluster_iteratively(talk, IterativeSettings(), SpeakerCount(maximum=2))) == 2
