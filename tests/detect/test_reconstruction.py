"""Frames from clusters: against straightforward loops, the same in blocks, with overlap where it was."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from diar.detect import reconstruction
from diar.detect.clustering.assignment import NO_CLUSTER
from diar.detect.observations import Observations
from diar.detect.presets import ReconstructionSettings
from diar.detect.reconstruction import Frames, expected_voices, reconstruct
from tests.detect.observations_sample import FRAMES, Conversation, converse, make_voices, observe

VOICES = make_voices(4, 1)
PLAIN = ReconstructionSettings(onset=0.5, offset=0.5, overlap=1.5, overlap_prior=0)


def random_observations(duration: float, speakers: int, seed: int, step: float = 5.0) -> Observations:
    """A conversation whose activities are noise."""
    talk = converse(VOICES[:speakers], duration, overlap=0.4, seed=seed)
    found = observe(talk, seed=seed, step=step)
    noise = np.random.default_rng(seed).integers(0, 200, found.local.activity.shape, dtype=np.uint8)
    seen = (np.arange(noise.shape[1]) * FRAMES.step + 2 * FRAMES.first_center) < duration
    return replace(found, local=replace(found.local, activity=noise * seen))


def count_frames(duration: float) -> int:
    """Frames whose centre lies before the end."""
    return sum(
        FRAMES.first_center + i * FRAMES.step < duration for i in range(int(duration / FRAMES.step) + 2)
    )


@settings(max_examples=20)
@given(
    # whole samples, as recordings have them; some end with the last sample of a frame
    duration=st.one_of(
        st.integers(1_600, 544_000).map(lambda samples: samples / 16_000),
        st.integers(3, 580).map(lambda frames: (991 + 270 * frames) / 16_000),
    ),
    step=st.sampled_from([1.0, 2.5, 5.0]),
    seed=st.integers(0, 99),
)
@example(duration=5.681345788678416, step=1.0, seed=0)
@example(duration=(991 + 270 * 333) / 16_000, step=1.0, seed=0)
def test_expected_voices_are_the_mean_over_chunks(duration: float, step: float, seed: int) -> None:
    observations = random_observations(duration, 3, seed, step)
    local, frames = observations.local, count_frames(duration)
    expected = np.zeros(frames)
    for frame in range(frames):
        voices = []
        for seg_window, (start, end) in enumerate(
            zip(local.seg_window_start, local.seg_window_end, strict=True)
        ):
            inside = frame - round(start / FRAMES.step)
            if inside >= 0 and inside * FRAMES.step + 2 * FRAMES.first_center <= end - start + 1e-6:
                voices.append(
                    sum(int(row[inside]) for row in local.activity[local.seg_window == seg_window]) / 255
                )
        expected[frame] = np.mean(voices or [0.0])
    found = expected_voices(observations, frames)
    np.testing.assert_allclose(found, expected, atol=1e-5)


@given(
    values=st.lists(st.floats(0.0, 2.0), max_size=40),
    onset=st.floats(0.1, 0.9),
    lower=st.floats(0.0, 0.5),
)
def test_speech_goes_on_down_to_the_offset(values: list[float], onset: float, lower: float) -> None:
    settings = ReconstructionSettings(
        onset=onset, offset=max(0.01, onset - lower), overlap=1.5, overlap_prior=0
    )
    expected, speaking = [], False
    for value in values:
        speaking = value > (settings.offset if speaking else onset)
        expected.append(2 if speaking and value > 1.5 else int(speaking))
    assert reconstruction.settle(np.array(values), settings, 0.017).tolist() == expected


def test_a_third_and_a_fourth_voice_speak_where_they_are_expected() -> None:
    settings = ReconstructionSettings(onset=0.5, offset=0.5, overlap=1.4, overlap_prior=0)
    expected = np.array([0.2, 1.0, 1.5, 2.3, 2.5, 3.3, 3.5, 0.1])
    assert reconstruction.settle(expected, settings, 0.02).tolist() == [0, 1, 2, 2, 3, 3, 4, 0]


def test_as_many_clusters_are_active_as_voices_speak() -> None:
    observations = random_observations(30.0, 4, 3)
    observations = replace(
        observations,
        local=replace(observations.local, activity=np.full_like(observations.local.activity, 230)),
    )
    expected = expected_voices(observations, count_frames(30.0))
    assert expected.max() > 2.5, "more than two speak at once"
    check(reconstruct(observations, VOICES[:4], PLAIN), expected, PLAIN)


@pytest.mark.parametrize("change_probability", [None, 0.1])
def test_blocks_give_the_same_as_one(
    change_probability: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    observations = random_observations(40.0, 3, 7)
    chosen = replace(PLAIN, change_probability=change_probability)
    whole = reconstruct(observations, VOICES[:3], chosen)
    for size in (1, 100, 591):
        monkeypatch.setattr(reconstruction, "_BLOCK", size)
        blocks = reconstruct(observations, VOICES[:3], chosen)
        np.testing.assert_array_equal(blocks.active, whole.active)
        np.testing.assert_array_equal(blocks.dominant, whole.dominant)


def check(frames: Frames, expected: np.ndarray, settings: ReconstructionSettings) -> None:
    """What holds for all frames."""
    clusters, count = frames.active.shape
    assert frames.dominant.shape == (count,) == expected.shape
    voices = reconstruction.settle(expected, settings, frames.step)
    np.testing.assert_array_equal(frames.active.sum(axis=0), np.minimum(voices, clusters))
    spoken = frames.dominant != NO_CLUSTER
    np.testing.assert_array_equal(spoken, (voices > 0) & (clusters > 0))
    assert frames.active[frames.dominant[spoken], np.flatnonzero(spoken)].all()


@settings(max_examples=20)
@given(
    duration=st.floats(0.1, 25.0),
    clusters=st.integers(0, 4),
    onset=st.floats(0.2, 0.9),
    overlap=st.floats(1.01, 1.9),
    seed=st.integers(0, 99),
)
def test_as_many_clusters_are_active_as_voices(
    duration: float, clusters: int, onset: float, overlap: float, seed: int
) -> None:
    observations = random_observations(duration, 3, seed)
    chosen = ReconstructionSettings(onset=onset, offset=onset / 2, overlap=overlap)
    frames = reconstruct(observations, VOICES[:clusters], chosen)
    assert frames.active.shape == (clusters, count_frames(duration))
    check(frames, expected_voices(observations, frames.active.shape[1]), chosen)


@pytest.mark.parametrize("change_probability", [None, 0.1])
def test_a_conversation_comes_back_frame_by_frame(change_probability: float | None) -> None:
    voices = VOICES[:3]  # as many as a seg_window can tell apart
    talk = converse(voices, 90.0, overlap=0.4)
    chosen = replace(PLAIN, change_probability=change_probability)
    frames = reconstruct(observe(talk, noise=0.2), voices, chosen)
    center = frames.first_center + frames.step * np.arange(frames.active.shape[1])
    truth = np.zeros_like(frames.active)
    for start, end, who in talk.turns:
        truth[who] |= (center >= start) & (center < end)
    two = truth.sum(axis=0) == 2
    assert two.sum() * frames.step > 3.0
    right = (frames.active == truth).all(axis=0)
    assert right.mean() > 0.99
    assert right[two].mean() > 0.95


def test_smoothing_is_a_running_mean() -> None:
    turns = [(2.0, 4.0, 0), (4.1, 6.0, 0), (12.0, 12.1, 0)]  # a short gap, a short click
    observations = observe(Conversation(20.0, VOICES[:1], turns))
    rough, smooth = (
        reconstruct(observations, VOICES[:1], replace(PLAIN, smoothing=seconds)).active[0]
        for seconds in (0.0, 0.5)
    )

    def runs(active: np.ndarray) -> int:
        return int((np.diff(active.astype(int), prepend=0) == 1).sum())

    assert (runs(rough), runs(smooth)) == (3, 1)


def test_edges_lie_between_frames() -> None:
    frames = Frames(np.ones((1, 3), bool), np.zeros(3, np.int64), 0.03, 0.02)
    np.testing.assert_allclose(frames.edge(np.array([0, 1, 3])), [0.02, 0.04, 0.08])


def test_the_overlap_that_a_recording_shows_moves_the_threshold() -> None:
    """At a tenth of the speech it stands as given; where less overlaps, more evidence is asked for."""
    chosen = ReconstructionSettings(overlap=1.2)
    tenth = np.tile([1.0] * 9 + [2.0], 1000)
    found = {
        share: reconstruction.overlap_threshold(
            np.where(np.arange(10_000) < 10_000 * share, 2.0, 1.0), chosen, 0.017
        )
        for share in (0.02, 0.3)
    }
    assert reconstruction.overlap_threshold(tenth, chosen, 0.017) == pytest.approx(1.2, abs=0.02)
    assert found[0.3] < 1.2 < found[0.02] < 1.5
    fixed = replace(chosen, overlap_prior=0.0)
    assert reconstruction.overlap_threshold(tenth, fixed, 0.017) == pytest.approx(1.2)
    assert 1.1 <= reconstruction.overlap_threshold(np.empty(0), chosen, 0.017) <= 1.5
