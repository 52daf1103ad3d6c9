"""Networks are opened by name or directory, and errors name the parameter that was wrong."""

from dataclasses import replace
from pathlib import Path

import pytest

from diar.errors import DiarError
from diar.models.encoders.base import ModelError
from diar.models.open import check_frames, check_rates, open_encoder, open_segmentation
from diar.models.segmentation.base import SegmentationModel
from diar.models.segmentation.pyannet import PyanNet, PyanNetSettings

SMALL = PyanNetSettings(lstm_size=4, lstm_layers=1, linear_size=6, linear_layers=1)


def segmentation(name: str, **settings: int) -> SegmentationModel:
    changed = replace(SMALL, **settings)
    return SegmentationModel(name, PyanNet(changed), changed, sha256="")


def test_a_directory_keeps_the_name_it_was_given_by(tiny_model_dir: Path) -> None:
    model = open_encoder(str(tiny_model_dir))
    assert model.name == str(tiny_model_dir)
    assert (model.encoder.embedding_dim, model.fbank.num_mel_bins) == (16, 16)
    assert not model.encoder.training


@pytest.mark.parametrize(
    ("open_network", "parameter"), [(open_encoder, "model"), (open_segmentation, "segmentation")]
)
def test_an_unknown_name_is_told_with_its_parameter(open_network, parameter: str) -> None:
    with pytest.raises(DiarError, match=rf"^`{parameter}=nothing`: no such directory.*campplus-zh-en"):
        open_network("nothing")


def test_an_encoder_is_no_segmentation_network(tiny_model_dir: Path) -> None:
    with pytest.raises(ModelError, match="no segmentation model directory"):
        open_segmentation(str(tiny_model_dir))


def test_networks_have_to_fit_each_other(tiny_model_dir: Path) -> None:
    encoder, first = open_encoder(str(tiny_model_dir)), segmentation("first")
    check_rates(encoder, first)
    check_frames(first, segmentation("second"))
    with pytest.raises(ModelError, match="`segmentation=first` works at 8000 Hz"):
        check_rates(encoder, replace(first, sample_rate=8000))
    with pytest.raises(ModelError, match="`second_segmentation=second` has other frames than first"):
        check_frames(first, segmentation("second", sinc_stride=5))
