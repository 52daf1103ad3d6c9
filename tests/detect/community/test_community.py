"""pyannote's pipeline in stage 2: every step against what its own code gave (tests/models/pipelines)."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from diar.detect.clustering.plda import PldaError
from diar.detect.clustering.speaker_count import SpeakerCount
from diar.detect.clustering.vbx import VbxResult
from diar.detect.community.clustering import assign, find_clusters, initial_clusters, run_vbx
from diar.detect.community.decisions import Decisions
from diar.detect.community.diarize import find_speakers, raw_embeddings
from diar.detect.community.frames import Timeline, count_active, most_active, turns_of
from diar.detect.community.settings import Community, pyannote_plda
from diar.detect.diarize import DiarizeSettings, diarize
from diar.detect.observations import Observations
from diar.errors import DiarError
from diar.intervals import IntervalLists
from diar.records import RecordingRow, RecordingTracks
from tests.detect.observations_sample import FRAMES, converse, make_tracks, make_voices
from tests.models.pipelines.golden import SECONDS, golden, intervals, observed, same_turns
from tests.models.pipelines.pipeline_folder import write_plda


@pytest.fixture(scope="module")
def arrays(tmp_path_factory: pytest.TempPathFactory) -> dict[str, np.ndarray]:
    folder = tmp_path_factory.mktemp("plda")
    write_plda(folder)
    return read_arrays(folder)


def read_arrays(folder: Path) -> dict[str, np.ndarray]:
    found: dict[str, np.ndarray] = {}
    for name in ("xvec_transform.npz", "plda.npz"):
        with np.load(folder / name) as file:
            found |= dict(file)
    return found


@pytest.fixture(scope="module")
def community(arrays: dict[str, np.ndarray]) -> Community:
    return Community(pyannote_plda(arrays))


@pytest.fixture(scope="module")
def seen() -> Observations:
    return observed(golden(), SECONDS)


@pytest.fixture(scope="module")
def decisions(seen: Observations) -> Decisions:
    return Decisions.of(seen)


@pytest.fixture(scope="module")
def vbx_result(seen: Observations, decisions: Decisions, community: Community) -> VbxResult:
    units, raw = trained(seen, decisions)
    return run_vbx(units, raw, community)


def trained(seen: Observations, decisions: Decisions) -> tuple[np.ndarray, np.ndarray]:
    trains = decisions.trains
    return seen.local.embedding[decisions.row[trains]], raw_embeddings(seen, decisions)[trains]


def test_the_golden_recording_is_worth_a_comparison() -> None:
    steps = golden()
    assert len(steps.centroids) >= 2
    assert steps.initial.max() >= 2
    assert len(steps.turns) > len(steps.exclusive) * 0.5
    assert (steps.decided.sum(axis=2) > 1).any()  # overlap
    assert 2 <= len(steps.initial) < steps.decided.any(axis=1).sum()  # some do not train


def test_decisions_come_back_from_intervals(seen: Observations, decisions: Decisions) -> None:
    window, speaker = np.nonzero(golden().decided.any(axis=1))
    np.testing.assert_array_equal(decisions.seg_window, window)
    np.testing.assert_array_equal(decisions.spoken, golden().decided[window, :, speaker])


def test_plda_features_are_pyannotes(seen: Observations, decisions: Decisions, community: Community) -> None:
    _, raw = trained(seen, decisions)
    found, expected = community.plda.transform(raw), golden().features
    signs = np.sign((found * expected).sum(axis=0))  # of eigenvectors: a matter of the LAPACK
    np.testing.assert_allclose(found * signs, expected, atol=1e-5)
    np.testing.assert_allclose(community.plda.psi, golden().psi, rtol=1e-9)


def test_the_start_is_pyannotes(seen: Observations, decisions: Decisions, community: Community) -> None:
    units, _ = trained(seen, decisions)
    np.testing.assert_array_equal(initial_clusters(units, community.threshold), golden().initial)


def test_vbx_is_pyannotes(vbx_result: VbxResult) -> None:
    np.testing.assert_allclose(vbx_result.responsibilities, golden().responsibilities, atol=1e-5)
    np.testing.assert_allclose(vbx_result.priors, golden().priors, atol=1e-5)
    np.testing.assert_array_equal(
        vbx_result.responsibilities.argmax(axis=1), golden().responsibilities.argmax(axis=1)
    )


def test_centroids_and_assignment_are_pyannotes(
    seen: Observations, decisions: Decisions, community: Community
) -> None:
    clusters = find_clusters(*trained(seen, decisions), community, SpeakerCount())
    np.testing.assert_allclose(clusters.centroids, golden().centroids, rtol=1e-4, atol=1e-5)
    found = assign(raw_embeddings(seen, decisions), decisions.seg_window, clusters)
    window, speaker = np.nonzero(golden().decided.any(axis=1))
    expected = golden().clusters[window, speaker]
    np.testing.assert_array_equal(found, np.where(expected < 0, -1, expected))


def test_turns_are_pyannotes(seen: Observations, community: Community) -> None:
    found = diarize(seen, DiarizeSettings(pipeline=community))
    same_turns(found.turns, golden().turns, SECONDS)
    same_turns(found.exclusive, golden().exclusive, SECONDS)
    np.testing.assert_allclose(np.linalg.norm(found.embedding, axis=1), 1, atol=1e-6)
    firsts = [turns[0, 0] for turns in found.turns]
    assert firsts == sorted(firsts)


@pytest.mark.parametrize("wanted", [1, 2, 3, 5])
def test_a_number_of_speakers_is_kept(seen: Observations, community: Community, wanted: int) -> None:
    found = find_speakers(seen, community, SpeakerCount(wanted, wanted))
    assert len(found.centroids) == wanted
    if wanted == 1:
        same = [np.array_equal(*pair) for pair in zip(found.turns, found.exclusive, strict=True)]
        assert all(same)  # no more voices at once than speakers


def test_voices_that_are_apart_are_told_apart(community: Community) -> None:
    """Made-up voices in the space of the PLDA model: VBx finds them, and turns lie where they are."""
    voices = make_voices(3)
    talk = converse(voices, 90.0, overlap=0.2)
    tracks = make_tracks(talk, step=1.0, noise=0.05)
    spoken = zip(tracks.activity, tracks.start, strict=True)
    tracks = replace(
        tracks,
        active=IntervalLists.of(intervals(activity > 127, start) for activity, start in spoken),
        norm=np.full(len(tracks), 4.0, np.float32),
    )
    seen = Observations.of(RecordingTracks(RecordingRow("a", "a", duration=90.0), tracks, FRAMES, {}))
    rng = np.random.default_rng(0)
    size = voices.shape[1]
    plain = {
        "mean1": np.zeros(size),
        "lda": np.eye(size),
        "mean2": np.zeros(size),
        "mu": np.zeros(size),
        "tr": np.eye(size),
        "psi": rng.uniform(5, 10, size),
    }
    found = find_speakers(seen, Community(pyannote_plda(plain)), SpeakerCount())
    assert len(found.centroids) == 3
    cosine = found.centroids @ voices.T
    assert (cosine.max(axis=1) > 0.9).all()
    assert sorted(cosine.argmax(axis=1)) == [0, 1, 2]


def test_nobody_speaks(seen: Observations, community: Community) -> None:
    silent = seen.between(100.0, 200.0)
    found = find_speakers(silent, community, SpeakerCount())
    assert (found.turns, found.exclusive, len(found.centroids)) == ([], [], 0)


def test_lengths_have_to_be_stored(seen: Observations, community: Community) -> None:
    older = replace(seen, local=replace(seen.local, norm=np.full(len(seen.local), np.nan, np.float32)))
    with pytest.raises(DiarError, match="stored no lengths of embeddings"):
        find_speakers(older, community, SpeakerCount())


def test_a_turn_ends_with_the_recording(seen: Observations) -> None:
    timeline = Timeline.of(seen, golden().decided.shape[1])
    active = np.zeros(timeline.count, bool)
    active[-80:] = True
    (turn,) = turns_of(active, seen, 0.0, 0.0)
    assert turn[1] == SECONDS
    assert len(turns_of(active, seen, 0.0, 5.0)) == 0  # shorter than that


def test_short_pauses_are_closed(seen: Observations) -> None:
    active = np.zeros(400, bool)
    active[[*range(10, 50), *range(60, 100)]] = True
    assert len(turns_of(active, seen, 0.0, 0.0)) == 2
    assert len(turns_of(active, seen, 0.2, 0.0)) == 1


def test_no_more_voices_than_clusters(decisions: Decisions, seen: Observations) -> None:
    """pyannote.audio adds a speaker without a voice there."""
    timeline = Timeline.of(seen, golden().decided.shape[1])
    assigned = np.zeros(len(decisions.row), np.int64)
    activity = count_active(decisions, assigned, 1, timeline)
    assert activity.max() == len(timeline.first)  # two local speakers of a seg_window count once
    assert most_active(activity, np.full(timeline.count, 2)).all()


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("psi", None, "lacks psi"),
        ("mean1", np.full(256, np.nan), "mean1 has values that are not finite"),
        ("lda", np.zeros((128, 256)), r"lda is \(128, 256\), \(256, 128\) is expected"),
        ("psi", np.zeros(128), "psi are variances and must be above 0"),
        ("tr", np.zeros((128, 128)), "tr or psi are of no PLDA model"),
    ],
)
def test_arrays_that_are_no_plda_model(
    arrays: dict[str, np.ndarray], name: str, value: np.ndarray | None, message: str
) -> None:
    changed = {key: array for key, array in arrays.items() if key != name}
    if value is not None:
        changed[name] = value
    with pytest.raises(PldaError, match=message):
        pyannote_plda(changed, "plda.npz")
