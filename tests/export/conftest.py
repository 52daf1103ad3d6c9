"""One export of small networks for all tests of this room."""

from pathlib import Path

import pytest
import torch
import yaml

from diar.cli import main
from diar.errors import EXIT_OK
from diar.models.encoders.wespeaker import ARCHITECTURES


@pytest.fixture(scope="session")
def small_model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model directory with a very small ResNet18 of random weights, whose graph is a tenth of CAM++'s."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("small-model")
    arguments = {"feat_dim": 16, "embed_dim": 16, "m_channels": 4}
    torch.save(ARCHITECTURES["ResNet18"](**arguments).state_dict(), folder / "avg_model.pt")
    front_end = {"resample_rate": 16000, "fbank_args": {"num_mel_bins": 16}}
    content = {"model": "ResNet18", "model_args": arguments, "dataset_args": front_end}
    (folder / "config.yaml").write_text(yaml.safe_dump(content))
    return folder


@pytest.fixture(scope="session")
def small_exported(small_model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the small encoder, small.onnx, and its halves, small.trunk.onnx, small.pooling.onnx."""
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    folder = tmp_path_factory.mktemp("exported")
    for part in ("waveform", "trunk", "pooling"):
        arguments = ["export", "--model", str(small_model_dir), "--part", part, "--output_dir", str(folder)]
        assert main(arguments) == EXIT_OK
    for file in folder.iterdir():
        file.rename(folder / file.name.replace(small_model_dir.name, "small"))
    return folder


@pytest.fixture(scope="session")
def segmentation_exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with segmentation-3.0.onnx."""
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    folder = tmp_path_factory.mktemp("segmentation")
    assert main(["export", "--model", "segmentation-3.0", "--output_dir", str(folder)]) == EXIT_OK
    return folder
