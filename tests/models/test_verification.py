"""CAM++ tells five LibriSpeech speakers apart without an error."""

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_curve

from diar.models.encoders.wespeaker import SpeakerModel, open_model_dir
from diar.models.features import Fbank, cmn


def embed_file(model: SpeakerModel, fbank: Fbank, path: Path) -> np.ndarray:
    """(D,) of unit length, from the whole utterance."""
    soundfile = pytest.importorskip("soundfile")
    samples, rate = soundfile.read(path, dtype="float32")
    assert rate == model.fbank.sample_rate
    with torch.inference_mode():
        embedding = model.encoder(cmn(fbank(torch.from_numpy(samples)[None])))[0].numpy()
    return embedding / np.linalg.norm(embedding)


def equal_error_rate(scores: np.ndarray, is_target: np.ndarray) -> float:
    false_alarms, hits, _ = roc_curve(is_target, scores, drop_intermediate=False)
    return float(np.maximum(false_alarms, 1 - hits).min())


@pytest.mark.slow
def test_equal_error_rate_of_campplus_is_zero(shared_dir: Path, campplus_dir: Path) -> None:
    folders = [
        folder for folder in sorted((shared_dir / "data" / "librispeech").iterdir()) if folder.is_dir()
    ]
    speakers = [files for files in (sorted(folder.glob("*.flac")) for folder in folders) if len(files) == 10]
    assert len(speakers) == 5
    model = open_model_dir(campplus_dir)
    fbank = Fbank(model.fbank)
    embeddings = np.stack([embed_file(model, fbank, path) for files in speakers for path in files])
    labels = np.repeat(np.arange(5), 10)
    first, second = np.triu_indices(50, k=1)
    scores = (embeddings @ embeddings.T)[first, second]
    assert equal_error_rate(scores, labels[first] == labels[second]) == 0.0


def test_equal_error_rate_counts_errors() -> None:
    scores = np.array([0.9, 0.8, 0.3, 0.7, 0.2, 0.1])
    assert equal_error_rate(scores, np.array([1, 1, 1, 0, 0, 0])) == pytest.approx(1 / 3)
