"""Model directories of Nemotron 3 Diarization: what they say is built, and what does not fit is named."""

from pathlib import Path
from typing import Any

import pytest
import torch

from diar.models.encoders.base import ModelError
from diar.models.open import check_frames, open_segmentation
from diar.models.segmentation.multilabel import MultiLabel
from diar.models.segmentation.sortformer.network import Sortformer
from diar.models.segmentation.sortformer.settings import SortformerSettings
from diar.models.weights.empty import WithoutInitialValues
from tests.models.segmentation.sortformer import cases

Parameters = dict[str, torch.Tensor]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    cases.write(tmp_path, "eight")
    return tmp_path


@pytest.fixture
def parameters(folder: Path) -> Parameters:
    return cases.write(folder, "eight")


def test_what_the_files_say(folder: Path) -> None:
    model = open_segmentation(str(folder))
    settings, network = model.settings, model.network
    assert isinstance(settings, SortformerSettings) and isinstance(network, Sortformer)
    assert (settings.seg_window_seconds, model.step) == (32.0, 16.0)
    assert (settings.num_local_speakers, settings.max_simultaneous) == (8, None)
    assert isinstance(network.powerset, MultiLabel) and network.powerset.num_classes == 8
    assert (network.frames.first_center, network.frames.step_seconds) == (0.005, 0.01)
    assert (network.min_samples, network.num_frames(16_159)) == (1280, 100)
    assert model.name == str(folder) and model.terms is None and len(model.sha256) == 64
    assert not network.training and not any(one.requires_grad for one in network.parameters())
    with pytest.raises(ValueError, match="at least 1280 samples"):
        network(torch.zeros(1, 1279))


def test_each_size_and_the_front_end_are_read(tmp_path: Path) -> None:
    cases.write(tmp_path, "four")
    settings = open_segmentation(str(tmp_path)).settings
    assert isinstance(settings, SortformerSettings)
    assert (settings.mels.bands, settings.mels.preemphasis, settings.mels.coarse) == (80, 0.9, True)
    assert (settings.stacked, settings.size, settings.num_heads, settings.hidden) == (4, 24, 2, 40)
    assert (settings.num_layers, settings.rotary_base, settings.narrow) == (2, 500.0, 10)
    assert settings.num_local_speakers == 4


def test_the_published_sizes() -> None:
    with WithoutInitialValues():
        network = Sortformer(SortformerSettings())
    assert sum(one.numel() for one in network.parameters()) / 1e6 == pytest.approx(99.2, rel=0.01)


def test_half_precision_becomes_float32(folder: Path, parameters: Parameters) -> None:
    rounded = {name: tensor.bfloat16() for name, tensor in parameters.items()}
    cases.write_safetensors(folder / "model.safetensors", rounded)
    found = open_segmentation(str(folder)).network.state_dict()
    assert {tensor.dtype for tensor in found.values()} == {torch.float32}
    name = "model.proj.weight"
    assert torch.equal(found[name], rounded[name].float())


@pytest.mark.parametrize(
    "name",
    [
        "model.audio_tower.embedder.projection.weight",
        "model.audio_tower.layers.2.self_attn.k_proj.weight",
        "model.upsampler.conv.bias",
        "classifier.out_proj.weight",
        "silence_embeds",
    ],
)
def test_a_parameter_that_does_not_fit_is_named_as_there(
    folder: Path, parameters: Parameters, name: str
) -> None:
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
        cases.write_safetensors(folder / "model.safetensors", given)
        with pytest.raises(ModelError) as refused:
            open_segmentation(str(folder))
        assert what in str(refused.value) and "config.json" in str(refused.value)


