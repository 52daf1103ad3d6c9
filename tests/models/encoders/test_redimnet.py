"""ReDimNet: sizes that cannot be, packed chunks, lengths that its time strides do not divide."""

import pytest
import torch

from diar.models.encoders.redimnet import ReDimNetB1, ReDimNetB2
from diar.models.encoders.redimnet2 import ReDimNet2B0
from diar.models.encoders.redimnet_blocks import MelSqueezeExcitation
from diar.models.packing import Packing
from tests.models.cases import build, features, fill


def test_mels_that_the_strides_do_not_divide_are_refused() -> None:
    with pytest.raises(ValueError, match="40 mel rows cannot be divided by a stage's stride of 3"):
        ReDimNetB1(feat_dim=80)
    with pytest.raises(ValueError, match="106 channels cannot be shared among 4 heads"):
        ReDimNetB2(feat_dim=80)
    with pytest.raises(ValueError, match="mel rows cannot be divided"):
        ReDimNet2B0(feat_dim=60)


@torch.inference_mode()
def test_excitation_is_of_a_packed_chunks_own_mean() -> None:
    layer = MelSqueezeExcitation(mels=6, width=32).eval()
    fill(layer)
    lengths = [20, 33]
    packing = Packing(lengths, 100, gap=4, align=1)
    chunks = [times * torch.rand(1, 5, 6, frames) for times, frames in zip((1, 4), lengths, strict=True)]
    rows = torch.zeros(packing.rows, 5, 6, packing.length)
    for chunk, place in zip(chunks, packing.places, strict=True):
        rows[place.row, ..., place.start : place.end] = chunk
    expected = [layer(chunk) for chunk in chunks]
    layer.packing = packing
    found = layer(rows)
    for chunk, place in zip(expected, packing.places, strict=True):
        torch.testing.assert_close(found[place.row : place.row + 1, ..., place.start : place.end], chunk)


@torch.inference_mode()
def test_a_chunk_of_any_length_is_seen_with_mean_features_behind_it() -> None:
    encoder, fbank = build("ReDimNet2B0"), features("ReDimNet2B0", 1, 30)
    longer = torch.cat([fbank, torch.zeros(1, 2, 72)], dim=1)
    torch.testing.assert_close(encoder.frames(fbank), encoder.frames(longer)[..., :30])
    assert encoder.frames(fbank).shape[-1] == encoder.num_frames(30) == 30
