"""Stage 1 of a pipeline: each seg_window alone gives what pyannote.audio computes."""

from functools import partial

import numpy as np
import pytest
import torch

from diar.embedding.chunks import Chunk, ChunkSettings, cut_chunks, windows_of
from diar.embedding.embedder import TrackEmbedder
from diar.embedding.masks import TrunkFrames, seg_window_masks
from diar.embedding.recording import embed_recording
from diar.embedding.speech.detector import LocalActivity, SpeechDetector
from diar.models.pipelines.open import Pipeline, open_pipeline
from diar.records import SLIDING
from tests.models.pipelines.golden import SECONDS, WINDOW, audio, golden, golden_bias, intervals
from tests.models.pipelines.pipeline_folder import RATE, write_folder

SETTINGS = ChunkSettings.of_windows(RATE, 10 * RATE, RATE, 1.0, 0.5)
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    folder = tmp_path_factory.mktemp("pipeline") / "community"
    return open_pipeline(str(write_folder(folder, bias=golden_bias())))


def embedder_of(pipeline: Pipeline) -> TrackEmbedder:
    masks = partial(seg_window_masks, exclude_overlap=pipeline.config.exclude_overlap)
    detector = SpeechDetector(pipeline.segmentation, CPU, WINDOW, 0.0)
    return TrackEmbedder(pipeline.encoder, detector, SETTINGS, CPU, local_masks=masks)


@pytest.mark.slow
def test_segmentation_and_embeddings_are_pyannotes(pipeline: Pipeline) -> None:
    made = embed_recording(cut_chunks([audio()], SETTINGS), embedder_of(pipeline))
    assert made is not None
    tracks, steps = made.tracks, golden()
    np.testing.assert_array_equal(tracks.windows[:, 0], np.arange(len(steps.decided)))
    assert np.ptp(tracks.windows, axis=1).tolist() == [WINDOW] * len(steps.decided)
    compared = 0
    for row in np.flatnonzero(tracks.local_speaker != SLIDING):
        window, speaker = round(tracks.start[row]), tracks.local_speaker[row]
        np.testing.assert_allclose(
            tracks.active[row], intervals(steps.decided[window, :, speaker], float(window))
        )
        if steps.decided[window, :, speaker].any():
            raw = tracks.embedding[row] * tracks.norm[row]
            expected = steps.embeddings[window, speaker]
            np.testing.assert_allclose(raw, expected, atol=1e-5 * np.linalg.norm(expected))
            compared += 1
    assert compared == steps.decided.any(axis=1).sum()
    sliding = tracks.end[tracks.local_speaker == SLIDING]
    assert sliding.max() <= SECONDS + 1e-9


def chunks_of(seconds: float) -> list[Chunk]:
    samples = np.arange(1, round(seconds * RATE) + 1, dtype=np.float32)
    return list(cut_chunks(np.array_split(samples, 7), SETTINGS))


@pytest.mark.parametrize(
    ("seconds", "starts", "filled"),
    [(4.0, [0], 6.0), (10.0, [0], 0.0), (10.5, [0, 1], 0.5), (12.0, [0, 1, 2], 0.0)],
)
def test_seg_windows_are_cut_as_pyannote_cuts_them(seconds: float, starts: list[int], filled: float) -> None:
    chunks = chunks_of(seconds)
    assert [chunk.start for chunk in chunks] == [RATE * start for start in starts]
    assert {len(chunk.samples) for chunk in chunks} == {10 * RATE}
    assert chunks[-1].filled == filled * RATE
    assert chunks[-1].end == round(seconds * RATE)
    assert not chunks[-1].samples[10 * RATE - chunks[-1].filled :].any()
    cores = [chunk.core for chunk in chunks]
    assert cores[0][0] == 0
    assert cores[-1][1] == round(seconds * RATE)
    assert [end for _, end in cores[:-1]] == [start for start, _ in cores[1:]]
    windows = [window for chunk in chunks for window in windows_of(chunk, SETTINGS)]
    assert windows == sorted(windows)
    assert max(end for _, end in windows) == round(seconds * RATE)


def test_no_audio_no_chunks() -> None:
    assert list(cut_chunks([], SETTINGS)) == []


def test_a_window_has_to_fit() -> None:
    with pytest.raises(ValueError, match=r"a window of 9\.5 s does not fit into seg_windows: at most 9 s do"):
        ChunkSettings.of_windows(RATE, 10 * RATE, RATE, 9.5, 0.5)


def activity(*spoken: slice) -> tuple[LocalActivity, TrunkFrames]:
    active = np.zeros((1, 1, 589, 3), bool)
    for speaker, frames in enumerate(spoken):
        active[0, 0, frames, speaker] = True
    edges = np.linspace(0, 10 * RATE, 590).round().astype(np.int64)
    local = LocalActivity(np.zeros(1, np.int64), edges, 270, 255 * active.astype(np.uint8), active)
    return local, TrunkFrames(np.arange(125) * 1280 + 200.0, 0.08)


def test_an_embedding_leaves_overlap_out_where_enough_is_left() -> None:
    local, trunk = activity(slice(0, 300), slice(297, 400))
    masks = seg_window_masks(local, trunk, exclude_overlap=True)[0]
    # The nearest of 589 frames for each of 125
    nearest = np.floor(np.arange(125, dtype=np.float32) * np.float32(589 / 125)).astype(int)
    np.testing.assert_array_equal(masks[0], nearest < 297)
    np.testing.assert_array_equal(masks[1], (nearest >= 300) & (nearest < 400))
    with_overlap = seg_window_masks(local, trunk, exclude_overlap=False)[0]
    np.testing.assert_array_equal(with_overlap[0], nearest < 300)


def test_two_clean_frames_are_too_few() -> None:
    local, trunk = activity(slice(0, 102), slice(0, 100))
    masks = seg_window_masks(local, trunk, exclude_overlap=True)[0]
    assert masks[0].sum() == np.ceil(102 / 589 * 125)
    local, trunk = activity(slice(0, 103), slice(0, 100))
    assert seg_window_masks(local, trunk, exclude_overlap=True)[0][0].sum() <= 1


def test_nothing_pooled_is_still_an_embedding(pipeline: Pipeline) -> None:
    """A voice between two trunk frames has the embedding of statistics that are 0, as in pyannote.audio."""
    encoder = pipeline.encoder.encoder
    frames = torch.ones(1, 2560, 5)
    found = encoder.pool(frames, torch.zeros(1, 1, 5))[0, 0].numpy()
    np.testing.assert_allclose(found, golden_bias(), atol=1e-6)
