"""Tiny w2v-BERTs as WeSpeaker's model directories, weights filled by name."""

import copy
import json
from pathlib import Path
from typing import Any

import torch
import yaml

from diar.models.encoders.w2vbert import lora, opening
from tests.models.cases import filled

ARGUMENTS = {
    "feat_dim": 32,
    "embed_dim": 16,
    "pooling_func": "ASP",
    "n_mfa_layers": -1,
    "adapter_dim": 8,
    "dropout": 0.0,
    "num_frontend_hidden_layers": 3,
}
SIZES = {
    "model_type": "wav2vec2-bert",
    "architectures": ["Wav2Vec2BertModel"],
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 48,
}
NEAR = {
    "left_max_position_embeddings": 5,
    "right_max_position_embeddings": 2,
    "conv_depthwise_kernel_size": 7,
}
LORA = {"r": 3, "lora_alpha": 12, "target_modules": ["linear_q", "linear_v", "ffn1.output_dense"]}

# case → changes of model_args, of transformers' sizes, and the LoRA configuration
CASES: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any] | None]] = {
    "w2vbert": ({}, {}, None),
    "w2vbert-near": ({}, NEAR, None),
    "w2vbert-last-two": ({"n_mfa_layers": 2, "adapter_dim": 6}, {}, None),
    "w2vbert-lora": ({}, {}, LORA),
}


def config_of(case: str) -> dict[str, Any]:
    """What WeSpeaker's training writes into config.yaml, as far as it is read."""
    arguments, _, adapted = CASES[case]
    return {
        "model": "W2VBert_Adapter_MFA",
        "model_init": None,
        "model_args": {**ARGUMENTS, **arguments},
        "dataset_args": {
            "resample_rate": 16000,
            "num_frms": 600,
            "frontend": "w2vbert",
            "w2vbert_args": {
                "model_name": "facebook/w2v-bert-2.0",
                "frozen": adapted is not None,
                "use_lora": adapted is not None,
                "lora_config_args": copy.deepcopy(adapted),
                "model_config_file": "config.json",
            },
            "cmvn": False,
            "spec_aug": False,
        },
        "projection_args": {"project_type": "arc_margin"},
    }


def write(folder: Path, case: str) -> dict[str, torch.Tensor]:
    """Write a model directory; return the parameters in it."""
    folder.mkdir(parents=True, exist_ok=True)
    config = config_of(case)
    (folder / "config.json").write_text(json.dumps({**SIZES, **CASES[case][1]}))
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    parameters = filled(expected(folder, config))
    torch.save(parameters, folder / "avg_model.pt")
    return parameters


def expected(folder: Path, config: dict[str, Any]) -> dict[str, torch.Tensor]:
    """Names of the checkpoint that a configuration asks for, with tensors of its shapes."""
    arguments = config["dataset_args"]["w2vbert_args"]
    described = opening.describe(config, arguments, folder / "config.yaml")
    network = opening._empty(described)
    if described.lora is None:
        return network.state_dict()
    return lora.checkpoint_names(network, described.lora)
