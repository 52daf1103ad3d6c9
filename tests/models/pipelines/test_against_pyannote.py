"""Both stages against pyannote.audio itself, where it is installed, on real audio."""

import importlib.util
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
import torch

from diar.detect.clustering.speaker_count import SpeakerCount
from diar.detect.community.clustering import find_clusters, run_vbx
from diar.detect.community.decisions import Decisions
from diar.detect.community.diarize import find_speakers, raw_embeddings
from diar.detect.community.settings import Community, pyannote_plda
from diar.detect.observations import Observations
from diar.embedding.chunks import ChunkSettings, cut_chunks
from diar.embedding.embedder import TrackEmbedder
from diar.embedding.masks import seg_window_masks
from diar.embedding.recording import embed_recording
from diar.embedding.speech.detector import SpeechDetector
from diar.models.pipelines.open import Pipeline, open_pipeline
from diar.models.weights.checkpoint import read_state_dict
from diar.models.weights.hub import fetch
from diar.records import RecordingRow, RecordingTracks
from tests.models.pipelines.golden import FRAMES, WINDOW, observed, same_turns
from tests.models.pipelines.oracle import Steps, centring_bias, run_pyannote
from tests.models.pipelines.pipeline_folder import RATE, write_folder

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        importlib.util.find_spec("pyannote") is None or importlib.util.find_spec("pyannote.audio") is None,
        reason="pyannote.audio 4 is not installed: pip install 'pyannote.audio==4.0.*'",
    ),
]
SECONDS = 16.5


@pytest.fixture(scope="module")
def samples(shared_dir: Path) -> np.ndarray:
    audio, rate = sf.read(shared_dir / "data" / "ami" / "trn05.wav", dtype="float32")
    assert rate == RATE
    return audio[: round(SECONDS * RATE)]


@pytest.fixture(scope="module")
def compared(samples: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> tuple[Pipeline, Path, Steps]:
    """The segmentation is segmentation-3.0, all else is made up."""
    segmentation = read_state_dict(fetch("segmentation-3.0") / "segmentation.pt")
    temporary = tmp_path_factory.mktemp("pyannote")
    plain = run_pyannote(write_folder(temporary / "plain", segmentation=segmentation), samples)
    folder = write_folder(temporary / "centred", segmentation=segmentation, bias=centring_bias(plain))
    return open_pipeline(str(folder)), folder, run_pyannote(folder, samples)


@pytest.fixture(scope="module")
def seen(compared: tuple[Pipeline, Path, Steps], samples: np.ndarray) -> Observations:
    pipeline, _, _ = compared
    cpu, settings = torch.device("cpu"), ChunkSettings.of_windows(RATE, 10 * RATE, RATE, 1.0, 0.5)
    detector = SpeechDetector(pipeline.segmentation, cpu, WINDOW, 0.0)
    masks = partial(seg_window_masks, exclude_overlap=pipeline.config.exclude_overlap)
    embedder = TrackEmbedder(pipeline.encoder, detector, settings, cpu, local_masks=masks)
    made = embed_recording(cut_chunks([samples], settings), embedder)
    assert made is not None
    row = RecordingRow("audio.wav", "audio.wav", duration=SECONDS)
    return Observations.of(RecordingTracks(row, made.tracks, FRAMES, {}))


def community_of(folder: Path) -> Community:
    arrays: dict[str, np.ndarray] = {}
    for name in ("xvec_transform.npz", "plda.npz"):
        with np.load(folder / "plda" / name) as file:
            arrays |= dict(file)
    return Community(pyannote_plda(arrays))


def test_every_step_is_the_same(compared: tuple[Pipeline, Path, Steps], seen: Observations) -> None:
    _, folder, steps = compared
    community, decisions = community_of(folder), Decisions.of(seen)
    window, speaker = np.nonzero(steps.decided.any(axis=1))
    np.testing.assert_array_equal(decisions.seg_window, window)
    np.testing.assert_array_equal(decisions.spoken, steps.decided[window, :, speaker])
    raw, expected = raw_embeddings(seen, decisions), steps.embeddings[window, speaker]
    np.testing.assert_allclose(raw, expected, atol=1e-5 * np.abs(expected).max())
    trains = decisions.trains
    units = seen.local.embedding[decisions.row[trains]]
    features = community.plda.transform(raw[trains])
    signs = np.sign((features * steps.features).sum(axis=0))
    np.testing.assert_allclose(features * signs, steps.features, atol=2e-4)  # of vectors of length 11
    found = run_vbx(units, raw[trains], community)
    np.testing.assert_allclose(found.responsibilities, steps.responsibilities, atol=1e-3)
    clusters = find_clusters(units, raw[trains], community, SpeakerCount())
    np.testing.assert_allclose(clusters.centroids, steps.centroids, atol=1e-4 * np.abs(raw).max())
    turns = find_speakers(seen, community, SpeakerCount())
    same_turns(turns.turns, steps.turns, SECONDS)
    same_turns(turns.exclusive, steps.exclusive, SECONDS)


@pytest.mark.parametrize("wanted", [2, 4])
def test_a_number_of_speakers(
    compared: tuple[Pipeline, Path, Steps], samples: np.ndarray, wanted: int
) -> None:
    _, folder, _ = compared
    steps = run_pyannote(folder, samples, num_speakers=wanted)
    found = find_speakers(observed(steps, SECONDS), community_of(folder), SpeakerCount(wanted, wanted))
    same_turns(found.turns, steps.turns, SECONDS)
