"""What is pooled over: a chunk of 4 s, frames of speech and of the trunk every 20 ms, made by hand."""

import numpy as np
import pytest

from diar.embedding.masks import TrunkFrames, core_masks, local_speaker_masks, sliding_masks
from diar.embedding.rows import SlidingWindows
from diar.embedding.speech.detector import ChunkSpeech, LocalActivity
from diar.intervals import IntervalLists

STEP = 320
EDGES = np.arange(201) * STEP
TRUNK = TrunkFrames(np.arange(200) * STEP + STEP / 2, STEP / 16_000)


def frames(*stretches: tuple[int, int]) -> np.ndarray:
    mask = np.zeros(200, bool)
    for start, end in stretches:
        mask[start:end] = True
    return mask


def local_of(*speakers: np.ndarray) -> LocalActivity:
    """One window that is the chunk, with the probabilities of each speaker (frames,)."""
    probability = np.stack(speakers, axis=1)
    whole = np.round(255 * probability).astype(np.uint8)[None, None]
    return LocalActivity(np.array([0]), EDGES, STEP, whole, (probability > 0.5)[None, None])


def test_a_local_speaker_is_pooled_over_its_clean_speech() -> None:
    first, second = frames((10, 60)), frames((50, 100))
    masks = local_speaker_masks(local_of(first, second, np.zeros(200)), TRUNK)
    assert masks.shape == (1, 3, 200)
    np.testing.assert_array_equal(masks[0], [frames((10, 50)), frames((60, 100)), frames()])


@pytest.mark.parametrize(("clean", "expected"), [(10, (50, 60)), (9, (50, 90))])
def test_with_too_little_clean_speech_all_of_it_is_taken(clean: int, expected: tuple[int, int]) -> None:
    first, second = frames((50, 90)), frames((50 + clean, 120))
    masks = local_speaker_masks(local_of(first, second, np.zeros(200)), TRUNK)
    np.testing.assert_array_equal(masks[0, 0], frames(expected))


def test_a_speaker_who_hardly_speaks_is_pooled_near_its_peak() -> None:
    hint = np.zeros(200)
    hint[100:110] = [0.1, 0.2, 0.26, 0.3, 0.4, 0.4, 0.3, 0.27, 0.2, 0.1]
    masks = local_speaker_masks(local_of(hint, np.where(frames((0, 9)), 0.2, 0)), TRUNK)
    np.testing.assert_array_equal(masks[0], [frames((103, 107)), frames()])


def test_a_peak_between_two_trunk_frames_takes_the_nearer_one() -> None:
    probability = np.zeros((1, 1, 800, 1), np.uint8)
    probability[0, 0, 400] = 100  # samples 32 000 … 32 080, the trunk has frames at 31 840 and 32 160
    fine = LocalActivity(np.array([0]), np.arange(801) * 80, 80, probability, probability > 127)
    np.testing.assert_array_equal(local_speaker_masks(fine, TRUNK)[0, 0], frames((100, 101)))


def test_windows_that_start_later_are_pooled_where_they_lie() -> None:
    probability = np.zeros((1, 2, 100, 1), np.uint8)
    probability[0, :, 20:60] = 255
    local = LocalActivity(np.array([0, 100]), EDGES[:101], STEP, probability, probability > 0)
    np.testing.assert_array_equal(
        local_speaker_masks(local, TRUNK)[0], [frames((20, 60)), frames((120, 160))]
    )


def speech_of(single: np.ndarray) -> ChunkSpeech:
    return ChunkSpeech(EDGES, single[None], single[None], None)


@pytest.mark.parametrize("spare", [False, True])
def test_a_sliding_window_is_pooled_over_single_speech_and_a_spare_one_over_all(spare: bool) -> None:
    nothing = IntervalLists(np.empty((0, 2), np.int64), np.zeros(2, np.int64))
    spans = np.array([[0, 50 * STEP], [100 * STEP, 150 * STEP]])
    windows = SlidingWindows(spans, nothing, np.zeros(2, np.int64), spare)
    masks = sliding_masks([windows], speech_of(frames((40, 120))), TRUNK)
    expected = [frames((0, 50)), frames((100, 150))] if spare else [frames((40, 50)), frames((100, 120))]
    np.testing.assert_array_equal(masks[0], expected)


@pytest.mark.parametrize(("spoken", "expected"), [(13, (60, 73)), (12, (50, 150))])
def test_a_core_with_little_single_speech_is_pooled_as_a_whole(
    spoken: int, expected: tuple[int, int]
) -> None:
    core = np.array([[50 * STEP, 150 * STEP]])
    masks = core_masks(core, speech_of(frames((10, 30), (60, 60 + spoken))), TRUNK)
    np.testing.assert_array_equal(masks, [[frames(expected)]])
