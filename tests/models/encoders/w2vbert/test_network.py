"""The network itself: distances, memory bounds, half frames, precision; what refuses it."""

from pathlib import Path

import pytest
import torch

from diar.export.errors import ExportError
from diar.export.graph.parts import encoder_part
from diar.models.encoders.base import ExactLayer, ModelError
from diar.models.encoders.w2vbert import attention, network
from diar.models.encoders.w2vbert.attention import by_distance
from diar.models.encoders.w2vbert.items import Item, items_within, stacked_features, whole_frames
from diar.models.encoders.w2vbert.network import W2VBertAdapterMFA
from diar.models.encoders.wespeaker import SpeakerModel, open_model_dir
from diar.models.inference import Precision, Trunk
from diar.models.packing import Packing
from diar.online.hearing.networks import live_encoder
from tests.models.cases import build, features
from tests.models.encoders.w2vbert import cases

CASE = "W2VBert_Adapter_MFA"


@pytest.fixture
def encoder() -> W2VBertAdapterMFA:
    return build(CASE)


@pytest.fixture
def model(tmp_path: Path) -> SpeakerModel:
    cases.write(tmp_path, "w2vbert")
    return open_model_dir(tmp_path)


@pytest.mark.parametrize("back, ahead", [(64, 8), (3, 0), (1, 2)])
@pytest.mark.parametrize("first, queries, keys", [(0, 1, 1), (0, 9, 9), (4, 5, 9), (0, 9, 8), (90, 40, 150)])
def test_each_pair_of_frames_has_the_score_of_its_distance(
    back: int, ahead: int, first: int, queries: int, keys: int
) -> None:
    scores = torch.randn(2, 3, queries, back + ahead + 1)
    found = by_distance(scores, first, keys, back)
    distance = torch.arange(keys) - torch.arange(first, first + queries)[:, None]
    index = (distance.clamp(-back, ahead) + back).expand(2, 3, -1, -1)
    assert torch.equal(found, scores.gather(-1, index))


@torch.inference_mode()
def test_bounds_of_memory_change_no_frame(
    encoder: W2VBertAdapterMFA, monkeypatch: pytest.MonkeyPatch
) -> None:
    fbank = features(CASE, 5, 151)
    masks = torch.rand(5, 3, 76) > 0.5
    expected = encoder.frames(fbank)
    pooled = encoder.pool(expected, masks)
    seen: list[int] = []
    attend = attention.F.scaled_dot_product_attention

    def watched(query: torch.Tensor, *others: torch.Tensor, **more: torch.Tensor) -> torch.Tensor:
        seen.append(query.shape[0] * query.shape[2])
        return attend(query, *others, **more)

    monkeypatch.setattr(attention.F, "scaled_dot_product_attention", watched)
    monkeypatch.setattr(attention, "MOST_SCORES", 2 * 4 * 75 * 7)
    monkeypatch.setattr(network, "MOST_FRAMES", 2 * 76)
    found = encoder.frames(fbank)
    assert max(seen) == 2 * 7 and len(seen) == 3 * (11 + 11 + 6), "two rows at a time, then the last"
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(encoder.pool(found, masks), pooled, atol=1e-5, rtol=1e-5)


@torch.inference_mode()
def test_packed_rows_are_computed_some_at_a_time(
    encoder: W2VBertAdapterMFA, monkeypatch: pytest.MonkeyPatch
) -> None:
    lengths = [151, 300, 99, 250, 61]
    packing = Packing(lengths, 300, encoder.reach, encoder.frame_stride)
    assert packing.rows > 2
    chunks = [features(CASE, 1, length)[0] * (1 + number) for number, length in enumerate(lengths)]
    rows = torch.zeros(packing.rows, packing.length, 80)
    for chunk, place in zip(chunks, packing.places, strict=True):
        rows[place.row, place.start : place.end] = chunk
    monkeypatch.setattr(network, "MOST_FRAMES", 1)
    found = Trunk(encoder, 80).eval()(rows, packing)
    for chunk, place in zip(chunks, packing.places, strict=True):
        place = packing.scaled(place, found.shape[2])
        own = found[place.row, :, place.start : place.end]
        torch.testing.assert_close(own, encoder.frames(chunk[None])[0], atol=2e-5, rtol=1e-5)


