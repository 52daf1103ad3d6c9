"""Turns from frames: what always holds, against plain loops."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diar.detect.clustering.assignment import NO_CLUSTER
from diar.detect.postprocessing import exclusive_turns, speaker_turns
from diar.detect.presets import TurnSettings
from diar.detect.reconstruction import Frames
from diar.intervals import at_least, common_seconds, seconds, without

FIRST, STEP = 0.03, 0.017
PLAIN = TurnSettings(0.0, 0.0)
durations = st.one_of(st.just(0.0), st.floats(0.0, 0.2))


@st.composite
def recordings(draw: st.DrawFn) -> tuple[Frames, float]:
    """Frames with at most two active clusters, and the recording's duration."""
    clusters, count = draw(st.integers(0, 3)), draw(st.integers(0, 60))
    rng = np.random.default_rng(draw(st.integers(0, 2**31)))
    active, dominant = np.zeros((clusters, count), bool), np.full(count, NO_CLUSTER)
    frame = 0
    while clusters and frame < count:  # runs, as speech has them
        length = int(rng.integers(1, 12))
        who = rng.permutation(clusters)[: rng.integers(0, 3)]
        active[who, frame : frame + length] = True
        dominant[frame : frame + length] = who[0] if len(who) else NO_CLUSTER
        frame += length
    last = FIRST + (count - 1) * STEP  # its centre lies before the end, the next one's would not
    duration = last + draw(st.floats(0.001, STEP)) if count else draw(st.floats(0.001, FIRST))
    return Frames(active, dominant, FIRST, STEP), duration


@given(recordings(), durations, durations)
def test_turns_are_in_order_disjoint_long_enough_and_inside(
    recording: tuple[Frames, float], on: float, off: float
) -> None:
    frames, duration = recording
    chosen = TurnSettings(min_duration_off=off, min_duration_on=on)
    for of_all in (speaker_turns, exclusive_turns):
        found = of_all(frames, chosen, duration)
        assert len(found) == len(frames.active)
        for turns in found:
            assert turns.shape == (len(turns), 2)
            assert (np.diff(turns.ravel()) > 0).all()
            assert (turns[:, 1] - turns[:, 0] >= on).all()
            assert not len(turns) or (turns[0, 0] >= 0.0 and turns[-1, 1] <= duration)
    for turns in speaker_turns(frames, chosen, duration):
        assert (turns[1:, 0] - turns[:-1, 1] > off).all()


@given(recordings())
def test_without_durations_turns_are_the_runs_of_frames(recording: tuple[Frames, float]) -> None:
    frames, duration = recording
    count = frames.active.shape[1]
    for active, turns in zip(frames.active, speaker_turns(frames, PLAIN, duration), strict=True):
        expected = []
        for frame in range(count):
            start = 0.0 if frame == 0 else FIRST + (frame - 0.5) * STEP
            end = duration if frame == count - 1 else FIRST + (frame + 0.5) * STEP
            if active[frame] and expected and active[frame - 1]:
                expected[-1][1] = end
            elif active[frame]:
                expected.append([start, end])
        np.testing.assert_allclose(turns, np.array(expected).reshape(-1, 2))


@given(recordings(), durations, durations)
def test_exclusive_turns_never_overlap_and_lie_in_the_turns(
    recording: tuple[Frames, float], on: float, off: float
) -> None:
    frames, duration = recording
    chosen = TurnSettings(min_duration_off=off, min_duration_on=on)
    exclusive, turns = exclusive_turns(frames, chosen, duration), speaker_turns(frames, chosen, duration)
    assert seconds(at_least(2, exclusive)) == 0.0
    for alone, own in zip(exclusive, turns, strict=True):
        assert common_seconds(alone, own) == pytest.approx(seconds(alone), abs=1e-9)


@given(recordings())
def test_without_durations_exclusive_turns_are_all_the_speech(recording: tuple[Frames, float]) -> None:
    frames, duration = recording
    exclusive, turns = exclusive_turns(frames, PLAIN, duration), speaker_turns(frames, PLAIN, duration)
    np.testing.assert_allclose(at_least(1, exclusive), at_least(1, turns))


def test_a_short_pause_is_closed_and_a_short_turn_dropped() -> None:
    active = np.zeros((2, 100), bool)
    active[0, 10:30] = active[0, 33:50] = True  # a pause of 3 frames
    active[1, 31:32] = active[1, 70:90] = True  # a click in it
    dominant = np.full(100, NO_CLUSTER)
    for k in (0, 1):
        dominant[active[k]] = k
    frames = Frames(active, dominant, FIRST, STEP)
    chosen = TurnSettings(min_duration_off=3.5 * STEP, min_duration_on=1.5 * STEP)
    first, second = speaker_turns(frames, chosen, 2.0)
    np.testing.assert_allclose(first, frames.edge(np.array([[10, 50]])))
    np.testing.assert_allclose(second, frames.edge(np.array([[70, 90]])))
    alone, other = exclusive_turns(frames, chosen, 2.0)
    np.testing.assert_allclose(alone, frames.edge(np.array([[10, 30], [33, 50]])))
    np.testing.assert_allclose(other, second)
    assert seconds(without(first, alone)) == pytest.approx(3 * STEP)
