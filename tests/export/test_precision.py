"""Half precision and eight bits: smaller files whose embeddings stay near, and what is refused."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
import torch
import yaml

from diar.cli import main
from diar.errors import EXIT_ERROR, EXIT_OK
from diar.export import measured
from diar.export.graph.parts import encoder_part
from diar.export.measured import der_move, is_small
from diar.export.targets.calibration import calibration_inputs
from diar.models.encoders.resnet import ResNet18
from diar.models.open import open_encoder
from diar.models.weights.named_models import NAMED_MODELS
from tests.commands import RATE
from tests.export.test_command import cosines, masks_for, properties, run

pytest.importorskip("onnxruntime")
pytest.importorskip("onnx")


def test_the_front_end_stays_in_fp32_all_the_way(tmp_path: Path, conversation: np.ndarray) -> None:
    """In the 16-bit scale of WeSpeaker's models, the power of a frame is beyond what fp16 holds."""
    torch.manual_seed(0)
    arguments = {"feat_dim": 80, "embed_dim": 32, "m_channels": 8}
    config = {"model": "ResNet18", "model_args": arguments, "dataset_args": {"resample_rate": RATE}}
    folder = tmp_path / "resnet"
    folder.mkdir()
    torch.save(ResNet18(**arguments).state_dict(), folder / "avg_model.pt")
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    for precision in ("fp32", "fp16"):
        command = ["export", "--model", str(folder), "--precision", precision]
        assert main([*command, "--output_dir", str(tmp_path)]) == EXIT_OK
    waveform = conversation[None, 30 * RATE : 34 * RATE]
    masks = masks_for(waveform)
    (expected,), (found,) = (
        run(tmp_path / name, waveform=waveform, masks=masks) for name in ("resnet.onnx", "resnet.fp16.onnx")
    )
    assert cosines(found[:, :2], expected[:, :2]).min() > 0.9999


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
    small_model_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ["export", "--model", str(small_model_dir), "--output_dir", str(tmp_path)]
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


def test_ranges_are_measured_on_pieces_of_the_whole_folder_and_no_more_is_read(
    small_model_dir: Path, tmp_path: Path
) -> None:
    part = encoder_part(open_encoder(str(small_model_dir)), "waveform")
    for number in range(96):  # the sound of a file tells its number
        sf.write(tmp_path / f"{number:03d}.wav", np.full(RATE * 10, number / 100, np.float32), RATE)
    sf.write(tmp_path / "000.wav", np.zeros(0, np.float32), RATE)
    for number in range(2, 96, 3):
        (tmp_path / f"{number:03d}.wav").write_bytes(b"no audio")  # reading it would fail
    inputs = calibration_inputs(part, tmp_path, RATE)
    heard = [round(100 * float(one["waveform"][0, 0])) for one in inputs]
    assert len(heard) == 32 and heard == [*range(3, 96, 3), 1]


def test_what_eight_bits_cost_is_in_the_file_and_no_server_gets_it_unasked(
    small_model_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ["export", "--model", str(small_model_dir), "--part", "trunk", "--precision", "int8"]
    triton = [*common, "--format", "triton", "--output_dir", str(tmp_path / "repository")]
    assert main(triton) == EXIT_ERROR
    assert "its DER was not measured" in capsys.readouterr().err
    assert not (tmp_path / "repository").exists()
    assert main([*triton, "--accept_loss"]) == EXIT_OK
    assert "warning: int8 is not fit to be a default" in capsys.readouterr().out
    file = tmp_path / "repository/speaker_trunk/1/model.onnx"
    said = properties(file)
    assert said["precision"] == "int8" and said["der_moved_points"] == "not measured"
    config = (tmp_path / "repository/speaker_trunk/config.pbtxt").read_text()
    assert '"der_moved_points" value: { string_value: "not measured" }' in config


def test_weights_that_half_precision_cannot_hold_are_refused(
    small_model_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = shutil.copytree(small_model_dir, tmp_path / "loud")
    weights = torch.load(folder / "avg_model.pt", weights_only=True)
    loud = next(name for name, one in weights.items() if name.endswith("weight") and one.ndim == 4)
    weights[loud] *= 1e6
    torch.save(weights, folder / "avg_model.pt")
    common = ["export", "--model", str(folder), "--output_dir", str(tmp_path / "out")]
    assert main([*common, "--precision", "fp16"]) == EXIT_ERROR
    assert "in fp16 the file gives values that are not finite" in capsys.readouterr().err
    assert not list((tmp_path / "out").glob("*.onnx"))
    assert main([*common, "--precision", "fp32"]) == EXIT_OK


def test_how_far_named_weights_move_the_der(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    campplus = NAMED_MODELS["campplus-zh-en"].sha256
    for name, moves in yaml.safe_load(measured.TABLE.read_text()).items():
        assert name in NAMED_MODELS and {*moves} <= {"fp16", "int8", "int8-static"}
        for precision, points in moves.items():
            assert der_move(NAMED_MODELS[name].sha256, precision) == str(points) and float(points) < 100
    monkeypatch.setattr(measured, "TABLE", tmp_path / "measured.yaml")
    (tmp_path / "measured.yaml").write_text("campplus-zh-en: {int8: 0.05}\n")
    assert der_move(campplus, "fp32") == "0" and der_move(campplus, "int8") == "0.05"
    assert der_move(campplus, "fp16") == der_move("0" * 64, "int8") == "not measured"
    assert is_small("0.2") and is_small("-1") and not is_small("0.21") and not is_small("not measured")
