"""Twins compute what the fast layers compute, for all kinds of architectures."""

import numpy as np
import pytest
import torch

from diar.export.errors import ExportError
from diar.export.graph.front_end import product_front_end
from diar.export.graph.parts import Pooled, TrunkOfFbank
from diar.export.graph.trunk import exportable
from diar.models.encoders.base import SpeakerEncoder
from diar.models.features import FbankSettings, FrontEndSettings, cmn
from diar.models.tfmel import TfMelSettings
from tests.models.cases import build, features, num_mel_bins

CASES = ["CAMPPlus", "CAMPPlus-ASTP", "ECAPA_TDNN_GLOB_c512", "ResNet18-MQMHASTP", "ResNet18-40mels"]
CASES_SLOW = ["ERes2Net34_Base", "SimAM_ResNet34_ASP", "ERes2NetV2", "ReDimNetB0", "ReDimNet2B0"]
SLOW = [pytest.param(case, marks=pytest.mark.slow) for case in CASES_SLOW]


@pytest.mark.parametrize("case", [*CASES, *SLOW])
def test_twins_give_the_same_embeddings(case: str) -> None:
    encoder = build(case)
    fbank = cmn(features(case, 2, 237))
    frames = encoder.num_frames(237)
    masks = torch.zeros(2, 3, frames)
    masks[:, 0] = 1
    masks[0, 1, 3 : frames // 2] = masks[1, 1, -5:] = 1
    twin = exportable(encoder, num_mel_bins(case))
    with torch.inference_mode():
        expected = encoder.pool(encoder.frames(fbank), masks)
        found = Pooled(twin)(TrunkOfFbank(twin)(fbank), masks)
    assert torch.allclose(found, expected, rtol=0, atol=2e-4 * float(expected.abs().max()))
    assert not found[:, 2].any()


@pytest.mark.parametrize(
    "settings",
    [
        *(FbankSettings(sample_rate=rate) for rate in (8000, 16000, 22050)),
        *(TfMelSettings(norm_signal=scaled, do_preemph=scaled) for scaled in (True, False)),
        TfMelSettings(8000, 40, 256, 200, 77, f_max=3800.0, norm_signal=True),
    ],
)
def test_features_by_products_are_those_of_the_front_end(settings: FrontEndSettings) -> None:
    rng, least = np.random.default_rng(0), settings.least_samples
    for samples in (least, least + settings.frame_shift - 1, 3 * settings.sample_rate + 77):
        waveform = torch.from_numpy(rng.normal(0.01, 0.1, (2, samples)).astype(np.float32))
        found, expected = product_front_end(settings)(waveform), settings.front_end()(waveform)
        assert found.shape == expected.shape and (found - expected).abs().max() < 1e-3


def test_a_network_without_trunk_is_refused() -> None:
    class Whole(SpeakerEncoder):
        embedding_dim, frame_stride, reach = 4, 1, 0

        def frames(self, fbank: torch.Tensor) -> torch.Tensor:
            return fbank

        def pool(self, frames: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
            return frames

    with pytest.raises(ExportError, match="cannot be exported"):
        exportable(Whole(), 80)
