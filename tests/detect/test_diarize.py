"""One recording from observations to turns, with every clusterer."""

from collections.abc import Callable

import numpy as np
import pytest

from diar.detect.clustering import choose
from diar.detect.clustering.choose import ClusteringSettings, find_centroids
from diar.detect.clustering.plda import Plda
from diar.detect.clustering.speaker_count import SpeakerCount
from diar.detect.diarize import DiarizeSettings, diarize
from diar.errors import DiarError
from diar.intervals import seconds
from diar.records import Turn
from diar.score.der import score_turns
from tests.detect.observations_sample import DIMENSION, Conversation, converse, make_voices, observe

# of embeddings that scatter evenly around speakers who scatter evenly: 0.3 of the energy, and 0.7
PLDA = Plda(
    np.zeros(DIMENSION), np.sqrt(DIMENSION / 0.3) * np.eye(DIMENSION), np.full(DIMENSION, 7 / 3), "unit"
)
ANY = SpeakerCount()
METHODS = ["auto", "ahc", "spectral", "vbx"]


def settings(method: str, count: SpeakerCount = ANY) -> DiarizeSettings:
    return DiarizeSettings(ClusteringSettings(method, count, plda=PLDA))


@pytest.mark.parametrize("method", METHODS)
def test_every_clusterer_finds_who_spoke_when(method: str) -> None:
    talk = converse(make_voices(4, 21), 240.0, overlap=0.3, seed=21)
    found = diarize(observe(talk), settings(method))
    hypothesis = [Turn("r", *turn, str(k)) for k, turns in enumerate(found.turns) for turn in turns.tolist()]
    pooled = score_turns({"r": talk.rttm("r")}, {"r": hypothesis}).pooled
    assert pooled.hypothesis_speakers == 4
    assert pooled.miss + pooled.false_alarm + pooled.confusion < 0.1 * pooled.speech


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "count", [SpeakerCount(5), SpeakerCount(6, 6), SpeakerCount(1, 2), SpeakerCount(2, 3)], ids=str
)
def test_every_clusterer_keeps_the_bounds(method: str, count: SpeakerCount) -> None:
    observations = observe(converse(make_voices(3, 4), 120.0))
    centroids = find_centroids(observations, settings(method, count).clustering)
    assert count.clip(3) == len(centroids)
    assert np.linalg.norm(centroids, axis=1) == pytest.approx(1.0)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "talk",
    [
        Conversation(0.3, make_voices(1), []),
        Conversation(30.0, make_voices(1), []),
        Conversation(0.3, make_voices(1), [(0.0, 0.3, 0)]),
        Conversation(1.8, make_voices(2), [(0.1, 0.9, 0), (0.8, 1.7, 1)]),
        Conversation(30.0, make_voices(2), [(3.0, 9.0, 0), (3.0, 9.0, 1)]),
        Conversation(60.0, make_voices(1), [(0.0, 60.0, 0)]),
    ],
    ids=[
        "0.3 s of silence",
        "silence",
        "0.3 s of speech",
        "1.8 s of two",
        "overlap only",
        "one without a pause",
    ],
)
def test_little_speech_is_no_trouble(method: str, talk: Conversation) -> None:
    found = diarize(observe(talk), settings(method))
    assert len(found.turns) == len(found.exclusive) == len(found.embedding) == len(found.clean_seconds)
    assert found.embedding.shape[1] == DIMENSION
    assert found.embedding.dtype == np.float32
    assert np.isfinite(found.embedding).all()
    spoken = {who for *_, who in talk.turns}
    if not spoken:
        assert not found.turns
    elif talk.duration > 1.0:
        assert 1 <= len(found.turns) <= len(spoken)
        assert seconds(np.concatenate(found.turns)) > 0.4 * sum(end - start for start, end, _ in talk.turns)


def test_speakers_are_in_the_order_of_their_first_turns_with_their_seconds() -> None:
    talk = converse(make_voices(3, 6), 120.0, order=[2, 0, 1])
    found = diarize(observe(talk), settings("auto"))
    starts = [turns[0, 0] for turns in found.turns]
    assert starts == sorted(starts)
    assert (found.embedding @ talk.voices[[2, 0, 1]].T).argmax(axis=1).tolist() == [0, 1, 2]
    truth = [sum(end - start for start, end, who in talk.turns if who == speaker) for speaker in (2, 0, 1)]
    assert found.clean_seconds == pytest.approx(truth, rel=0.15)


def test_vbx_needs_plda() -> None:
    with pytest.raises(DiarError, match="`plda`"):
        find_centroids(observe(converse(make_voices(1), 10.0)), ClusteringSettings("vbx"))


def test_a_long_recording_costs_no_square_of_its_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    observations = observe(converse(make_voices(4), 3_000.0))
    assert len(observations.windows) > 3_900
    monkeypatch.setattr(choose, "_MOST_ROWS", 500)
    sizes = []

    def counted(cluster: Callable[..., np.ndarray]) -> Callable[..., np.ndarray]:
        def wrapper(embeddings: np.ndarray, *rest: object, **options: object) -> np.ndarray:
            sizes.append(len(embeddings))
            return cluster(embeddings, *rest, **options)

        return wrapper

    monkeypatch.setattr(choose, "cluster_ahc", counted(choose.cluster_ahc))
    monkeypatch.setattr(choose, "cluster_spectral", counted(choose.cluster_spectral))
    for method in ("ahc", "spectral"):
        assert len(find_centroids(observations, settings(method).clustering)) == 4
    assert len(sizes) == 2
    assert max(sizes) <= 500
