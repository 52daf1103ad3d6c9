"""The Sortformer against transformers: its answers, kept, and itself where it is installed."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile as sf
import torch

from diar.models.open import open_segmentation
from diar.models.segmentation.sortformer.mels import LogMels
from diar.models.segmentation.sortformer.network import Sortformer
from diar.models.segmentation.sortformer.settings import MelSettings
from tests.models.segmentation.sortformer import cases, oracles
from tests.models.segmentation.sortformer.make_golden import FILE, LENGTHS, kept

TOLERANCE = 1e-4  # of log-odds, and of the front end's logarithms
# batch and seconds: those of the golden arrays, and others
ALL = [*LENGTHS.items(), (1, 9.3), (2, 4.0), (5, 0.08)]

with_transformers = pytest.mark.skipif(oracles.missing() is not None, reason=str(oracles.missing()))


def opened(folder: Path) -> Sortformer:
    network = open_segmentation(str(folder)).network
    assert isinstance(network, Sortformer)
    return network


@pytest.mark.parametrize("case", cases.CASES)
def test_answers_are_those_of_transformers(case: str, tmp_path: Path) -> None:
    cases.write(tmp_path, case)
    network = opened(tmp_path)
    with np.load(FILE) as golden, torch.inference_mode():
        for batch, seconds in LENGTHS.items():
            expected = golden[f"{case}/{batch}"]
            found = kept(network.log_odds(cases.waveforms(batch, seconds)).numpy())
            assert expected.std(axis=1).min() > 0.01, "an answer that says something"
            np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("case", cases.CASES)
def test_the_front_end_is_that_of_transformers(case: str, tmp_path: Path) -> None:
    cases.write(tmp_path, case)
    with np.load(FILE) as golden:
        found = opened(tmp_path).mels(cases.waveforms(1, LENGTHS[1]))
        np.testing.assert_allclose(found, golden[f"{case}/mels"], rtol=0, atol=TOLERANCE)


@with_transformers
@pytest.mark.parametrize("case", cases.CASES)
def test_transformers_itself_gives_the_same(case: str, tmp_path: Path) -> None:
    config, settings = cases.CASES[case]
    theirs, front = oracles.network(config), oracles.extractor(settings)
    theirs.load_state_dict(cases.write(tmp_path, case))  # strictly: its names and shapes
    ours = opened(tmp_path)
    for batch, seconds in ALL:
        waveform = cases.waveforms(batch, seconds)
        expected = oracles.log_odds(theirs, front, waveform)
        with torch.inference_mode():
            torch.testing.assert_close(ours.log_odds(waveform), expected, rtol=0, atol=TOLERANCE)
            probability = ours.powerset.soft(ours(waveform))
        torch.testing.assert_close(probability, expected.sigmoid(), rtol=0, atol=TOLERANCE)


@with_transformers
def test_what_transformers_saves_is_opened(tmp_path: Path) -> None:
    from transformers import Nemotron3DiarizationProcessor

    config, settings = cases.CASES["four"]
    theirs, front = oracles.network(config), oracles.extractor(settings)
    theirs.load_state_dict(cases.write(tmp_path / "filled", "four"))
    theirs.save_pretrained(tmp_path / "saved")
    Nemotron3DiarizationProcessor(front, subsampling_factor=4).save_pretrained(tmp_path / "saved")
    waveform = cases.waveforms(2, 1.0)
    with torch.inference_mode():
        expected = oracles.log_odds(theirs, front, waveform)
        found = opened(tmp_path / "saved").log_odds(waveform)
    torch.testing.assert_close(found, expected, rtol=0, atol=TOLERANCE)


@with_transformers
def test_the_front_end_on_speech(conversation: np.ndarray) -> None:
    """Speech with pauses that are nearly silent, where logarithms are most sensitive."""
    front = oracles.extractor(cases.FRONT)
    for samples in (16_000 * 32, 16_000 * 5 + 77):
        waveform = torch.from_numpy(conversation[None, :samples])
        expected = oracles.inputs(front, waveform)["input_features"]
        torch.testing.assert_close(LogMels(MelSettings())(waveform), expected, rtol=0, atol=TOLERANCE)


@with_transformers
def test_the_front_end_on_real_meetings(shared_dir: Path) -> None:
    front: Any = oracles.extractor(cases.FRONT)
    for name in ("trn00.wav", "trn01.wav"):
        samples, rate = sf.read(shared_dir / "data" / "ami" / name, frames=16_000 * 10, dtype="float32")
        assert rate == 16_000
        waveform = torch.from_numpy(samples[None])
        expected = oracles.inputs(front, waveform)["input_features"]
        torch.testing.assert_close(LogMels(MelSettings())(waveform), expected, rtol=0, atol=TOLERANCE)


def test_others_in_a_batch_change_nothing(tmp_path: Path) -> None:
    cases.write(tmp_path, "eight")
    network = opened(tmp_path)
    waveform = cases.waveforms(3, 2.0) * torch.tensor([[1.0], [0.01], [3.0]])
    with torch.inference_mode():
        together = network(waveform)
        alone = torch.cat([network(one) for one in waveform.split(1)])
    torch.testing.assert_close(together, alone, rtol=0, atol=TOLERANCE)
