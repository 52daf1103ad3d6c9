"""Model directories of DiariZen and SUPlime: what they say is built, and what does not fit is named."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from diar.models.encoders.base import ModelError
from diar.models.open import check_frames, open_segmentation
from diar.models.segmentation.wavlm.described import NAMED
from diar.models.segmentation.wavlm.diarizen import read_settings
from diar.models.segmentation.wavlm.network import WavLMConformer
from diar.models.segmentation.wavlm.settings import ConformerSettings
from diar.models.weights.empty import WithoutInitialValues
from tests.models.segmentation.wavlm import cases

DIARIZEN, SUPLIME = "diarizen-base", "suplime-large"


@pytest.fixture
def diarizen(tmp_path: Path) -> tuple[Path, dict[str, torch.Tensor]]:
    return tmp_path, cases.write_diarizen(tmp_path, DIARIZEN)


def change(folder: Path, parameters: dict[str, torch.Tensor]) -> None:
    torch.save(parameters, folder / "pytorch_model.bin")


def test_what_the_files_say_becomes_the_model(diarizen: tuple[Path, dict[str, torch.Tensor]]) -> None:
    folder, _ = diarizen
    model = open_segmentation(str(folder))
    assert (model.name, model.sample_rate, model.seg_window_samples) == (str(folder), 16_000, 64_000)
    assert model.terms is not None and "CC BY-NC 4.0" in model.terms
    assert (model.network.frames.size, model.network.frames.step) == (400, 320)
    assert (model.network.powerset.num_speakers, model.network.powerset.num_classes) == (4, 11)
    assert not model.network.training
    assert not any(parameter.requires_grad for parameter in model.network.parameters())
    for samples in (400, 719, 720, 1039, 1040, 64_000):
        assert model.network.num_frames(samples) == (samples - 400) // 320 + 1


def test_the_window_is_that_of_the_published_pipeline(tmp_path: Path) -> None:
    """A seg_window of 16 s is heard every 8 s; one of 10 s every 5, as it ever was."""
    cases.write_diarizen(tmp_path, DIARIZEN)
    for seconds, step in ((16, 8.0), (10, 5.0), (6, 5.0), (4, 4.0)):
        cases.write_config(tmp_path, cases.ARGUMENTS, seg_duration=seconds)
        model = open_segmentation(str(tmp_path))
        assert (model.settings.seg_window_seconds, model.step) == (seconds, step)


def test_suplime_tells_all_of_itself_in_one_file(tmp_path: Path) -> None:
    """Also where it lies in a whole pipeline's folder."""
    cases.write_suplime(tmp_path / "segmentation", SUPLIME, duration=10.0)
    model = open_segmentation(str(tmp_path))
    assert (model.settings.seg_window_seconds, model.step) == (10.0, 5.0)
    assert (model.settings.num_local_speakers, model.settings.max_simultaneous) == (4, 2)
    assert model.terms is not None and "CC BY-NC 4.0" in model.terms


def test_more_speakers_and_three_at_once(tmp_path: Path) -> None:
    arguments = {**cases.ARGUMENTS, "max_speakers_per_chunk": 5, "max_speakers_per_frame": 3}
    cases.write_diarizen(tmp_path, DIARIZEN, arguments)
    powerset = open_segmentation(str(tmp_path)).network.powerset
    assert powerset.num_classes == 1 + 5 + 10 + 10
    three = torch.full((1, 1, 26), -30.0)
    three[..., -1] = 0
    assert powerset.soft(three).sum() == pytest.approx(3)
    assert powerset.overlap(three) == pytest.approx(1)


def test_names_of_earlier_pytorch_are_known(diarizen: tuple[Path, dict[str, torch.Tensor]]) -> None:
    folder, parameters = diarizen
    expected = open_segmentation(str(folder)).network.state_dict()
    earlier = {
        name.replace("parametrizations.weight.original0", "weight_g").replace(
            "parametrizations.weight.original1", "weight_v"
        ): tensor
        for name, tensor in parameters.items()
    }
    assert len(earlier.keys() - parameters.keys()) == 2
    change(folder, earlier)
    found = open_segmentation(str(folder)).network.state_dict()
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())


@pytest.mark.parametrize(
    "name",
    [
        "wavlm_model.encoder.transformer.layers.0.attention.k_proj.weight",
        "wavlm_model.encoder.transformer.layers.0.attention.rel_attn_embed.weight",
        "wavlm_model.encoder.transformer.pos_conv_embed.conv.parametrizations.weight.original0",
        "conformer.conformer_layer.1.mha.mha.linearV.bias",
        "weight_sum.weight",
    ],
)
def test_a_parameter_that_does_not_fit_is_named_as_there(
    diarizen: tuple[Path, dict[str, torch.Tensor]], name: str
) -> None:
    folder, parameters = diarizen
    missing = {one: tensor for one, tensor in parameters.items() if one != name}
    unknown = {**parameters, f"{name}_2": parameters[name]}
    shape = {**parameters, name: parameters[name].unsqueeze(0)}
    infinite = {**parameters, name: parameters[name] / 0}
    for given, what in (
        (missing, f"1 missing ({name})"),
        (unknown, f"1 unknown ({name}_2)"),
        (shape, f"1 of another shape ({name} (1, "),
        (infinite, f"1 not finite ({name})"),
    ):
        change(folder, given)
        with pytest.raises(ModelError) as refused:
            open_segmentation(str(folder))
        assert what in str(refused.value)
        assert "pruned_config.json" in str(refused.value)