@torch.inference_mode()
def test_a_half_frame_sees_the_others_and_is_not_seen(encoder: W2VBertAdapterMFA) -> None:
    fbank = features(CASE, 1, 41)
    one, other = fbank.clone(), fbank.clone()
    other[:, 40] += 3 * torch.randn(80)
    # The features are normalised over all frames: they are made the same where both have a frame
    items = [Item(slice(0, 1), 0, 41)]
    given = [stacked_features(each, items) for each in (one, other)]
    given[1][:, :20] = given[0][:, :20]
    states = [list(encoder.frontend.encoder.states(each, items)) for each in given]
    for a, b in zip(*states, strict=True):
        assert torch.equal(a, b)
    moved = given[0].clone()
    moved[:, 3] *= -1
    changed = list(encoder.frontend.encoder.states(moved, items))[-1] - states[0][-1]
    assert changed[0, 20].abs().max() > 1e-3


def test_a_single_frame_is_whole_and_finite(encoder: W2VBertAdapterMFA) -> None:
    assert whole_frames([Item(slice(0, 1), 0, 1)], torch.zeros(1, 1, 160)) is None
    found = encoder.frames(features(CASE, 1, 1))
    assert found.shape[-1] == 1 and found.isfinite().all()
    assert encoder.frames(torch.zeros(1, 50, 80)).isfinite().all(), "silence has no variance"


def test_items_are_cut_by_rows() -> None:
    items = [Item(slice(0, 4), 0, 9), Item(slice(5, 6), 2, 7)]
    assert items_within(items, 2, 6) == [Item(slice(0, 2), 0, 9), Item(slice(3, 4), 2, 7)]
    assert items_within(items, 4, 5) == []


@torch.inference_mode()
def test_loudness_of_a_mel_does_not_count(encoder: W2VBertAdapterMFA) -> None:
    """Each chunk has its own mean and variance, also where others share its row."""
    fbank = features(CASE, 1, 100)
    scale = 0.5 + 2 * torch.rand(80)
    torch.testing.assert_close(encoder(fbank * scale + 7), encoder(fbank), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
@torch.inference_mode()
def test_in_half_precision_products_are_halves_and_sums_are_not(
    precision: Precision, encoder: W2VBertAdapterMFA
) -> None:
    fbank = features(CASE, 2, 151)
    trunk = Trunk(encoder, 80, precision).eval()
    exact = [module for module in trunk.modules() if isinstance(module, ExactLayer)]
    assert len(exact) == 1 + 3 * 6 + 4
    assert {p.dtype for module in exact for p in module.parameters()} == {torch.float32}
    half = {torch.bfloat16 if precision == "bf16" else torch.float16}
    products = [p for name, p in trunk.named_parameters() if "linear_q" in name or "intermediate" in name]
    assert {p.dtype for p in products} == half
    everything = torch.ones(2, 1, 76)
    found, expected = (encoder.pool(frames, everything) for frames in (trunk(fbank), encoder.frames(fbank)))
    cosine = torch.cosine_similarity(found.double(), expected.double(), dim=-1).min()
    assert 0.999 < cosine < 1 - 1e-9
    large = encoder.frames(1e4 * fbank)
    assert trunk(1e4 * fbank).isfinite().all() and large.isfinite().all(), "features are normalised in fp32"


def test_mixed_precision_is_fp32_as_there_are_no_planes(encoder: W2VBertAdapterMFA) -> None:
    fbank = features(CASE, 1, 60)
    assert torch.equal(Trunk(encoder, 80, "mixed")(fbank), Trunk(encoder, 80)(fbank))


def test_exports_refuse_it(model: SpeakerModel) -> None:
    for part in ("waveform", "trunk"):
        with pytest.raises(ExportError, match=r"W2VBertAdapterMFA cannot be exported: .*`backend=torch`"):
            encoder_part(model, part)


def test_live_streams_refuse_it(model: SpeakerModel) -> None:
    with pytest.raises(
        ModelError, match=r"`model=.* cannot tell voices live: a W2VBert_Adapter_MFA takes too"
    ):
        live_encoder(model)
    assert live_encoder(SpeakerModel("r", build("ResNet18"), model.fbank, "0" * 64, "ResNet18")).name == "r"
