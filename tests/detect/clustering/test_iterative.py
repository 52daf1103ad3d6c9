"""`auto` on made-up conversations: who is found, who stays apart, within bounds, at any length."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diar.detect.clustering import iterative
from diar.detect.clustering.iterative import IterativeSettings, cluster_iteratively
from diar.detect.clustering.speaker_count import SpeakerCount
from tests.detect.observations_sample import Conversation, converse, make_voices, observe, unit

SETTINGS = IterativeSettings()


def matched(centroids: np.ndarray, voices: np.ndarray) -> bool:
    """Whether each centroid is one of the voices, and each voice has one."""
    similarity = centroids @ voices.T
    return len(centroids) == len(voices) and bool(
        (similarity.max(axis=1) > 0.9).all() and len(set(similarity.argmax(axis=1))) == len(voices)
    )


@pytest.mark.parametrize("speakers", [1, 2, 3, 5, 8])
@pytest.mark.parametrize("overlap", [0.0, 0.4])
def test_every_speaker_has_a_centroid(speakers: int, overlap: float) -> None:
    voices = make_voices(speakers, speakers)
    found = cluster_iteratively(
        observe(converse(voices, 60.0 + 45.0 * speakers, overlap=overlap)), SETTINGS, SpeakerCount()
    )
    assert np.linalg.norm(found, axis=1) == pytest.approx(1.0)
    assert matched(found, voices)


def test_voices_that_sound_alike_stay_apart_where_they_speak_in_the_same_chunks() -> None:
    voices = make_voices(2, 3, alike=0.85)
    assert voices[0] @ voices[1] > SETTINGS.threshold + 0.2
    together = converse(voices, 120.0)  # they alternate
    in_turn = converse(voices, 120.0, order=[0] * 16 + [1] * 14)
    assert len(cluster_iteratively(observe(together, noise=0.1), SETTINGS, SpeakerCount())) == 2
    assert len(cluster_iteratively(observe(in_turn, noise=0.1), SETTINGS, SpeakerCount())) == 1


def test_somebody_who_hardly_speaks_is_nobody() -> None:
    voices = make_voices(3, 4)
    talk = converse(voices[:2], 120.0)
    coughed = Conversation(talk.duration, voices, [*talk.turns, (119.6, 119.9, 2)])
    assert matched(cluster_iteratively(observe(coughed), SETTINGS, SpeakerCount()), voices[:2])


@settings(max_examples=30)
@given(
    speakers=st.integers(1, 5),
    alike=st.sampled_from([0.0, 0.5, 0.9]),
    least=st.integers(1, 7),
    spare=st.one_of(st.none(), st.integers(0, 3)),
    seed=st.integers(0, 99),
)
def test_bounds_are_kept(speakers: int, alike: float, least: int, spare: int | None, seed: int) -> None:
    talk = converse(make_voices(speakers, seed, alike), 90.0, overlap=0.2, seed=seed)
    count = SpeakerCount(least, None if spare is None else least + spare)
    found = cluster_iteratively(observe(talk, seed=seed), SETTINGS, count)
    assert len(found) >= count.minimum
    assert not count.exceeded_by(len(found))


def test_a_recording_of_hours_is_clustered_in_parts_to_the_same_speakers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    voices = make_voices(6, 6)
    # three people in the first half, the others in the second
    order = [i % 3 for i in range(70)] + [3 + i % 3 for i in range(70)]
    observations = observe(converse(voices, 600.0, order=order))
    whole = cluster_iteratively(observations, SETTINGS, SpeakerCount())
    parts = []
    original = iterative.Observations.between
    monkeypatch.setattr(
        iterative.Observations,
        "between",
        lambda self, *span: parts.append(original(self, *span)) or parts[-1],
    )
    monkeypatch.setattr(iterative, "_PART_SECONDS", 100.0)
    found = cluster_iteratively(observations, SETTINGS, SpeakerCount())
    assert len(parts) == 6
    assert sum(len(part.windows) for part in parts) == len(observations.windows)
    assert sum(len(part.local) for part in parts) == len(observations.local)
    assert matched(whole, voices)
    assert matched(found, voices)
    assert (whole @ found.T).max(axis=1) == pytest.approx(1.0, abs=1e-3)
    assert len(cluster_iteratively(observations, SETTINGS, SpeakerCount(9, 9))) == 9


def test_more_than_two_hours() -> None:
    voices = make_voices(4, 8)
    observations = observe(converse(voices, 7_500.0), step=9.0)
    assert matched(cluster_iteratively(observations, SETTINGS, SpeakerCount()), voices)


@pytest.mark.parametrize("duration", [0.3, 5.0, 30.0])
def test_nobody_speaks(duration: float) -> None:
    silence = observe(Conversation(duration, make_voices(2), []))
    assert len(silence.windows) == 1
    assert cluster_iteratively(silence, SETTINGS, SpeakerCount()).shape == (0, 64)
    assert cluster_iteratively(silence, SETTINGS, SpeakerCount(2, 2)).shape == (0, 64)


def test_nobody_ever_speaks_alone() -> None:
    voices = make_voices(2, 5)
    turns = [(start, start + 6.0, who) for start in (1.0, 11.0, 21.0) for who in (0, 1)]
    observations = observe(Conversation(30.0, voices, turns), noise=0.2)
    assert not len(observations.windows.reliable)
    found = cluster_iteratively(observations, SETTINGS, SpeakerCount())
    assert matched(found, voices)


def test_a_few_seconds_of_one_voice() -> None:
    voices = make_voices(1)
    found = cluster_iteratively(observe(Conversation(2.0, voices, [(0.2, 1.8, 0)])), SETTINGS, SpeakerCount())
    assert found.shape == (1, 64)
    assert (unit(voices) @ found.T).item() > 0.8
