"""Model directories: what is read from them, and what each broken one is told."""

import hashlib
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from diar.errors import DiarError
from diar.models.encoders.wespeaker import ARCHITECTURES, ModelError, open_model_dir
from diar.models.features import FbankSettings
from diar.models.tfmel import TfMelSettings
from diar.models.weights.checkpoint import read_state_dict
from tests.models.cases import fill

CONFIG: dict[str, Any] = {
    "model": "ResNet18",
    "model_args": {"feat_dim": 40, "embed_dim": 8, "m_channels": 4},
    "dataset_args": {"resample_rate": 16000, "fbank_args": {"num_mel_bins": 40}},
}
TFMEL: dict[str, Any] = {"model": "ReDimNet2B0", "model_args": {"feat_dim": 72, "embed_dim": 8}}
Write = Callable[..., Path]


def tfmel(**arguments: object) -> dict[str, Any]:
    """What of a configuration is other with these `tfmel_args`."""
    given = {"n_mels": 72, **arguments}
    return TFMEL | {"dataset_args": {"frontend": "tfmel", "cmvn": False, "tfmel_args": given}}


@pytest.fixture(scope="module")
def weights() -> dict[str, torch.Tensor]:
    encoder = ARCHITECTURES["ResNet18"](**CONFIG["model_args"])
    fill(encoder)
    return encoder.state_dict()


@pytest.fixture
def write(tmp_path: Path, weights: dict[str, torch.Tensor]) -> Write:
    """Write a model directory; arguments replace parts of a good one."""

    def write_model_dir(checkpoint: object = None, **config: object) -> Path:
        (tmp_path / "config.yaml").write_text(yaml.safe_dump(CONFIG | config))
        torch.save(weights if checkpoint is None else checkpoint, tmp_path / "avg_model.pt")
        return tmp_path

    return write_model_dir


def refusal(path: Path) -> str:
    """The message, which must be one line that names the place."""
    with pytest.raises(ModelError) as caught:
        open_model_dir(path)
    message = str(caught.value)
    assert isinstance(caught.value, DiarError)
    assert str(path) in message
    assert "\n" not in message
    return message


def test_a_model_directory_opens(write: Write, weights: dict[str, torch.Tensor]) -> None:
    path = write()
    model = open_model_dir(path)
    assert model.name == path.name
    assert open_model_dir(path, name="mine").name == "mine"
    assert model.architecture == "ResNet18"
    assert model.sha256 == hashlib.sha256((path / "avg_model.pt").read_bytes()).hexdigest()
    assert not model.encoder.training
    assert not any(parameter.requires_grad for parameter in model.encoder.parameters())
    assert model.encoder(torch.zeros(1, 20, 40)).dtype == torch.float32
    for name, tensor in model.encoder.state_dict().items():
        assert torch.equal(tensor, weights[name])


def test_the_default_model_opens(campplus_dir: Path) -> None:
    model = open_model_dir(campplus_dir)
    assert (model.architecture, model.encoder.embedding_dim) == ("CAMPPlus", 192)
    assert model.fbank == FbankSettings(window_type="povey", waveform_scale=1.0)


@pytest.mark.parametrize(
    "dataset_args, expected",
    [
        ({}, FbankSettings()),
        ({"fbank_args": {"window_type": "povey"}}, FbankSettings(window_type="povey", waveform_scale=1.0)),
        (
            {"fbank_args": {"window_type": "povey", "waveform_scale": 32768}},
            FbankSettings(window_type="povey"),
        ),
        ({"fbank_args": {"waveform_scale": 1}}, FbankSettings(waveform_scale=1.0)),
        (
            {"resample_rate": 8000, "frontend": "fbank", "cmvn": True, "cmvn_args": {"norm_var": False}},
            FbankSettings(sample_rate=8000),
        ),
        (
            {"fbank_args": {"frame_length": 32, "frame_shift": 16, "dither": 1.0}},
            FbankSettings(frame_length_ms=32.0, frame_shift_ms=16.0),
        ),
    ],
)
def test_the_front_end_is_read(write: Write, dataset_args: dict[str, Any], expected: FbankSettings) -> None:
    model_args = CONFIG["model_args"] | {"feat_dim": 80}
    encoder = ARCHITECTURES["ResNet18"](**model_args)
    path = write(encoder.state_dict(), model_args=model_args, dataset_args=dataset_args)
    assert open_model_dir(path).fbank == expected


