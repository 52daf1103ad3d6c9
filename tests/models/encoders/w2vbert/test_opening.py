"""Model directories of W2VBert_Adapter_MFA: what they say is opened, and what does not fit is named."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from diar.models.encoders.base import ModelError
from diar.models.encoders.w2vbert import opening
from diar.models.encoders.w2vbert.settings import W2VBertSettings, read_settings
from diar.models.encoders.wespeaker import open_model_dir
from diar.models.features import FbankSettings
from diar.models.weights.hub import weights_bytes
from tests.models.encoders.w2vbert import cases

PLAIN, LORA = "w2vbert", "w2vbert-lora"
PEFT = "frontend.encoder.base_model.model.encoder.layers.1.self_attn.linear_q"
OURS = "frontend.encoder.encoder.layers.1.self_attn.linear_q"


def refusal(folder: Path) -> str:
    """The message, which must be one line that names the place."""
    with pytest.raises(ModelError) as caught:
        open_model_dir(folder)
    assert str(folder) in str(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def change(folder: Path, change_it: Callable[[dict[str, Any]], object]) -> None:
    """Change what config.yaml says."""
    config = yaml.safe_load((folder / "config.yaml").read_text())
    change_it(config)
    (folder / "config.yaml").write_text(yaml.safe_dump(config))


def test_what_the_files_say_becomes_the_model(tmp_path: Path) -> None:
    parameters = cases.write(tmp_path, PLAIN)
    model = open_model_dir(tmp_path)
    assert (model.architecture, model.encoder.embedding_dim) == ("W2VBert_Adapter_MFA", 16)
    assert model.fbank == FbankSettings(window_type="povey", waveform_scale=32768)
    assert (model.encoder.frame_stride, model.encoder.reach) == (2, 60)
    assert model.described["trunk"]["num_heads"] == 4 and model.described["lora"] is None
    assert not model.encoder.training
    found = model.encoder.state_dict()
    assert found.keys() == parameters.keys()
    for name, tensor in parameters.items():
        assert torch.equal(found[name], tensor) and not found[name].requires_grad
    assert weights_bytes(str(tmp_path)) == (tmp_path / "avg_model.pt").stat().st_size
    assert weights_bytes("campplus-zh-en") == weights_bytes(None) == 0


def test_without_a_file_of_sizes_they_are_those_of_w2v_bert_2(tmp_path: Path) -> None:
    cases.write(tmp_path, PLAIN)
    change(tmp_path, lambda config: config["dataset_args"]["w2vbert_args"].pop("model_config_file"))
    assert "feat_dim is 32, but the w2v-BERT has 1024 channels" in refusal(tmp_path)
    sizes = W2VBertSettings()
    assert (sizes.num_layers, sizes.hidden, sizes.back, sizes.ahead, sizes.taps) == (24, 4096, 64, 8, 31)


def test_lora_weights_are_merged(tmp_path: Path) -> None:
    """W + α / r · B A, of the layers that are named, and of no others."""
    given = cases.write(tmp_path, LORA)
    found = open_model_dir(tmp_path).encoder.state_dict()
    product = given[f"{PEFT}.lora_B.default.weight"] @ given[f"{PEFT}.lora_A.default.weight"]
    expected = given[f"{PEFT}.base_layer.weight"] + 12 / 3 * product
    torch.testing.assert_close(found[f"{OURS}.weight"], expected)
    assert torch.equal(found[f"{OURS}.bias"], given[f"{PEFT}.base_layer.bias"])
    key = OURS.replace("linear_q", "linear_k"), PEFT.replace("linear_q", "linear_k")
    assert torch.equal(found[f"{key[0]}.weight"], given[f"{key[1]}.weight"])
    cases.write(tmp_path / "plain", PLAIN)
    assert found.keys() == open_model_dir(tmp_path / "plain").encoder.state_dict().keys()


def test_what_decides_embeddings_and_is_not_in_the_weights_is_told(tmp_path: Path) -> None:
    """It is part of an extraction's fingerprint."""
    cases.write(tmp_path, LORA)
    before = open_model_dir(tmp_path)
    lora = "lora_config_args"
    change(tmp_path, lambda config: config["dataset_args"]["w2vbert_args"][lora].update(lora_alpha=13))
    after = open_model_dir(tmp_path)
    assert after.sha256 == before.sha256 and after.described != before.described
    json.dumps(after.described)


def test_training_heads_masks_and_halves_load(tmp_path: Path) -> None:
    parameters = cases.write(tmp_path, PLAIN)
    more = {"projection.weight": torch.zeros(9, 16), "frontend.encoder.masked_spec_embed": torch.zeros(32)}
    halves = {
        name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in parameters.items()
    }
    averaged = {"pooling.attention.2.num_batches_tracked": torch.tensor(7.0)}  # a division makes it a float
    torch.save({"model": {**halves, **more, **averaged}}, tmp_path / "avg_model.pt")
    found = open_model_dir(tmp_path).encoder
    assert {tensor.dtype for tensor in found.parameters()} == {torch.float32}
    assert found.state_dict()["pooling.attention.2.num_batches_tracked"] == 7


@pytest.mark.parametrize("case", [PLAIN, LORA])
def test_parameters_that_do_not_fit_are_named(case: str, tmp_path: Path) -> None:
    parameters = cases.write(tmp_path, case)
    layer = PEFT if case == LORA else OURS
    name = f"{layer}.lora_A.default.weight" if case == LORA else f"{layer}.weight"
    some = {other: tensor for other, tensor in parameters.items() if other != name}
    for broken, message in (
        (some, f"1 missing ({name})"),
        ({**parameters, "frontend.extra": torch.zeros(1)}, "1 unknown (frontend.extra)"),
        ({**parameters, name: torch.zeros(5, 32)}, f"1 of another shape ({name} (5, 32) instead of"),
        ({**parameters, name: torch.full_like(parameters[name], torch.inf)}, f"1 not finite ({name})"),
    ):
        torch.save(broken, tmp_path / "avg_model.pt")
        assert message in refusal(tmp_path)


