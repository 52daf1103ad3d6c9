"""`diar export` writes files that onnxruntime and numpy alone turn from samples to torch's embeddings."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from diar.cli import main
from diar.errors import EXIT_ERROR, EXIT_OK
from diar.export.comparison import LEAST_COSINE
from diar.models.encoders.wespeaker import SpeakerModel
from diar.models.features import FbankSettings, FrontEndSettings, cmn
from diar.models.open import open_encoder, open_segmentation
from tests.commands import RATE
from tests.models.tfmel_cases import write_directory

onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnx")


def run(file: Path, **inputs: np.ndarray) -> list[np.ndarray]:
    return onnxruntime.InferenceSession(str(file)).run(None, inputs)


def properties(file: Path) -> dict[str, str]:
    return onnxruntime.InferenceSession(str(file)).get_modelmeta().custom_metadata_map


def masks_for(waveform: np.ndarray, front_end: FrontEndSettings | None = None) -> np.ndarray:
    frames = (front_end or FbankSettings()).num_frames(waveform.shape[1])
    masks = np.zeros((len(waveform), 3, frames), np.float32)
    masks[:, 0] = 1
    masks[:, 1, : frames // 2] = 1  # the third is nobody
    return masks


def cosines(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return (a * b).sum(-1) / np.linalg.norm(a, axis=-1) / np.linalg.norm(b, axis=-1)


def compared_with_torch(model: SpeakerModel, file: Path, conversation: np.ndarray) -> None:
    stride = model.encoder.frame_stride
    for batch, seconds in ((1, 4.321), (2, 2.005), (7, 0.5)):
        samples = int(seconds * RATE)
        waveform = conversation[RATE : RATE + batch * samples].reshape(batch, samples)
        masks = masks_for(waveform, model.fbank)
        with torch.inference_mode():
            frames = model.encoder.frames(cmn(model.fbank.front_end()(torch.from_numpy(waveform))))
            expected = model.encoder.pool(frames, torch.from_numpy(masks[..., ::stride])).numpy()
        (found,) = run(file, waveform=waveform, masks=masks)
        assert cosines(found[:, :2], expected[:, :2]).min() >= LEAST_COSINE
        assert not found[:, 2].any()


def test_embeddings_are_those_of_torch_at_any_batch_and_length(
    small_model_dir: Path, small_exported: Path, conversation: np.ndarray
) -> None:
    compared_with_torch(open_encoder(str(small_model_dir)), small_exported / "small.onnx", conversation)


@pytest.mark.slow
def test_another_front_end_is_part_of_the_graph(tmp_path: Path, conversation: np.ndarray) -> None:
    folder = write_directory(tmp_path / "redimnet2")
    assert main(["export", "--model", str(folder), "--output_dir", str(tmp_path)]) == EXIT_OK
    compared_with_torch(open_encoder(str(folder)), tmp_path / "redimnet2.onnx", conversation)
    said = properties(tmp_path / "redimnet2.onnx")
    front_end = json.loads(said["front_end"])
    assert (front_end["type"], front_end["norm_signal"], front_end["num_mel_bins"]) == ("tfmel", True, 72)
    assert float(said["first_mask_centre_seconds"]) == 0.0075 and said["mask_step_seconds"] == "0.01"


@pytest.mark.slow
def test_both_default_networks_are_exported_by_one_command(tmp_path: Path, conversation: np.ndarray) -> None:
    assert main(["export", "--output_dir", str(tmp_path)]) == EXIT_OK
    names = ["campplus-zh-en.onnx", "segmentation-3.0.onnx"]
    assert sorted(file.name for file in tmp_path.iterdir()) == names
    compared_with_torch(open_encoder("campplus-zh-en"), tmp_path / names[0], conversation)
    said = properties(tmp_path / names[0])
    assert said["licence"] == "Apache-2.0" and said["sha256"].startswith("92f29b94")
    assert json.loads(said["front_end"])["window_type"] == "povey" and said["embedding_dim"] == "192"


def test_classes_are_those_of_torch_and_speakers_are_in_line_with_the_audio(
    segmentation_exported: Path, conversation: np.ndarray
) -> None:
    network = open_segmentation("segmentation-3.0").network
    for batch, seconds in ((1, 10.0), (2, 3.217)):
        samples = int(seconds * RATE)
        waveform = conversation[: batch * samples].reshape(batch, samples)
        with torch.inference_mode():
            log_probs = network(torch.from_numpy(waveform))
            expected = network.powerset.hard(network.aligned(log_probs)).numpy()
        found, speakers = run(segmentation_exported / "segmentation-3.0.onnx", waveform=waveform)
        assert np.abs(np.exp(found) - np.exp(log_probs.numpy())).max() < 1e-3
        assert (speakers == expected).all(axis=-1).mean() >= 0.9999


def test_a_file_says_what_it_is_and_is_not_overwritten_unasked(
    segmentation_exported: Path,
    small_exported: Path,
    small_model_dir: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    said = properties(small_exported / "small.onnx")
    assert said["sha256"] == open_encoder(str(small_model_dir)).sha256 and said["embedding_dim"] == "16"
    assert json.loads(said["front_end"])["num_mel_bins"] == 16
    assert said["sample_rate"] == "16000" and said["opset"] == "17" and "not stated" in said["licence"]
    file = segmentation_exported / "segmentation-3.0.onnx"
    said = properties(file)
    assert said["licence"] == "MIT" and json.loads(said["classes"])[4] == [0, 1]
    before = file.read_bytes()
    again = ["export", "--model", "segmentation-3.0", "--output_dir", str(segmentation_exported)]
    assert main(again) == EXIT_ERROR
    assert "use --overwrite" in capsys.readouterr().err
    assert file.read_bytes() == before and list(segmentation_exported.iterdir()) == [file]


def test_a_file_in_the_way_of_the_second_network_is_told_before_the_first_is_written(
    small_model_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "segmentation-3.0.onnx").touch()
    both = ["export", "--model", f"{small_model_dir},segmentation-3.0", "--output_dir", str(tmp_path)]
    assert main(both) == EXIT_ERROR
    assert "segmentation-3.0.onnx is there already" in capsys.readouterr().err
    assert [file.name for file in tmp_path.iterdir()] == ["segmentation-3.0.onnx"]


@pytest.mark.parametrize(
    ("options", "void"),
    [
        (("--max_batch", "64"), "--max_batch has no effect with --format onnx"),
        (("--format", "triton", "--max_seconds", "20"), "--max_seconds has no effect with --format triton"),
        (("--format", "tensorrt", "--instances", "2"), "--instances has no effect with --format tensorrt"),
        (("--format", "torchscript", "--opset", "18"), "--opset has no effect with --format torchscript"),
    ],
)
def test_options_without_effect_are_refused(
    options: tuple[str, ...], void: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", "--output_dir", str(tmp_path), *options]) == EXIT_ERROR
    assert void in capsys.readouterr().err


def test_a_folder_has_a_name_also_where_it_is_given_as_a_dot(
    small_model_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(small_model_dir)
    assert main(["export", "--model", ".", "--part", "pooling", "--output_dir", str(tmp_path)]) == EXIT_OK
    assert [file.name for file in tmp_path.iterdir()] == [f"{small_model_dir.name}.pooling.onnx"]


def test_halves_make_the_whole(small_model_dir: Path, small_exported: Path, conversation: np.ndarray) -> None:
    model, waveform = open_encoder(str(small_model_dir)), conversation[None, : 3 * RATE]
    masks = masks_for(waveform)
    (whole,) = run(small_exported / "small.onnx", waveform=waveform, masks=masks)
    fbank = model.fbank.front_end()(torch.from_numpy(waveform)).numpy()
    (frames,) = run(small_exported / "small.trunk.onnx", fbank=fbank)
    (halves,) = run(
        small_exported / "small.pooling.onnx", frames=frames, masks=masks[..., :: model.encoder.frame_stride]
    )
    assert np.abs(halves - whole).max() < 1e-4 * np.abs(whole).max()


def test_torchscript_gives_the_same(
    small_model_dir: Path,
    small_exported: Path,
    tmp_path: Path,
    conversation: np.ndarray,
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = ["export", "--model", str(small_model_dir), "--format", "torchscript"]
    assert main([*arguments, "--output_dir", str(tmp_path)]) == EXIT_OK
    assert "beside torch: cosine " in capsys.readouterr().out
    waveform = conversation[None, RATE : 4 * RATE]
    masks = masks_for(waveform)
    extra = {"sha256": ""}
    network = torch.jit.load(tmp_path / f"{small_model_dir.name}.pt", _extra_files=extra)
    found = network(torch.from_numpy(waveform), torch.from_numpy(masks)).numpy()
    (expected,) = run(small_exported / "small.onnx", waveform=waveform, masks=masks)
    assert np.abs(found - expected).max() < 1e-4 * np.abs(expected).max()
    assert len(extra["sha256"]) == 64


@pytest.mark.parametrize(
    ("fixture", "network"),
    [("tiny_wavlm_dir", "WavLMConformer"), ("tiny_sortformer_dir", "Sortformer")],
)
def test_other_networks_than_pyannet_are_refused(
    fixture: str,
    network: str,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = request.getfixturevalue(fixture)
    arguments = ["export", "--model", str(folder), "--output_dir", str(tmp_path / "out")]
    assert main(arguments) == EXIT_ERROR
    assert f"only PyanNet is exported of segmentation networks, not {network}" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