@pytest.mark.parametrize(
    "arguments, expected",
    [
        ({}, TfMelSettings(num_mel_bins=72)),
        (
            {"norm_signal": True, "do_preemph": False},
            TfMelSettings(16000, 72, norm_signal=True, do_preemph=False),
        ),
        (
            {"hop_length": 200, "win_length": 480, "n_fft": 1024, "f_min": 60, "f_max": 7000, "eps": 1e-6},
            TfMelSettings(16000, 72, 1024, 480, 200, 60.0, 7000.0, eps=1e-6),
        ),
        ({"do_spec_aug": True, "freq_mask_width": [0, 6], "unknown": 1}, TfMelSettings(num_mel_bins=72)),
    ],
)
def test_another_front_end_is_read(write: Write, arguments: dict[str, Any], expected: TfMelSettings) -> None:
    encoder = ARCHITECTURES["ReDimNet2B0"](**TFMEL["model_args"])
    assert open_model_dir(write(encoder.state_dict(), **tfmel(**arguments))).fbank == expected


def test_large_margin_weights_open_by_their_public_configuration(write: Write) -> None:
    public = {  # of WeSpeaker's resnet_lm.yaml for ResNet293; but narrow
        "model": "ResNet293",
        "model_init": None,
        "model_args": {
            **{"feat_dim": 80, "embed_dim": 256, "pooling_func": "TSTP", "two_emb_layer": False},
            "m_channels": 4,
        },
        "dataset_args": {
            **{"shuffle": True, "resample_rate": 16000, "speed_perturb": True, "num_frms": 600},
            **{"aug_prob": 0.6, "spec_aug": False},
            "fbank_args": {"num_mel_bins": 80, "frame_shift": 10, "frame_length": 25, "dither": 1.0},
        },
        **{"do_lm": True, "projection_args": {"project_type": "arc_margin", "scale": 32.0}},
    }
    encoder = ARCHITECTURES["ResNet293"](**public["model_args"])
    fill(encoder)
    model = open_model_dir(
        write({**encoder.state_dict(), "projection.weight": torch.zeros(9, 256)}, **public)
    )
    blocks = [len(getattr(model.encoder, f"layer{number}")) for number in (1, 2, 3, 4)]
    assert (model.architecture, blocks) == ("ResNet293", [10, 20, 64, 3])
    assert model.fbank == FbankSettings()


@pytest.mark.parametrize("wrapping", ["model", "state_dict"])
def test_wrapped_checkpoints_and_training_heads_load(
    write: Write, weights: dict[str, torch.Tensor], wrapping: str
) -> None:
    trained = {f"module.{name}": tensor for name, tensor in weights.items()}
    trained["module.projection.weight"] = torch.zeros(1000, 8)
    path = write({wrapping: trained, "epoch": 150})
    loaded = open_model_dir(path).encoder.state_dict()
    assert all(torch.equal(loaded[name], tensor) for name, tensor in weights.items())


def test_half_precision_weights_become_float32(write: Write, weights: dict[str, torch.Tensor]) -> None:
    half = {name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in weights.items()}
    encoder = open_model_dir(write(half)).encoder
    assert {tensor.dtype for tensor in encoder.parameters()} == {torch.float32}


def test_missing_files_are_named(write: Write, tmp_path: Path) -> None:
    assert "does not exist" in refusal(tmp_path / "nowhere")
    path = write()
    (path / "avg_model.pt").rename(path / "model_150.pt")
    assert "has no avg_model.pt; rename one of model_150.pt if it is the one" in refusal(path)
    (path / "config.yaml").unlink()
    assert "has no config.yaml" in refusal(path)


@pytest.mark.parametrize(
    "text, message",
    [
        ("model: [unclosed", "cannot be read as YAML"),
        ("!!python/object/apply:os.system ['true']", "cannot be read as YAML"),
        ("- a list", "names no architecture"),
        ("", "names no architecture"),
        ("model_args: {}", "names no architecture; it needs a line like 'model: ResNet34'"),
        ("model: ResNet18\nmodel_args: 5", "model_args must be a mapping, got 5"),
        ("model: ResNet18\ndataset_args: {fbank_args: [1]}", r"fbank_args must be a mapping, got [1]"),
    ],
)
def test_configurations_that_are_none(write: Write, text: str, message: str) -> None:
    path = write()
    (path / "config.yaml").write_text(text)
    assert message in refusal(path)


