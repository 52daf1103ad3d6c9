"""One export of small networks for all tests of this room."""

from pathlib import Path

import pytest

from diar.cli import main
from diar.errors import EXIT_OK


@pytest.fixture(scope="session")
def tiny_exported(tiny_model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the tiny encoder: tiny.onnx, and its halves, tiny.trunk.onnx and tiny.pooling.onnx."""
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    folder = tmp_path_factory.mktemp("exported")
    for part in ("waveform", "trunk", "pooling"):
        arguments = ["export", "--model", str(tiny_model_dir), "--part", part, "--output_dir", str(folder)]
        assert main(arguments) == EXIT_OK
    for file in folder.iterdir():
        file.rename(folder / file.name.replace(tiny_model_dir.name, "tiny"))
    return folder


@pytest.fixture(scope="session")
def segmentation_exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with segmentation-3.0.onnx."""
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    folder = tmp_path_factory.mktemp("segmentation")
    assert main(["export", "--model", "segmentation-3.0", "--output_dir", str(folder)]) == EXIT_OK
    return folder