def test_suplime_names_parameters_as_there(tmp_path: Path) -> None:
    parameters = cases.write_suplime(tmp_path, SUPLIME)
    name = "wav2vec.model.encoder.transformer.layers.2.attention.attention.in_proj_weight"
    about = cases.about_suplime(cases.SUPLIME_CASES[SUPLIME])
    del parameters[name]
    del parameters["conformer.conformer_layers.0.conv_module.sequential.5.bias"]
    (tmp_path / "pytorch_model.bin").write_bytes(cases.saved({"state_dict": parameters, **about}))
    with pytest.raises(
        ModelError, match=r"2 missing \(wav2vec\.model\..*in_proj_weight, conformer\.conformer_"
    ):
        open_segmentation(str(tmp_path))


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        (
            {"wavlm_src": "wavlm_huge"},
            "wavlm_src is 'wavlm_huge'; names are wavlm_base, .*pruned_config",
        ),
        ({"use_posi": True}, "use_posi is True, only False is supported"),
        ({"output_activate_function": "ReLU"}, "output_activate_function is 'ReLU'"),
        ({"num_head": 3}, "heads or taps of the Conformer are not possible"),
        ({"max_speakers_per_chunk": 31, "max_speakers_per_frame": 20}, "classes are not possible"),
        ({"max_speakers_per_frame": 5}, "speakers at once are not possible"),
        ({"chunk_size": 0}, "seconds of a seg_window are not possible"),
        ({"num_layer": 10**9}, "are not possible"),
    ],
)
def test_configurations_that_are_not_possible(tmp_path: Path, changed: dict[str, Any], error: str) -> None:
    cases.write_diarizen(tmp_path, DIARIZEN)
    if "wavlm_src" in changed:
        (tmp_path / "pruned_config.json").unlink()
    cases.write_config(tmp_path, {**cases.ARGUMENTS, **changed})
    with pytest.raises(ModelError, match=rf"config\.toml.*{error}"):
        open_segmentation(str(tmp_path))


def test_files_that_are_missing_or_something_else(tmp_path: Path) -> None:
    cases.write_diarizen(tmp_path, DIARIZEN)
    (tmp_path / "pruned_config.json").write_text(json.dumps({"encoder_embed_dim": 32}))
    with pytest.raises(ModelError, match=r"pruned_config\.json describes no pruned WavLM: .* is missing"):
        open_segmentation(str(tmp_path))
    (tmp_path / "config.toml").write_text("[model\n")
    with pytest.raises(ModelError, match=r"config\.toml describes no network of DiariZen"):
        open_segmentation(str(tmp_path))
    (tmp_path / "config.toml").unlink()
    with pytest.raises(ModelError, match=r"holds weights of DiariZen, but no config\.toml"):
        open_segmentation(str(tmp_path))


def test_suplime_without_its_description(tmp_path: Path) -> None:
    parameters = cases.write_suplime(tmp_path, SUPLIME)
    about = cases.about_suplime(cases.SUPLIME_CASES[SUPLIME])
    for given, error in (
        ({}, "hyper_parameters is missing"),
        ({"hyper_parameters": about["hyper_parameters"]}, "pyannote.audio is missing"),
        (
            {**about, "hyper_parameters": {**about["hyper_parameters"], "wav2vec_layer": 3}},
            "wav2vec_layer is 3, only -1 is supported",
        ),
        ({**about, "pyannote.audio": {"specifications": {"duration": 5}}}, "specifications are not"),
    ):
        (tmp_path / "pytorch_model.bin").write_bytes(cases.saved({"state_dict": parameters, **given}))
        with pytest.raises(ModelError, match=error):
            open_segmentation(str(tmp_path))


def test_it_neither_asks_nor_gives_a_second_opinion(tmp_path: Path, segmentation_dir: Path) -> None:
    cases.write_diarizen(tmp_path, DIARIZEN)
    own, other = open_segmentation(str(tmp_path)), open_segmentation(str(segmentation_dir))
    for first, second in ((own, other), (other, own)):
        with pytest.raises(ModelError, match="use `speech=segmentation`"):
            check_frames(first, second)


@pytest.mark.parametrize(
    ("name", "millions"), [("wavlm_base_s80_md", 25.4), ("wavlm_large_s80_md", 69.5), ("wavlm_base", 101)]
)
def test_named_sizes_are_the_published_ones(name: str, millions: float, tmp_path: Path) -> None:
    cases.write_config(tmp_path, {"wavlm_src": name})
    settings = read_settings(tmp_path)
    assert settings.wavlm == NAMED[name]
    assert settings.conformer == ConformerSettings(256, 4, 1024, 4, 31)
    with WithoutInitialValues():
        network = WavLMConformer(settings)
    assert sum(one.numel() for one in network.parameters()) / 1e6 == pytest.approx(millions, rel=0.01)