@pytest.mark.parametrize(
    "config, message",
    [
        ({"model": "ResNet19"}, "'ResNet19' is not supported; supported are ResNet18, ResNet34"),
        ({"model_args": {"feat_dim": 40}}, "ResNet18 cannot be built from model_args"),
        ({"model_args": CONFIG["model_args"] | {"depth": 3}}, "'depth'"),
        ({"model_args": CONFIG["model_args"] | {"pooling_func": "XSTP"}}, "'XSTP' is not one of TAP"),
        ({"model_args": CONFIG["model_args"] | {"embed_dim": -3}}, "cannot be built"),
        ({"dataset_args": {"frontend": "w2vbert"}}, "frontend 'w2vbert' is not supported with ResNet18"),
        (
            {"model": "ReDimNetB0", "model_args": {}},
            "feat_dim of ReDimNetB0 is 60 unless model_args have another",
        ),
        ({"dataset_args": {"frontend": ["fbank"]}}, "['fbank'] is not supported with ResNet18, only fbank"),
        (
            {"dataset_args": {"frontend": "tfmel", "cmvn": False}},
            "frontend 'tfmel' is not supported for ResNet18, only for ReDimNet2B0, ReDimNet2B1",
        ),
        (tfmel() | {"model": "ReDimNet2Custom"}, "frontend 'tfmel' is not supported for ReDimNet2Custom"),
        (TFMEL | {"dataset_args": {"frontend": "tfmel"}}, "needs 'cmvn: false'"),
        (TFMEL | {"dataset_args": {"frontend": "tfmel", "cmvn": True}}, "needs 'cmvn: false'"),
        (tfmel(n_mels=80), "feat_dim is 72, but tfmel_args give 80 mel bins"),
        (tfmel(win_length=600), "dataset_args describe no filterbank: win_length 600"),
        (tfmel(f_max="high"), "dataset_args describe no filterbank"),
        (tfmel(sample_rate=8000), "sample_rate in tfmel_args is 8000, but resample_rate 16000"),
        ({"model": "ReDimNetB1", "model_args": {"feat_dim": 40}}, "20 mel rows cannot be divided"),
        ({"dataset_args": {"cmvn": False}}, "only models with the mean"),
        ({"dataset_args": {"cmvn_args": {"norm_var": True}}}, "only models with the mean"),
        ({"dataset_args": {"fbank_args": {"num_mel_bins": 64}}}, "feat_dim is 40, but fbank_args give 64"),
        ({"dataset_args": {"fbank_args": {"window_type": "kaiser"}}}, "'kaiser' is not one of"),
        ({"dataset_args": {"resample_rate": "fast"}}, "dataset_args describe no filterbank"),
    ],
)
def test_configurations_that_are_not_supported(write: Write, config: dict[str, Any], message: str) -> None:
    path = write(**config)
    with pytest.raises(ModelError) as caught:
        open_model_dir(path)
    assert message in str(caught.value)


def test_weights_that_do_not_fit_are_named(write: Write, weights: dict[str, torch.Tensor]) -> None:
    path = write(model_args=CONFIG["model_args"] | {"embed_dim": 9})
    assert "2 of another shape (seg_1.weight (8, 320) instead of (9, 320), seg_1.bias" in refusal(path)
    renamed = {name.replace("layer4", "stage4"): tensor for name, tensor in weights.items()}
    message = refusal(write(renamed))
    assert "missing (layer4.0.conv1.weight, layer4.0.bn1.weight, layer4.0.bn1.bias, …)" in message
    assert "unknown (stage4.0.conv1.weight" in message
    broken = weights | {"seg_1.bias": torch.full((8,), float("nan"))}
    assert "1 not finite (seg_1.bias)" in refusal(write(broken))


@pytest.mark.parametrize("checkpoint", [[1, 2], {"model": {"epoch": 3}}, torch.zeros(3)])
def test_checkpoints_without_a_state_dict(write: Write, checkpoint: object) -> None:
    assert "holds no state dict" in refusal(write(checkpoint))


class Payload:
    """Runs a command when unpickled."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (self.command,)


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "plain pickle"])
def test_code_in_a_checkpoint_is_not_run(write: Write, tmp_path: Path, legacy: bool) -> None:
    witness = tmp_path / "executed"
    payload = {"seg_1.bias": Payload(f"touch '{witness}'")}
    path = write(payload)
    if legacy:
        (path / "avg_model.pt").write_bytes(pickle.dumps(payload, protocol=2))
    message = refusal(path)
    assert not witness.exists()
    assert "more than tensors" in message
    assert "save the state dict alone" in message
    if not legacy:  # the payload does work where nothing guards it
        with zipfile.ZipFile(path / "avg_model.pt") as archive:
            pickle.loads(archive.read(next(name for name in archive.namelist() if name.endswith("data.pkl"))))
        assert witness.exists()


def test_truncated_weights_are_refused(write: Write) -> None:
    path = write()
    content = (path / "avg_model.pt").read_bytes()
    for length in (0, 10, len(content) // 2, len(content) - 100):
        (path / "avg_model.pt").write_bytes(content[:length])
        assert "avg_model.pt" in refusal(path)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=60), start=st.sampled_from([b"", b"\x80\x02", b"PK\x03\x04"]))
def test_any_bytes_are_refused_with_a_message(tmp_path: Path, start: bytes, content: bytes) -> None:
    file = tmp_path / "avg_model.pt"
    file.write_bytes(start + content)
    with pytest.raises(ModelError, match=r"avg_model\.pt"):
        read_state_dict(file)