def test_merged_weights_with_a_configuration_of_unmerged_ones_and_the_reverse(tmp_path: Path) -> None:
    cases.write(tmp_path, PLAIN)
    change(tmp_path, lambda config: config["dataset_args"]["w2vbert_args"].update(use_lora=True))
    assert "has no LoRA weights, but" in refusal(tmp_path)
    cases.write(tmp_path, LORA)
    change(tmp_path, lambda config: config["dataset_args"]["w2vbert_args"].update(use_lora=False))
    assert "has LoRA weights, but" in refusal(tmp_path)


@pytest.mark.parametrize(
    "part, changes, message",
    [
        (("model_args",), {"pooling_func": "TSTP"}, "'TSTP' is not ASP"),
        (("model_args",), {"depth": 3}, "'depth'"),
        (("model_args",), {"trunk": 3}, "'trunk'"),
        (("model_args",), {"n_mfa_layers": 9}, "9 hidden states are asked for, of 4"),
        (("model_args",), {"n_mfa_layers": 0}, "0 hidden states are asked for, of 4"),
        (("model_args",), {"num_frontend_hidden_layers": 4}, "5 hidden states are asked for, of 4"),
        (("model_args",), {"embed_dim": -3}, "cannot be built"),
        (
            ("dataset_args",),
            {"frontend": "fbank"},
            "W2VBert_Adapter_MFA needs `frontend: w2vbert`, not 'fbank'",
        ),
        (("dataset_args",), {"cmvn": True}, "cmvn must be false"),
        (("dataset_args",), {"resample_rate": 8000}, "resample_rate is 8000, w2vbert needs 16000"),
        (("dataset_args",), {"w2vbert_args": [1]}, "w2vbert_args must be a mapping"),
        (("dataset_args", "w2vbert_args"), {"use_bnb": True}, "8 bits are not supported"),
        (
            ("dataset_args", "w2vbert_args"),
            {"layer": 3},
            "'layer', which WeSpeaker's front end does not take",
        ),
        (("dataset_args", "w2vbert_args"), {"model_config_file": "x.json"}, "x.json gives no sizes"),
        (("dataset_args", "w2vbert_args", "lora_config_args"), {"r": 0}, "r must be above 0"),
        (("dataset_args", "w2vbert_args", "lora_config_args"), {"use_dora": True}, "'use_dora' is unknown"),
        (
            ("dataset_args", "w2vbert_args", "lora_config_args"),
            {"target_modules": "all-linear"},
            "list of names",
        ),
        (
            ("dataset_args", "w2vbert_args", "lora_config_args"),
            {"target_modules": ["query"]},
            "'query': no layer",
        ),
        (
            ("dataset_args", "w2vbert_args", "lora_config_args"),
            {"target_modules": ["pointwise_conv1"]},
            "conv_module.pointwise_conv1, which is no linear layer",
        ),
    ],
)
def test_configurations_that_are_not_supported(
    part: tuple[str, ...], changes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    cases.write(tmp_path, LORA)

    def update(config: dict[str, Any]) -> None:
        for key in part:
            config = config[key]
        config.update(changes)

    change(tmp_path, update)
    assert message in refusal(tmp_path)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"position_embeddings_type": "rotary"}, "position_embeddings_type is 'rotary', only 'relative_key'"),
        ({"add_adapter": True}, "add_adapter is True"),
        ({"hidden_act": "gelu"}, "hidden_act is 'gelu'"),
        ({"model_type": "wavlm"}, "model_type is 'wavlm'"),
        ({"num_attention_heads": 5}, "32 channels cannot be shared among 5 heads"),
        ({"num_hidden_layers": 10**7}, "num_hidden_layers is 10000000"),
        ({"intermediate_size": "many"}, "intermediate_size must be a whole number, got 'many'"),
        ({"left_max_position_embeddings": 0}, "left_max_position_embeddings must be above 0"),
        ({"right_max_position_embeddings": -1}, "right_max_position_embeddings must not be below 0"),
        ({"conv_depthwise_kernel_size": 8}, "conv_depthwise_kernel_size must be odd"),
        ({"intermediate_size": 10**9}, "numbers or"),
    ],
)
def test_sizes_that_are_not_supported(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    cases.write(tmp_path, PLAIN)
    (tmp_path / "config.json").write_text(json.dumps({**cases.SIZES, **changes}))
    assert message in refusal(tmp_path)


def test_a_file_of_sizes_that_is_none(tmp_path: Path) -> None:
    cases.write(tmp_path, PLAIN)
    for text in ("[1]", "{", ""):
        (tmp_path / "config.json").write_text(text)
        assert "gives no sizes of a w2v-BERT" in refusal(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(cases.SIZES | cases.NEAR | {"layer_norm_eps": 1e-6}))
    read = read_settings(tmp_path / "config.json")
    assert (read.back, read.ahead, read.taps, read.epsilon) == (5, 2, 7, 1e-6)


def test_other_models_on_this_front_end_are_refused(tmp_path: Path) -> None:
    cases.write(tmp_path, PLAIN)
    change(tmp_path, lambda config: config.update(model="ECAPA_TDNN_c512", model_args={"feat_dim": 32}))
    assert "frontend 'w2vbert' is not supported with ECAPA_TDNN_c512" in refusal(tmp_path)
    assert opening.ARCHITECTURE == "W2VBert_Adapter_MFA"
