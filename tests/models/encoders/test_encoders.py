"""Every encoder: numbers as recorded; `frames` and `pool` equal the forward pass, masks equal selection."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from diar.models.encoders.base import SpeakerEncoder
from diar.models.encoders.wespeaker import ARCHITECTURES
from tests.models.cases import CASES, build, features, signature
from tests.models.golden.make_golden import FILE, NUM_FRAMES

ONE_OF_A_KIND = [
    *("ResNet18", "SimAM_ResNet34_ASP", "CAMPPlus", "ECAPA_TDNN_c512", "ECAPA_TDNN_GLOB_c512"),
    *("ERes2Net34_Base", "ERes2NetV2", "ReDimNetB0", "ReDimNet2B0"),
    "W2VBert_Adapter_MFA",
]


@pytest.fixture(scope="module", params=list(CASES))
def case(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def encoder(case: str) -> Iterator[SpeakerEncoder]:
    with torch.inference_mode():
        yield build(case)


@pytest.fixture(scope="module")
def frames(case: str, encoder: SpeakerEncoder) -> torch.Tensor:
    """(2, channels, T') trunk frames of 97 fbank frames."""
    return encoder.frames(features(case, 2, 97))


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    return dict(np.load(FILE))


def relative_error(found: torch.Tensor, expected: torch.Tensor) -> float:
    return float((found - expected).norm() / expected.norm())


def test_every_architecture_has_a_case() -> None:
    assert {architecture for architecture, _ in CASES.values()} == set(ARCHITECTURES)


def test_embedding_and_state_dict_are_the_recorded_ones(
    case: str, encoder: SpeakerEncoder, golden: dict[str, np.ndarray]
) -> None:
    assert signature(encoder) == golden[f"{case}/signature"]
    expected = torch.from_numpy(golden[f"{case}/embedding"])
    embedding = encoder(features(case, 1, NUM_FRAMES))[0]
    assert embedding.shape == (encoder.embedding_dim,)
    assert relative_error(embedding, expected) < 1e-4


def test_pooling_all_frames_is_the_forward_pass(
    case: str, encoder: SpeakerEncoder, frames: torch.Tensor
) -> None:
    pooled = encoder.pool(frames, torch.ones(2, 3, frames.shape[-1], dtype=torch.bool))
    assert relative_error(pooled, encoder(features(case, 2, 97))[:, None].expand_as(pooled)) < 1e-5


def test_masked_pooling_is_pooling_of_the_chosen_frames(
    encoder: SpeakerEncoder, frames: torch.Tensor
) -> None:
    rng = np.random.default_rng(1)
    masks = torch.from_numpy(rng.random((2, 4, frames.shape[-1])) < [[0.3], [0.5], [0.7], [0.9]])
    assert masks.any(dim=-1).all()
    pooled = encoder.pool(frames, masks)
    for item in range(2):
        for track in range(4):
            chosen = frames[item : item + 1, :, masks[item, track]]
            expected = encoder.pool(chosen, torch.ones(1, 1, chosen.shape[-1]))[0, 0]
            assert relative_error(pooled[item, track], expected) < 1e-4
    assert torch.equal(encoder.pool(frames, masks.float()), pooled)


def test_masks_of_one_frame_and_of_none(encoder: SpeakerEncoder, frames: torch.Tensor) -> None:
    masks = torch.zeros(2, 2, frames.shape[-1], dtype=torch.bool)
    masks[:, 1, 2] = True
    pooled = encoder.pool(frames, masks)
    assert torch.equal(pooled[:, 0], torch.zeros(2, encoder.embedding_dim))
    assert pooled[:, 1].isfinite().all()
    assert (pooled[:, 1].norm(dim=-1) > 0).all()


@pytest.mark.parametrize("case", ONE_OF_A_KIND)
def test_trunk_frames_are_counted_right(case: str) -> None:
    encoder = build(case)
    for num_frames in (1, 8, 9):
        found = encoder.frames(features(case, 1, num_frames)).shape[-1]
        assert found == encoder.num_frames(num_frames) == -(-num_frames // encoder.frame_stride)


@pytest.mark.parametrize("case", ONE_OF_A_KIND)
def test_items_of_a_batch_do_not_touch_each_other(case: str) -> None:
    encoder, fbank = build(case), features(case, 2, 60)
    assert relative_error(encoder(fbank)[1], encoder(fbank[1:])[0]) < 1e-5


def test_masks_that_do_not_fit_are_refused() -> None:
    encoder = build("ECAPA_TDNN_c512")
    frames = encoder.frames(features("ECAPA_TDNN_c512", 1, 20))
    with pytest.raises(ValueError, match=r"masks must be \(batch, tracks, T'\).*\(1, 20\)"):
        encoder.pool(frames, torch.ones(1, 20))
    with pytest.raises(ValueError, match=r"\(1, 2, 19\)"):
        encoder.pool(frames, torch.ones(1, 2, 19))
