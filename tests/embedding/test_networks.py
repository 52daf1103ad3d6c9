"""Which precision the networks that find speech get, and what is said of it."""

from pathlib import Path

import pytest
import torch

from diar.embedding.networks import describe_speech, make_detector, speech_settings
from diar.embedding.settings import SpeechSettings
from diar.models.inference import Precision
from diar.models.open import open_segmentation
from diar.models.segmentation import bf16
from diar.models.segmentation.pyannet import open_segmentation_dir
from tests.conftest import named_weights


def test_what_is_left_open_is_the_networks_own(
    segmentation_dir: Path, tiny_wavlm_dir: Path, tiny_sortformer_dir: Path
) -> None:
    folders = segmentation_dir, tiny_wavlm_dir, tiny_sortformer_dir
    pyannet, wavlm, sortformer = (open_segmentation(str(folder)) for folder in folders)
    assert speech_settings(sortformer, None, 1.5, "auto") == SpeechSettings(16.0, 1.5, "segmentation")
    assert speech_settings(pyannet, None, 1.5, "auto") == SpeechSettings(5.0, 1.5, "doubt")
    assert speech_settings(wavlm, None, 1.5, "auto") == SpeechSettings(4.0, 1.5, "segmentation")
    assert speech_settings(wavlm, 1.6, 2.0, "both") == SpeechSettings(1.6, 2.0, "both")
    assert speech_settings(None, None, 1.5, "auto") == SpeechSettings(5.0, 1.5, "doubt")


@pytest.mark.parametrize("fixture", ["tiny_wavlm_dir", "tiny_sortformer_dir"])
def test_others_than_pyannet_stay_in_fp32_on_the_cpu(fixture: str, request: pytest.FixtureRequest) -> None:
    model = open_segmentation(str(request.getfixturevalue(fixture)))
    settings = speech_settings(model, None, 1.5, "auto")
    detector = make_detector(model, None, settings, torch.device("cpu"), "mixed")
    assert {parameter.dtype for parameter in detector.network.parameters()} == {torch.float32}
    assert describe_speech(model, None, "mixed") == {}


@pytest.mark.parametrize(("precision", "halved"), [("fp32", False), ("mixed", True), ("bf16", True)])
def test_half_precision_is_for_cpus_that_have_it_and_for_copies(precision: Precision, halved: bool) -> None:
    first, second = (
        open_segmentation_dir(Path(named_weights(name)))
        for name in ("segmentation-3.0", "segmentation-2022.07")
    )
    detector = make_detector(first, second, SpeechSettings(), torch.device("cpu"), precision)
    assert detector.second is not None
    expected = torch.bfloat16 if halved and bf16.runs_here() else torch.float32
    for network in (detector.network, detector.second._network):
        assert {parameter.dtype for parameter in network.lstm.parameters()} == {expected}
        assert [layer.weight.dtype for layer in network.sincnet.conv1d[1:]] == [expected] * 2
        assert network.classifier.weight.dtype == torch.float32
    for model in (first, second):
        assert {parameter.dtype for parameter in model.network.parameters()} == {torch.float32}
    said = describe_speech(first, second, precision)
    assert said == {"second_opinion_step": 2.0} | ({"segmentation_precision": "bf16"} if halved else {})
    assert describe_speech(first, None, "fp32") == {}
