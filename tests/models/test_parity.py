"""WeSpeaker's own classes gave the reference embeddings, for weights filled from their names."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from diar.models.encoders.wespeaker import ARCHITECTURES

REFERENCE = [
    *("ResNet18", "ResNet34", "ResNet50", "ResNet152", "ResNet221"),
    *("SimAM_ResNet34_ASP", "SimAM_ResNet100_ASP", "CAMPPlus"),
    *("ECAPA_TDNN_GLOB_c512", "ECAPA_TDNN_c1024", "ERes2Net34_Base"),
]


def fill(encoder: torch.nn.Module, shared_dir: Path) -> torch.nn.Module:
    spec = importlib.util.spec_from_file_location("fill_weights", shared_dir / "tools" / "fill_weights.py")
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    return tool.fill(encoder)


def test_all_references_are_tested(shared_dir: Path) -> None:
    folder = shared_dir / "data" / "wespeaker_parity"
    assert set(json.loads((folder / "architectures.json").read_text())) == set(REFERENCE)


@pytest.mark.parametrize("architecture", REFERENCE)
def test_names_shapes_and_embeddings_are_those_of_wespeaker(architecture: str, shared_dir: Path) -> None:
    folder = shared_dir / "data" / "wespeaker_parity"
    reference = json.loads((folder / "architectures.json").read_text())[architecture]
    arrays = np.load(folder / "embeddings.npz")
    encoder = ARCHITECTURES[architecture](**reference["model_args"])
    state = encoder.state_dict()
    assert [(name, list(tensor.shape)) for name, tensor in state.items()] == list(reference["state"].items())
    fill(encoder, shared_dir)
    for length in ("short", "long"):
        with torch.inference_mode():
            found = encoder(torch.from_numpy(arrays[f"features_{length}"]))
        expected = torch.from_numpy(arrays[f"{architecture}_{length}"])
        assert torch.cosine_similarity(found.double(), expected.double()).min() >= 0.99999
        assert ((found - expected).norm(dim=1) / expected.norm(dim=1)).max() <= 1e-5  # asked for: 1e-3
