"""Chunks to tracks: every embedding is pooled over the frames that its row says."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from diar.embedding.chunk_rows import ChunkRows
from diar.embedding.chunks import ChunkSettings, cut_chunks
from diar.embedding.embedder import TrackEmbedder
from diar.embedding.rows import RecordingEmbeddings, assemble
from diar.embedding.speech.detector import SpeechDetector
from diar.jobs.progress.counters import Counters
from diar.models.encoders.foreign import ForeignEncoder
from diar.models.encoders.wespeaker import SpeakerModel, open_model_dir
from diar.models.features import Fbank, FbankSettings, FrontEndSettings, cmn
from diar.models.inference import Precision
from diar.models.segmentation.base import SegmentationModel
from diar.models.segmentation.pyannet import open_segmentation_dir
from diar.models.tfmel import TfMelSettings
from diar.records import SLIDING, Tracks
from tests.commands import RATE
from tests.models.cases import build

CPU = torch.device("cpu")
TFMEL = TfMelSettings(num_mel_bins=16, norm_signal=True)
SETTINGS = ChunkSettings.from_seconds(RATE, chunk=30.0, window=1.0, hop=0.5)


@pytest.fixture(scope="module")
def segmentation(segmentation_dir: Path) -> SegmentationModel:
    return open_segmentation_dir(segmentation_dir)


@pytest.fixture(scope="module")
def detector(segmentation: SegmentationModel) -> SpeechDetector:
    return SpeechDetector(segmentation, CPU, step=5.0, silence_margin=3.0)


def embed(embedder: TrackEmbedder, samples: np.ndarray) -> RecordingEmbeddings:
    chunks = cut_chunks([samples], embedder.settings)
    return assemble([embedder.embed([chunk])[0] for chunk in chunks], RATE)


def covers(intervals: np.ndarray, times: np.ndarray) -> np.ndarray:
    """(n,) bool: which of `times` (n,) lie in the intervals (k, 2)."""
    return ((times >= intervals[:, :1]) & (times < intervals[:, 1:])).any(axis=0)


def frames_of_row(tracks: Tracks, row: int, times: np.ndarray) -> np.ndarray:
    """(T',) bool: clean speech of a local speaker if there are 0.2 s, else all its speech."""
    mine = covers(tracks.active[row], times)
    others = [
        other
        for other in np.flatnonzero(tracks.local_speaker != SLIDING)
        if tracks.start[other] == tracks.start[row] and other != row
    ]
    clean = mine & ~np.any([covers(tracks.active[other], times) for other in others] + [mine & False], axis=0)
    return clean if clean.sum() >= 10 else mine


def test_local_speakers_are_pooled_over_their_clean_speech(
    campplus_dir: Path, detector: SpeechDetector, conversation: np.ndarray
) -> None:
    model = open_model_dir(campplus_dir)
    samples = conversation[18 * RATE : 30 * RATE]
    tracks = embed(TrackEmbedder(model, detector, SETTINGS, CPU), samples).tracks
    with torch.inference_mode():
        frames = model.encoder.frames(cmn(Fbank(model.fbank)(torch.from_numpy(samples)[None])))
    times = (np.arange(frames.shape[-1]) * 320 + 200) / RATE
    rows = [
        row for row in np.flatnonzero(tracks.local_speaker != SLIDING) if tracks.speech_seconds[row] > 0.3
    ]
    assert len(rows) >= 3
    assert any(tracks.clean_seconds[row] < tracks.speech_seconds[row] - 0.1 for row in rows)
    masks = torch.from_numpy(np.stack([frames_of_row(tracks, row, times) for row in rows])[None])
    expected = model.encoder.pool(frames, masks)[0].numpy()
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    assert (expected * tracks.embedding[rows]).sum(axis=1).min() > 0.9999
    assert (expected @ expected.T).min() < 0.5, "two voices: other masks would not pass"


def test_sliding_windows_are_pooled_over_what_one_person_says(
    campplus_dir: Path, detector: SpeechDetector, conversation: np.ndarray
) -> None:
    model = open_model_dir(campplus_dir)
    samples = conversation[: 9 * RATE]
    tracks = embed(TrackEmbedder(model, detector, SETTINGS, CPU), samples).tracks
    with torch.inference_mode():
        frames = model.encoder.frames(cmn(Fbank(model.fbank)(torch.from_numpy(samples)[None])))
        found = detector.detect(torch.from_numpy(samples[: len(samples) - len(samples) % 160 + 80])[None])
    times = (np.arange(frames.shape[-1]) * 320 + 200) / RATE
    single = np.interp(times, (found.edges[:-1] + found.edges[1:]) / 2 / RATE, found.single[0]) > 0.5
    rows = np.flatnonzero(tracks.local_speaker == SLIDING)
    assert 5 < len(rows) < 17, "windows of a pause are left out"
    assert tracks.clean_seconds[rows].min() >= 0.25
    inside = (times >= tracks.start[rows, None]) & (times < tracks.end[rows, None])
    masks = inside & single
    np.testing.assert_allclose(masks.sum(axis=1) * 0.02, tracks.clean_seconds[rows], atol=0.07)
    expected = model.encoder.pool(frames, torch.from_numpy(masks[None]))[0].numpy()
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    assert (expected * tracks.embedding[rows]).sum(axis=1).min() > 0.99


@pytest.mark.parametrize("fbank", [FbankSettings(num_mel_bins=16), TFMEL], ids=["fbank", "tfmel"])
def test_a_chunk_gives_the_same_in_any_batch(
    fbank: FrontEndSettings, tiny_model_dir: Path, detector: SpeechDetector, conversation: np.ndarray
) -> None:
    model = replace(open_model_dir(tiny_model_dir), fbank=fbank)
    embedder = TrackEmbedder(model, detector, SETTINGS, CPU)
    pieces = [
        conversation[start * RATE :][: 3 * RATE + extra] for start, extra in ((0, 80), (5, 155), (20, 239))
    ]
    chunks = [next(cut_chunks([piece], SETTINGS)) for piece in pieces]
    together = [assemble([made], RATE) for made in embedder.embed(chunks)]
    for made, piece in zip(together, pieces, strict=True):
        alone = embed(embedder, piece)
        assert made.tracks.end.max() == len(piece) / RATE
        assert made.speech_seconds == pytest.approx(alone.speech_seconds, abs=1e-9)
        np.testing.assert_array_equal(made.tracks.local_speaker, alone.tracks.local_speaker)
        for one, two in zip(made.tracks.active, alone.tracks.active, strict=True):
            np.testing.assert_array_equal(one, two)
        assert (made.tracks.embedding * alone.tracks.embedding).sum(axis=1).min() > 0.99999


@torch.inference_mode()
def test_packed_features_are_those_of_each_chunk_alone_to_its_last_sample(conversation: np.ndarray) -> None:
    """The front end scales a chunk by its own level, and sees zeros around it, not its neighbour."""
    front_end, encoder = TFMEL.front_end(), build("ReDimNet2B0")
    lengths = (4 * RATE, 2 * RATE + 239, 2 * RATE + 240, 2 * RATE + 399, 241)
    starts = (1, 6, 9, 12, 20)
    gains = (1, 9, 0.1, 1, 1)
    chunks = [
        conversation[start * RATE :][:length] * gain
        for start, length, gain in zip(starts, lengths, gains, strict=True)
    ]
    rows = ChunkRows([[chunk] for chunk in chunks], TFMEL, encoder, 8 * RATE, CPU)
    features, packing = rows.features(front_end)
    assert packing is not None and packing.rows < len(chunks)
    for chunk, place in zip(chunks, packing.places, strict=True):
        alone = cmn(front_end(torch.from_numpy(chunk)[None]))[0]
        assert (features[place.row, place.start : place.end] - alone).abs().max() < 1e-3


@torch.inference_mode()
def test_windows_are_pooled_over_frames_that_begin_before_the_recording(conversation: np.ndarray) -> None:
    foreign = SpeakerModel("foreign", ForeignEncoder(MeanNetwork(), 16), TFMEL, "0", "Mean")
    samples = conversation[: 5 * RATE]
    made = embed(TrackEmbedder(foreign, None, SETTINGS, CPU), samples)
    features = cmn(TFMEL.front_end()(torch.from_numpy(samples)[None]))
    times = (np.arange(features.shape[1]) * 160 + 120) / RATE
    for start, end, found in zip(made.tracks.start, made.tracks.end, made.tracks.embedding, strict=True):
        inside = torch.from_numpy((times >= start) & (times < end))
        expected = MeanNetwork()(features[:, inside])[0].numpy()
        np.testing.assert_allclose(found, expected / np.linalg.norm(expected), atol=1e-5)


class MeanNetwork(nn.Module):
    """Cannot be split: gives an embedding for features, not for frames."""

    def forward(self, fbank: Tensor) -> Tensor:
        return torch.cat([fbank.mean(dim=1), fbank.std(dim=1)], dim=-1)


def test_an_encoder_that_cannot_be_split_makes_the_same_rows(
    tiny_model_dir: Path, detector: SpeechDetector, conversation: np.ndarray
) -> None:
    foreign = SpeakerModel("foreign", ForeignEncoder(MeanNetwork(), 80), FbankSettings(), "0", "Mean")
    samples = conversation[: 12 * RATE]
    made = embed(TrackEmbedder(foreign, detector, SETTINGS, CPU), samples)
    native = embed(TrackEmbedder(open_model_dir(tiny_model_dir), detector, SETTINGS, CPU), samples)
    np.testing.assert_array_equal(made.tracks.local_speaker, native.tracks.local_speaker)
    np.testing.assert_array_equal(made.tracks.start, native.tracks.start)
    assert np.abs(np.linalg.norm(made.tracks.embedding, axis=1) - 1).max() < 1e-5
    assert made.embedding.shape == (160,)


def test_without_a_network_every_window_is_speech(tiny_model_dir: Path, conversation: np.ndarray) -> None:
    made = embed(TrackEmbedder(open_model_dir(tiny_model_dir), None, SETTINGS, CPU), conversation)
    assert set(made.tracks.local_speaker) == {SLIDING}
    assert len(made.tracks) == 139
    np.testing.assert_allclose(made.tracks.clean_seconds, 1.0)
    assert all(len(row) == 0 for row in made.tracks.activity)
    assert (made.speech_seconds, made.overlap_seconds) == (len(conversation) / RATE, 0.0)


@pytest.mark.parametrize(("precision", "least"), [("mixed", 0.999), ("bf16", 0.995)])
def test_half_precision_keeps_vectors_and_rows(
    campplus_dir: Path, detector: SpeechDetector, conversation: np.ndarray, precision: Precision, least: float
) -> None:
    model, samples = open_model_dir(campplus_dir), conversation[: 16 * RATE]
    exact = embed(TrackEmbedder(model, detector, SETTINGS, CPU), samples)
    halved = embed(TrackEmbedder(model, detector, SETTINGS, CPU, precision=precision), samples)
    np.testing.assert_array_equal(halved.tracks.start, exact.tracks.start)
    cosine = (halved.tracks.embedding * exact.tracks.embedding).sum(axis=1)
    assert np.median(cosine) >= 0.999
    assert least <= cosine.min() < 1.0
    assert halved.embedding @ exact.embedding >= 0.999


def test_chunks_without_speech_are_not_embedded(
    campplus_dir: Path, detector: SpeechDetector, conversation: np.ndarray
) -> None:
    model = open_model_dir(campplus_dir)
    quiet = 1e-4 * np.random.default_rng(0).standard_normal(64 * RATE).astype(np.float32)
    samples = np.concatenate([conversation[: 20 * RATE], quiet, conversation[20 * RATE : 30 * RATE]])
    counters = Counters()
    embedder = TrackEmbedder(model, detector, SETTINGS, CPU, meter=counters)
    passes = []
    embedder.trunk.register_forward_hook(lambda *_: passes.append(1))
    made = embed(embedder, samples)
    assert (len(passes), len(list(cut_chunks([samples], SETTINGS)))) == (3, 4)
    assert not ((made.tracks.start > 22) & (made.tracks.end < 83)).any()
    assert (made.tracks.start > 84).any()
    assert abs(np.linalg.norm(made.embedding) - 1) < 1e-5
    assert counters.steps()["segment"] > 0 < counters.steps()["embed"]


def test_a_recording_without_speech_still_has_a_vector(campplus_dir: Path, detector: SpeechDetector) -> None:
    quiet = 1e-4 * np.random.default_rng(0).standard_normal(70 * RATE).astype(np.float32)
    made = embed(TrackEmbedder(open_model_dir(campplus_dir), detector, SETTINGS, CPU), quiet)
    assert made.speech_seconds == 0
    assert len(made.tracks) == 1
    assert abs(np.linalg.norm(made.embedding) - 1) < 1e-5


def test_recordings_of_many_lengths_in_one_pass_are_as_each_alone(
    campplus_dir: Path, detector: SpeechDetector, conversation: np.ndarray
) -> None:
    embedder = TrackEmbedder(open_model_dir(campplus_dir), detector, SETTINGS, CPU)
    seconds = [1.237, 3.0, 0.301, 11.513, 3.0, 0.05, 7.7719]
    starts = RATE * np.array([0, 3, 9, 12, 30, 36, 41])
    chunks = [
        next(cut_chunks([conversation[start : start + round(length * RATE)]], SETTINGS))
        for start, length in zip(starts, seconds, strict=True)
    ]
    together = embedder.embed(chunks)
    for chunk, found in zip(chunks, together, strict=True):
        (alone,) = embedder.embed([chunk])
        assert found.core_frames == alone.core_frames
        np.testing.assert_array_equal(found.speech, alone.speech)
        recording, expected = (assemble([made], RATE) for made in (found, alone))
        np.testing.assert_allclose(recording.embedding, expected.embedding, atol=1e-5)
        np.testing.assert_allclose(recording.tracks.embedding, expected.tracks.embedding, atol=1e-5)
        np.testing.assert_array_equal(recording.tracks.end, expected.tracks.end)
        assert recording.tracks.end.max() == len(chunk.samples) / RATE, "its end is missing"
        for a, b in zip(recording.tracks.activity, expected.tracks.activity, strict=True):
            assert np.abs(a.astype(int) - b).max(initial=0) <= 1
    assert sum(len(made.local.spans) for made in together if made.local is not None) > 5
