"""The trunk as it runs: folded, it gives the encoder's own frames."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from diar.models.encoders.base import ModelError, StatisticsEncoder
from diar.models.encoders.foreign import ForeignEncoder
from diar.models.encoders.pooling import TSTP
from diar.models.inference import Precision, Trunk, check_precision, fold_batch_norms, tensor_float_32
from diar.models.packing import Packing
from tests.models.cases import build, features, num_mel_bins

CPU = torch.device("cpu")
ONE_OF_A_KIND = [
    *("ResNet18", "SimAM_ResNet34_ASP", "CAMPPlus", "ECAPA_TDNN_c512", "ERes2Net34_Base"),
    *("ERes2NetV2", "ReDimNetB0", "ReDimNetB1", "ReDimNet2B0"),
    "W2VBert_Adapter_MFA",
]
WITHOUT_PLANES = {"ECAPA_TDNN_c512", "W2VBert_Adapter_MFA"}


@pytest.mark.parametrize("case", ONE_OF_A_KIND)
def test_folding_changes_no_frame_and_leaves_the_encoder_alone(case: str) -> None:
    sample = features(case, 2, 250)
    with torch.inference_mode():
        encoder = build(case)
        expected = encoder.frames(sample)
        trunk = Trunk(encoder, num_mel_bins(case)).eval()
        off = (trunk(sample) - expected).abs().max() / expected.abs().max()
        assert off < 1e-5
        assert torch.equal(encoder.frames(sample), expected)
        hooks = [module for module in encoder.modules() if module._forward_pre_hooks]
        assert not hooks, "they are the trunk's"


@pytest.mark.parametrize("precision", ["mixed", "bf16"])
@pytest.mark.parametrize("case", [case for case in ONE_OF_A_KIND if case != "CAMPPlus"])
def test_every_kind_of_encoder_runs_in_half_precision(case: str, precision: Precision) -> None:
    with torch.inference_mode():
        encoder = build(case)
        expected = encoder.frames(features(case, 1, 120))
        frames = Trunk(encoder, num_mel_bins(case), precision).eval()(features(case, 1, 120))
    assert frames.dtype == torch.float32
    off = float((frames - expected).norm() / expected.norm())
    assert off < 0.05
    assert (off < 1e-5) == (precision == "mixed" and case in WITHOUT_PLANES), "it has no planes"


def test_half_precision_leaves_the_encoder_alone() -> None:
    encoder = build("CAMPPlus")
    before = {name: tensor.clone() for name, tensor in encoder.state_dict().items()}
    trunk = Trunk(encoder, 80, "bf16")
    assert next(trunk.parameters()).dtype == torch.bfloat16
    for name, tensor in encoder.state_dict().items():
        assert tensor.dtype == before[name].dtype
        assert torch.equal(tensor, before[name])
    whole = Trunk(encoder, 80).encoder
    assert whole.xvector.dense.linear.weight.data_ptr() == encoder.xvector.dense.linear.weight.data_ptr()


def test_norms_after_convolutions_are_gone() -> None:
    encoder = build("ResNet18")
    norms = sum(isinstance(module, nn.BatchNorm2d) for module in encoder.modules())
    assert fold_batch_norms(encoder, 80) == norms == 20
    assert not any(isinstance(module, nn.BatchNorm2d) for module in encoder.modules())


class Branching(StatisticsEncoder):
    """Its convolution is also seen without the normalisation, so that folding would be wrong."""

    frame_stride = 1
    embedding_dim = 16

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv1d(80, 8, 1), nn.BatchNorm1d(8)
        nn.init.constant_(self.norm.weight, 3.0)
        self.set_pooling(TSTP(8))

    def frames(self, fbank: Tensor) -> Tensor:
        plain = self.conv(fbank.transpose(1, 2))
        return plain + self.norm(plain)

    def embed(self, statistics: Tensor) -> Tensor:
        return statistics


def test_a_fold_that_would_change_the_frames_is_refused() -> None:
    with pytest.raises(ModelError, match=r"Branching differs by .* after folding"):
        Trunk(Branching().eval().requires_grad_(False), 80)


class Whole(nn.Module):
    def forward(self, fbank: Tensor) -> Tensor:
        return fbank.mean(dim=1)


def test_a_network_that_cannot_be_split_runs_as_it_is_and_only_in_fp32() -> None:
    encoder = ForeignEncoder(Whole(), 80)
    sample = torch.randn(1, 50, 80)
    assert torch.equal(Trunk(encoder, 80)(sample), encoder.frames(sample))
    with pytest.raises(ModelError, match="`precision=fp32`"):
        Trunk(encoder, 80, "bf16")


@pytest.mark.parametrize("precision", ["tf32", "fp16"])
def test_what_a_cpu_cannot_do_is_refused(precision: str) -> None:
    with pytest.raises(ModelError, match=f"`precision={precision}` needs a GPU"):
        check_precision(precision, CPU)
    check_precision("bf16", CPU)


def test_tf32_is_allowed_inside_and_as_it_was_afterwards() -> None:
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    with tensor_float_32(not before[0]):
        assert torch.backends.cuda.matmul.allow_tf32 is not before[0]
    assert (torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32) == before


@pytest.mark.parametrize("case", ONE_OF_A_KIND)
@pytest.mark.parametrize("lengths", [[98], [97, 333], [98, 997, 103, 451, 222, 131, 517]])
@torch.inference_mode()
def test_a_packed_chunk_has_the_embedding_that_it_has_alone(case: str, lengths: list[int]) -> None:
    encoder = build(case)
    trunk = Trunk(encoder, num_mel_bins(case)).eval()
    loudness = [1 + number % 3 for number in range(len(lengths))]  # a neighbour's means would be seen
    chunks = [times * features(case, 1, frames) for times, frames in zip(loudness, lengths, strict=True)]
    packing = Packing(lengths, 1500, encoder.reach, encoder.align or encoder.frame_stride)
    assert packing.rows == (2 if sum(lengths) > 2000 else 1)
    rows = torch.zeros(packing.rows, packing.length, num_mel_bins(case))
    for chunk, place in zip(chunks, packing.places, strict=True):
        rows[place.row, place.start : place.end] = chunk
    expected = [trunk(chunk) for chunk in chunks]
    packed = trunk(rows, packing)
    assert torch.equal(trunk(chunks[0]), expected[0]), "the next pass is packed, too"
    for frames, place in zip(expected, packing.places, strict=True):
        place = packing.scaled(place, packed.shape[2])
        own = packed[place.row : place.row + 1, :, place.start : place.end]
        everything = torch.ones(1, 1, frames.shape[2])
        found, alone = (F.normalize(encoder.pool(x, everything), dim=-1) for x in (own, frames))
        torch.testing.assert_close(found, alone, atol=1e-5, rtol=0)
