"""Embeddings are those of WeSpeaker's own code on transformers' w2v-BERT: kept ones, and anew where it is."""

from pathlib import Path

import numpy as np
import pytest
import torch

from diar.models.encoders.w2vbert.items import items_of, stacked_features
from diar.models.encoders.wespeaker import SpeakerModel, open_model_dir
from diar.models.features import Fbank, cmn
from diar.models.inference import Trunk
from tests.models.cases import signature
from tests.models.encoders.w2vbert import cases, oracle
from tests.models.encoders.w2vbert.make_golden import FEATURES, FILE, LENGTHS, ODD
from tests.models.segmentation.wavlm.cases import waveforms

SHAPES = [*LENGTHS, *ODD]


def embeddings(model: SpeakerModel, samples: torch.Tensor) -> torch.Tensor:
    """(batch, samples) → (batch, D), as stage 1 computes them."""
    trunk = Trunk(model.encoder, model.fbank.num_mel_bins).eval()
    frames = trunk(cmn(Fbank(model.fbank)(samples)))
    return model.encoder.pool(frames, torch.ones_like(frames[:, :1]))[:, 0]


def assert_alike(found: torch.Tensor, expected: torch.Tensor) -> None:
    error = (found - expected).norm(dim=1) / expected.norm(dim=1)
    assert error.max() <= 1e-4
    assert torch.cosine_similarity(found.double(), expected.double()).min() >= 0.99999


@pytest.mark.parametrize("case", cases.CASES)
@torch.inference_mode()
def test_embeddings_are_the_kept_ones(case: str, tmp_path: Path) -> None:
    cases.write(tmp_path, case)
    golden, model = np.load(FILE), open_model_dir(tmp_path)
    if "lora" not in case:
        assert signature(model.encoder) == golden[f"{case}/signature"]
    for batch, seconds in SHAPES:
        expected = torch.from_numpy(golden[f"{case}/{batch}x{seconds}"])
        assert_alike(embeddings(model, waveforms(batch, seconds)), expected)


def test_the_kept_embeddings_tell_cases_and_lengths_apart() -> None:
    """Else the comparisons above would show little."""
    golden = np.load(FILE)
    kept = {case: golden[f"{case}/1x3.015"][0] for case in cases.CASES}
    names = list(kept)
    for number, one in enumerate(names):
        for other in names[number + 1 :]:
            cosine = kept[one] @ kept[other] / np.linalg.norm(kept[one]) / np.linalg.norm(kept[other])
            assert cosine < 0.999
    assert not np.allclose(golden["w2vbert/1x3.015"], golden["w2vbert/1x2.005"], atol=1e-3)


@torch.inference_mode()
def test_features_are_the_kept_ones(tmp_path: Path) -> None:
    cases.write(tmp_path, "w2vbert")
    golden, front_end = np.load(FILE), Fbank(open_model_dir(tmp_path).fbank)
    for batch, seconds in SHAPES:
        fbank = front_end(waveforms(batch, seconds))
        whole = fbank.shape[1] // 2  # the half frame is masked there: what is in it does not count
        found = stacked_features(cmn(fbank), items_of(*fbank.shape[:2], None))
        expected = torch.from_numpy(golden[f"features/{batch}x{seconds}"])
        kept = found[:, :whole][:, ::FEATURES]
        torch.testing.assert_close(kept, expected[:, : kept.shape[1]], atol=1e-4, rtol=0)


@pytest.mark.skipif(oracle.missing() is not None, reason=oracle.missing() or "")
@pytest.mark.parametrize("case", cases.CASES)
@torch.inference_mode()
def test_embeddings_and_names_are_those_of_the_public_code(case: str, tmp_path: Path) -> None:
    parameters = cases.write(tmp_path, case)
    oracle.write_pretrained(tmp_path / "pretrained", {**cases.SIZES, **cases.CASES[case][1]})
    theirs = oracle.network(cases.config_of(case), tmp_path / "pretrained")
    shapes = {name: tensor.shape for name, tensor in theirs.state_dict().items()}
    assert shapes == {name: tensor.shape for name, tensor in parameters.items()}
    theirs.load_state_dict(parameters)
    model = open_model_dir(tmp_path)
    for batch, seconds in ((2, 1.0), (1, 4.0), (1, 2.215)):
        samples = waveforms(batch, seconds)
        assert_alike(embeddings(model, samples), oracle.embeddings(theirs, samples))
