import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diar.embedding.chunks import Chunk, ChunkSettings, cut_channels, cut_chunks, windows_of
from diar.embedding.speech.detector import window_frames

RATE = 100  # samples a second; small, so that hypothesis can try long recordings
SETTINGS = ChunkSettings.from_seconds(RATE, chunk=10.0, window=1.0, hop=0.5)


def chunks_of(samples: np.ndarray, block: int, chunk_settings: ChunkSettings = SETTINGS) -> list[Chunk]:
    blocks = (samples[start : start + block] for start in range(0, len(samples), block))
    return list(cut_chunks(blocks, chunk_settings))


@settings(max_examples=200)
@given(length=st.integers(1, 6000), block=st.integers(1, 3000))
def test_cores_tile_the_recording_and_samples_are_where_they_were(length: int, block: int) -> None:
    samples = np.arange(length, dtype=np.float32)
    chunks = chunks_of(samples, block)
    assert [chunk.index for chunk in chunks] == list(range(len(chunks)))
    assert [chunk.last for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    assert chunks[0].core[0] == 0
    assert chunks[-1].core[1] == chunks[-1].end == length
    for before, after in itertools.pairwise(chunks):
        assert before.core[1] == after.core[0]
    for chunk in chunks:
        np.testing.assert_array_equal(chunk.samples, samples[chunk.start : chunk.end])
        assert chunk.start <= chunk.core[0] < chunk.core[1] <= chunk.end
        if len(chunks) > 1:
            assert len(chunk.samples) == SETTINGS.length


@settings(max_examples=200)
@given(
    length=st.integers(20, 6000),
    window=st.sampled_from([0.5, 1.5, 2.0, 3.0]),
    share=st.sampled_from([0.25, 0.5, 1.0]),
)
def test_windows_start_every_hop_lie_in_their_chunk_and_leave_nothing_out(
    length: int, window: float, share: float
) -> None:
    chunk_settings = ChunkSettings.from_seconds(RATE, 10.0, window, window * share)
    chunks = chunks_of(np.zeros(length, np.float32), 700, chunk_settings)
    found = []
    for chunk in chunks:
        windows = windows_of(chunk, chunk_settings)
        assert all(chunk.start <= start < end <= chunk.end for start, end in windows)
        found.extend(windows)
    width, hop = chunk_settings.window, chunk_settings.hop
    if length <= width:
        assert found == [(0, length)]
        return
    regular = [(start, start + width) for start in range(0, length - width + 1, hop)]
    tail = [] if regular[-1][1] == length else [(length - width, length)]
    assert found == regular + tail


@settings(max_examples=200)
@given(length=st.integers(30, 6000), step=st.integers(20, 400))
def test_segmentation_windows_see_every_moment_of_every_core(length: int, step: int) -> None:
    frame_step, seen = 3, np.zeros(length, bool)
    for chunk in chunks_of(np.zeros(length, np.float32), 700):
        size = min(400, len(chunk.samples))
        starts = chunk.start + frame_step * window_frames(len(chunk.samples), size, step, frame_step)
        assert starts[0] == chunk.start
        assert chunk.end - frame_step < starts[-1] + size <= chunk.end
        assert np.diff(starts).max(initial=0) <= step + frame_step
        for start in starts:
            seen[start : start + size] = True
    assert seen[: length - frame_step + 1].all()


def test_an_empty_stream_has_no_chunks() -> None:
    assert chunks_of(np.empty(0, np.float32), 10) == []
    assert list(cut_chunks([np.empty(0, np.float32)], SETTINGS)) == []


@pytest.mark.parametrize("window", [1.0, 4.0])
def test_the_context_holds_half_a_window(window: float) -> None:
    chunk_settings = ChunkSettings.from_seconds(16000, 30.0, window, 0.75)
    assert chunk_settings.context == max(16000, window / 2 * 16000)


def test_channels_are_cut_in_step() -> None:
    settings = ChunkSettings.from_seconds(100, chunk=5.0, window=1.0, hop=0.5)
    signals = np.random.default_rng(0).standard_normal((3, 2345)).astype(np.float32)
    blocks = [signals[:, start : start + 400] for start in range(0, 2345, 400)]
    together = list(cut_channels(blocks, (0, 1, 2), settings))
    alone = [list(cut_chunks([signal], settings)) for signal in signals]
    assert [chunk.index for chunk in together] == list(range(len(together)))
    for chunk in together:
        own = alone[chunk.channel][chunk.index // 3]
        assert (chunk.start, chunk.core, chunk.last) == (own.start, own.core, own.last)
        np.testing.assert_array_equal(chunk.samples, own.samples)
