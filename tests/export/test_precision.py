"""Half precision and eight bits: smaller files whose embeddings stay near, and what is refused."""

from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from diar.cli import main
from diar.errors import EXIT_ERROR, EXIT_OK
from tests.commands import RATE
from tests.export.test_command import cosines, masks_for, properties, run

pytest.importorskip("onnxruntime")
pytest.importorskip("onnx")


@pytest.mark.slow
def test_half_precision_of_the_real_encoder(tmp_path: Path, conversation: np.ndarray) -> None:
    for precision in ("fp32", "fp16"):
        arguments = ["export", "--model", "campplus-zh-en", "--precision", precision]
        assert main([*arguments, "--output_dir", str(tmp_path)]) == EXIT_OK
    whole, half = tmp_path / "campplus-zh-en.onnx", tmp_path / "campplus-zh-en.fp16.onnx"
    waveform = conversation[None, 30 * RATE : 38 * RATE]
    masks = masks_for(waveform)
    (expected,), (found,) = (run(file, waveform=waveform, masks=masks) for file in (whole, half))
    assert cosines(found[:, :2], expected[:, :2]).min() > 0.999
    assert half.stat().st_size < 0.6 * whole.stat().st_size
    assert properties(half)["precision"] == "fp16" and properties(half)["licence"] == "Apache-2.0"


def test_what_fits_no_precision_is_refused(
    tiny_model_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ["export", "--model", str(tiny_model_dir), "--output_dir", str(tmp_path)]
    (tmp_path / "audio").mkdir()
    static = ["--precision", "int8-static", "--calibration_dir", str(tmp_path / "audio")]
    assert main([*common, "--precision", "int8-static"]) == EXIT_ERROR
    assert main(["export", "--precision", "fp16", "--output_dir", str(tmp_path)]) == EXIT_ERROR
    assert "--precision fp16 is for encoders" in capsys.readouterr().err
    assert main([*common, "--format", "tensorrt", "--precision", "int8"]) == EXIT_ERROR
    assert main([*common, *static]) == EXIT_ERROR
    assert "holds no WAV or FLAC" in capsys.readouterr().err
    sf.write(tmp_path / "audio" / "a.wav", np.zeros(8000 * 20, np.float32), 8000)
    assert main([*common, *static]) == EXIT_ERROR
    assert "is at 8000 Hz" in capsys.readouterr().err
    sf.write(tmp_path / "audio" / "a.wav", np.zeros(RATE * 5, np.float32), RATE)
    assert main([*common, *static]) == EXIT_ERROR
    assert "lasts 10 s" in capsys.readouterr().err
    assert not list(tmp_path.glob("*.onnx"))