@pytest.mark.parametrize(
    ("part", "values", "error"),
    [
        (None, {"model_type": "whisper"}, "model_type is 'whisper', only 'nemotron3_diarization' is"),
        ("audio_config", {"hidden_act": "relu"}, "hidden_act is 'relu', only 'gelu' is supported"),
        ("audio_config", {"num_key_value_heads": 2}, "num_key_value_heads is 2, only 4"),
        ("audio_config", {"head_dim": 16}, "head_dim is 16, only 8 is supported"),
        ("audio_config", {"hidden_size": 33}, "heads, whose channels are no pairs"),
        ("audio_config", {"num_attention_heads": 0, "num_key_value_heads": 0}, "sizes are not possible"),
        ("audio_config", {"num_hidden_layers": 10**9}, "are not possible"),
        ("audio_config", {"num_hidden_layers": 3.0}, r"num_hidden_layers is 3\.0, not a whole number"),
        ("audio_config", {"rope_parameters": {"rope_type": "yarn"}}, "rope_type is 'yarn', only 'default'"),
        ("audio_config", {"rope_parameters": {}}, "rope_theta is missing"),
        (
            "audio_config",
            {"rope_parameters": {"rope_theta": 1e4, "partial_rotary_factor": 0.5}},
            r"partial_rotary_factor is 0\.5, only 1\.0",
        ),
        ("head_config", {"audio_hidden_size": 64}, "audio_hidden_size is 64, only 3"),
        ("head_config", {"subsampling_factor": 4}, "subsampling_factor is 4, only 8"),
        ("head_config", {"num_speakers": 0}, "local speakers are not possible"),
    ],
)
def test_configurations_that_are_not_supported(
    folder: Path, part: str | None, values: dict[str, Any], error: str
) -> None:
    config = {**cases.EIGHT, **values} if part is None else cases.changed(cases.EIGHT, **{part: values})
    if "hidden_size" in values:
        config = cases.changed(config, head_config={"audio_hidden_size": values["hidden_size"]})
    cases.write_json(folder / "config.json", config)
    with pytest.raises(ModelError, match=rf"config\.json describes no network that is supported: .*{error}"):
        open_segmentation(str(folder))


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ({"hop_length": 80}, "hop_length is 80, only 160 is supported"),
        ({"feature_size": 80}, "feature_size is 80, only 128 is supported"),
        ({"mel_filters_dtype": "float16"}, "mel_filters_dtype is 'float16'"),
        ({"preemphasis": 2}, "pre-emphasis are not possible"),
    ],
)
def test_another_front_end_is_refused(folder: Path, values: dict[str, Any], error: str) -> None:
    front = {**cases.FRONT, **values}
    for name, content in (
        ("processor_config.json", {"feature_extractor": front}),
        ("preprocessor_config.json", front),
    ):
        (folder / "processor_config.json").unlink(missing_ok=True)
        cases.write_json(folder / name, content)
        with pytest.raises(ModelError, match=rf"{name} describes no front end that is supported: .*{error}"):
            open_segmentation(str(folder))


def test_without_a_processor_the_front_end_is_the_published_one(folder: Path) -> None:
    (folder / "processor_config.json").unlink()
    settings = open_segmentation(str(folder)).settings
    assert isinstance(settings, SortformerSettings) and settings.mels == SortformerSettings().mels


def test_files_that_are_missing_or_something_else(folder: Path) -> None:
    (folder / "config.json").write_text("[1]")
    with pytest.raises(ModelError, match=r"config\.json describes no network.*it is no JSON object"):
        open_segmentation(str(folder))
    (folder / "config.json").write_bytes(b" " * 1_000_001)
    with pytest.raises(ModelError, match=r"config\.json describes no network.*over 1,000,000 bytes"):
        open_segmentation(str(folder))
    (folder / "config.json").unlink()
    with pytest.raises(ModelError, match=r"has a model\.safetensors, but no config\.json"):
        open_segmentation(str(folder))
    cases.write_json(folder / "config.json", cases.EIGHT)
    (folder / "model.safetensors").unlink()
    with pytest.raises(ModelError, match=r"has no model\.safetensors"):
        open_segmentation(str(folder))


def test_it_neither_asks_nor_gives_a_second_opinion(folder: Path, segmentation_dir: Path) -> None:
    own, other = open_segmentation(str(folder)), open_segmentation(str(segmentation_dir))
    for first, second in ((own, other), (other, own)):
        with pytest.raises(ModelError, match="use `speech=segmentation`"):
            check_frames(first, second)
