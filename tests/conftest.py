"""Fixtures shared by all tests: real data where `../shared` lies beside the checkout, weights by name."""

import os
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """The folder with real speech and reference arrays; tests that need it skip without it."""
    folder = Path(os.environ.get("DIAR_SHARED", ROOT.parent / "shared"))
    if not folder.is_dir():
        pytest.skip(f"no real data: {folder} does not exist (DIAR_SHARED names another place)")
    return folder


@pytest.fixture(scope="session")
def campplus_dir() -> Path:
    """The default encoder's model directory: from `../shared`, else fetched by name into the cache."""
    folder = Path(os.environ.get("DIAR_SHARED", ROOT.parent / "shared")) / "models" / "campplus-zh-en"
    if folder.is_dir():
        return folder
    from diar.models import hub

    return hub.fetch("campplus-zh-en")


@pytest.fixture(scope="session")
def segmentation_dir() -> Path:
    """The segmentation model's directory: from `../shared`, else fetched by name into the cache."""
    folder = Path(os.environ.get("DIAR_SHARED", ROOT.parent / "shared")) / "models" / "segmentation-3.0"
    if folder.is_dir():
        return folder
    from diar.models import hub

    return hub.fetch("segmentation-3.0")


@pytest.fixture(scope="session")
def tiny_model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A WeSpeaker model directory with a very small CAM++ of random weights: the real code path, quickly."""
    import torch

    from diar.models.campplus import CAMPPlus

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("tiny-model")
    arguments = {"feat_dim": 16, "embed_dim": 16, "growth_rate": 4, "init_channels": 16}
    torch.save(CAMPPlus(**arguments).state_dict(), folder / "avg_model.pt")
    front_end = {"resample_rate": 16000, "fbank_args": {"num_mel_bins": 16}}
    content = {"model": "CAMPPlus", "model_args": arguments, "dataset_args": front_end}
    (folder / "config.yaml").write_text(yaml.safe_dump(content))
    return folder
