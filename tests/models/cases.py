"""Encoders that the tests build: every architecture once, and the options that its public models use."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from diar.models.encoders.base import SpeakerEncoder
from diar.models.encoders.w2vbert.settings import MELS, W2VBertSettings
from diar.models.encoders.wespeaker import ARCHITECTURES

_RESNET = {"feat_dim": 80, "embed_dim": 256}
_ECAPA = {"feat_dim": 80, "embed_dim": 192}
_ERES2NET = {"feat_dim": 80, "embed_dim": 192}
_REDIMNET = {"feat_dim": 72, "embed_dim": 192}
_W2VBERT = {
    **{"feat_dim": 32, "embed_dim": 16, "adapter_dim": 8, "num_frontend_hidden_layers": 3},
    "trunk": W2VBertSettings(size=32, num_layers=3, num_heads=4, hidden=48),
}

# case → architecture and its model_args
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    **{f"ResNet{depth}": (f"ResNet{depth}", _RESNET) for depth in (18, 34, 50, 101, 152, 221, 293)},
    "ResNet18-TAP": ("ResNet18", _RESNET | {"pooling_func": "TAP"}),
    "ResNet18-TSDP": ("ResNet18", _RESNET | {"pooling_func": "TSDP"}),
    "ResNet18-ASTP": ("ResNet18", _RESNET | {"pooling_func": "ASTP"}),
    "ResNet18-MHASTP": ("ResNet18", _RESNET | {"pooling_func": "MHASTP"}),
    "ResNet18-MQMHASTP": ("ResNet18", _RESNET | {"pooling_func": "MQMHASTP"}),
    "ResNet18-40mels": ("ResNet18", _RESNET | {"feat_dim": 40}),
    "ResNet18-two": ("ResNet18", _RESNET | {"two_emb_layer": True}),
    "SimAM_ResNet34_ASP": ("SimAM_ResNet34_ASP", {"embed_dim": 256}),
    "SimAM_ResNet100_ASP": ("SimAM_ResNet100_ASP", {"embed_dim": 256}),
    "CAMPPlus": ("CAMPPlus", {"feat_dim": 80, "embed_dim": 192}),
    "CAMPPlus-ASTP": ("CAMPPlus", {"feat_dim": 80, "embed_dim": 192, "pooling_func": "ASTP"}),
    "ECAPA_TDNN_c512": ("ECAPA_TDNN_c512", _ECAPA),
    "ECAPA_TDNN_GLOB_c512": ("ECAPA_TDNN_GLOB_c512", _ECAPA),
    "ECAPA_TDNN_c1024": ("ECAPA_TDNN_c1024", _ECAPA),
    "ECAPA_TDNN_GLOB_c1024": ("ECAPA_TDNN_GLOB_c1024", _ECAPA),
    "ECAPA_TDNN_GLOB_c512-bn": ("ECAPA_TDNN_GLOB_c512", _ECAPA | {"emb_bn": True}),
    "ERes2Net34_Base": ("ERes2Net34_Base", _ERES2NET),
    "ERes2Net34_Large": ("ERes2Net34_Large", _ERES2NET),
    "ERes2Net34_aug": ("ERes2Net34_aug", _ERES2NET),
    "ERes2NetV2": ("ERes2NetV2", _ERES2NET),
    "ERes2NetV2-w24s4ep4": ("ERes2NetV2", _ERES2NET | {"baseWidth": 24, "scale": 4, "expansion": 4}),
    "ReDimNetB0": ("ReDimNetB0", {"feat_dim": 60, "embed_dim": 192}),
    **{f"ReDimNetB{size}": (f"ReDimNetB{size}", _REDIMNET) for size in range(1, 7)},
    "ReDimNetB3-80mels": ("ReDimNetB3", _REDIMNET | {"feat_dim": 80}),
    **{f"ReDimNet2B{size}": (f"ReDimNet2B{size}", _REDIMNET) for size in range(7)},
    "ReDimNet2B0-bn": ("ReDimNet2B0", _REDIMNET | {"emb_bn": True, "pooling_func": "TSTP"}),
    "W2VBert_Adapter_MFA": ("W2VBert_Adapter_MFA", _W2VBERT),
    "ERes2Net34_Base-two": ("ERes2Net34_Base", _ERES2NET | {"two_emb_layer": True}),
}


def build(case: str) -> SpeakerEncoder:
    """The case's encoder, weights filled from their names, ready for inference."""
    architecture, model_args = CASES[case]
    encoder = ARCHITECTURES[architecture](**model_args)
    fill(encoder)
    return encoder.eval().requires_grad_(False)


def num_mel_bins(case: str) -> int:
    model_args = CASES[case][1]
    return MELS if "trunk" in model_args else model_args.get("feat_dim", 80)


def features(case: str, batch: int, num_frames: int) -> torch.Tensor:
    """(batch, num_frames, mels) random features that look like no speech, but are the same everywhere."""
    rng = np.random.default_rng(2024)
    return torch.from_numpy(rng.standard_normal((batch, num_frames, num_mel_bins(case))).astype(np.float32))


def fill(module: torch.nn.Module) -> None:
    """Set every tensor of the state dict to values that depend on its name and shape only."""
    module.load_state_dict(filled(module.state_dict()))


def filled(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Tensors of these names and shapes, whose values depend on nothing else."""
    return {name: values_of(name, tensor) for name, tensor in state.items()}


def values_of(name: str, tensor: torch.Tensor) -> torch.Tensor:
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "little")
    rng = np.random.default_rng(seed)
    if name.endswith(("running_mean", "bias")):
        values = rng.normal(0, 0.1, tensor.shape)
    elif name.endswith("running_var"):
        values = rng.uniform(0.5, 1.5, tensor.shape)
    elif tensor.ndim > 1:
        values = rng.standard_normal(tensor.shape, np.float32) * (1.5 / tensor[0].numel()) ** 0.5
    elif tensor.ndim == 1:  # gains; small ones keep the sums of a hundred residual blocks in range
        low, high = (0.1, 0.2) if name.startswith(("layer", "front.layer")) else (0.5, 1.5)
        values = rng.uniform(low, high, tensor.shape)
    else:
        values = np.zeros(())  # num_batches_tracked
    return torch.from_numpy(np.asarray(values)).to(tensor.dtype)


def signature(module: torch.nn.Module) -> str:
    """SHA-256 of the names and shapes of a state dict, in order."""
    entries = [[name, list(tensor.shape)] for name, tensor in module.state_dict().items()]
    return hashlib.sha256(json.dumps(entries).encode()).hexdigest()
