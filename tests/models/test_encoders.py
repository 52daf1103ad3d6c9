"""Every encoder: numbers as recorded, `frames` and `pool` equal to the forward pass, masks equal to selection."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from diar.models.encoder import SpeakerEncoder
from diar.models.wespeaker import ARCHITECTURES
from tests.models.cases import CASES, build, features, signature
from tests.models.golden.make_golden import FILE, NUM_FRAMES


@pytest.fixture(scope="module", params=list(CASES))
def case(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def encoder(case: str) -> Iterator[SpeakerEncoder]:
    with torch.inference_mode():
        yield build(case)


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


def test_pooling_all_frames_is_the_forward_pass(case: str, encoder: SpeakerEncoder) -> None:
    fbank = features(case, 2, 90)
    frames = encoder.frames(fbank)
    pooled = encoder.pool(frames, torch.ones(2, 3, frames.shape[-1], dtype=torch.bool))
    assert relative_error(pooled, encoder(fbank)[:, None].expand_as(pooled)) < 1e-5


def test_masked_pooling_is_pooling_of_the_chosen_frames(case: str, encoder: SpeakerEncoder) -> None:
    frames = encoder.frames(features(case, 2, 161))
    rng = np.random.default_rng(1)
    masks = torch.from_numpy(rng.random((2, 4, frames.shape[-1])) < [[0.3], [0.5], [0.7], [0.9]])
    pooled = encoder.pool(frames, masks)
    for item in range(2):
        for track in range(4):
            chosen = frames[item : item + 1, :, masks[item, track]]
            expected = encoder.pool(chosen, torch.ones(1, 1, chosen.shape[-1]))[0, 0]
            assert relative_error(pooled[item, track], expected) < 1e-4
    assert torch.equal(encoder.pool(frames, masks.float()), pooled)


def test_masks_of_one_frame_and_of_none(case: str, encoder: SpeakerEncoder) -> None:
    frames = encoder.frames(features(case, 1, 40))
    masks = torch.zeros(1, 3, frames.shape[-1], dtype=torch.bool)
    masks[0, 1, 2] = True
    masks[0, 2] = True
    empty, single, everything = encoder.pool(frames, masks)[0]
    assert torch.equal(empty, torch.zeros_like(empty))
    assert single.isfinite().all()
    assert single.norm() > 0
    assert relative_error(everything, encoder(features(case, 1, 40))[0]) < 1e-5


@pytest.mark.parametrize("num_frames", [1, 7, 8, 9, 57])
def test_trunk_frames_are_counted_right(case: str, encoder: SpeakerEncoder, num_frames: int) -> None:
    frames = encoder.frames(features(case, 1, num_frames))
    assert frames.shape[-1] == encoder.num_frames(num_frames) == -(-num_frames // encoder.frame_stride)


def test_items_of_a_batch_do_not_touch_each_other(case: str, encoder: SpeakerEncoder) -> None:
    fbank = features(case, 2, 64)
    assert relative_error(encoder(fbank)[1], encoder(fbank[1:])[0]) < 1e-5


def test_masks_that_do_not_fit_are_refused() -> None:
    encoder = build("ECAPA_TDNN_c512")
    frames = encoder.frames(features("ECAPA_TDNN_c512", 1, 20))
    with pytest.raises(ValueError, match=r"masks must be \(batch, tracks, T'\).*\(1, 20\)"):
        encoder.pool(frames, torch.ones(1, 20))
    with pytest.raises(ValueError, match=r"\(1, 2, 19\)"):
        encoder.pool(frames, torch.ones(1, 2, 19))
