"""Pipeline folders: what is read, and what is said of folders that are no such thing."""

import copy
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from diar.errors import DiarError
from diar.models.encoders.base import ModelError
from diar.models.pipelines.config import PipelineConfig, read_pipeline_config
from diar.models.pipelines.networks import open_embedding, open_segmentation
from diar.models.pipelines.open import EMBEDDING, SEGMENTATION, TRANSFORM, open_pipeline
from diar.models.segmentation.pyannet import PyanNetSettings
from diar.models.weights.inert import Noted
from tests.models.pipelines.pipeline_folder import CONFIG, write_folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("pipelines") / "community")


@pytest.fixture
def damaged(folder: Path, tmp_path: Path) -> Path:
    """A copy to be damaged."""
    return Path(shutil.copytree(folder, tmp_path / "damaged"))


def changed(folder: Path, *keys: str, value: Any) -> None:
    content = copy.deepcopy(CONFIG)
    place: Any = content
    for key in keys[:-1]:
        place = place[key]
    if value is None:
        del place[keys[-1]]
    else:
        place[keys[-1]] = value
    (folder / "config.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")


def test_a_folder_is_opened(folder: Path) -> None:
    pipeline = open_pipeline(str(folder))
    assert pipeline.config == PipelineConfig()
    assert pipeline.segmentation.settings == PyanNetSettings(lead_seconds=(0.0, 0.0))
    assert (pipeline.encoder.architecture, pipeline.encoder.encoder.embedding_dim) == ("ResNet34", 256)
    assert (pipeline.encoder.fbank.window_type, pipeline.encoder.fbank.waveform_scale) == ("hamming", 32768.0)
    assert pipeline.step_samples == 16_000
    assert pipeline.licence == ""
    assert not pipeline.encoder.encoder.training


def test_a_card_tells_the_licence(damaged: Path) -> None:
    (damaged / "README.md").write_text("---\nlicense: cc-by-4.0\ntags: []\n---\n", encoding="utf-8")
    assert open_pipeline(str(damaged)).licence == "cc-by-4.0"


def test_what_config_yaml_leaves_out_has_pyannotes_defaults(tmp_path: Path) -> None:
    changed(tmp_path, "pipeline", "params", "embedding_exclude_overlap", value=None)
    assert not read_pipeline_config(tmp_path).exclude_overlap
    changed(tmp_path, "params", "segmentation", value=None)
    assert read_pipeline_config(tmp_path).min_duration_off == 0.0


@pytest.mark.parametrize("name", ["config.yaml", SEGMENTATION, EMBEDDING, TRANSFORM])
def test_a_missing_file_is_named(damaged: Path, name: str) -> None:
    (damaged / name).unlink()
    with pytest.raises(ModelError, match=rf"`pipeline=.*damaged` has no {name}; a folder as pyannote"):
        open_pipeline(str(damaged))


@pytest.mark.parametrize(
    ("keys", "value", "message"),
    [
        (("pipeline", "name"), "a.b.VoiceActivityDetection", "a SpeakerDiarization of pyannote.audio is exp"),
        (("pipeline", "params", "clustering"), "AgglomerativeClustering", "VBxClustering is expected"),
        (("pipeline", "params", "embedding"), "pyannote/wespeaker", r"'\$model/embedding' is expected"),
        (("params", "clustering", "Fa"), None, "params lack a number or have a wrong one: KeyError"),
        (("params", "clustering", "Fb"), -1.0, "fb is -1.0, which is out of range"),
        (("params", "clustering", "threshold"), "much", "params lack a number or have a wrong one"),
        (("params",), [1], "has no section 'params'"),
    ],
)
def test_another_configuration_is_refused(
    tmp_path: Path, keys: tuple[str, ...], value: Any, message: str
) -> None:
    changed(tmp_path, *keys, value=value)
    with pytest.raises(ModelError, match=rf"config\.yaml.*{message}"):
        read_pipeline_config(tmp_path)


def test_no_yaml(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("a: [", encoding="utf-8")
    with pytest.raises(ModelError, match=r"config\.yaml cannot be read as YAML"):
        read_pipeline_config(tmp_path)


def test_networks_are_not_exchanged(folder: Path) -> None:
    with pytest.raises(ModelError, match=r"is a WeSpeakerResNet34, a PyanNet is expected"):
        open_segmentation(folder / EMBEDDING, "x")
    with pytest.raises(ModelError, match=r"is a PyanNet, expected is one of WeSpeakerResNet34, "):
        open_embedding(folder / SEGMENTATION, "x")


def test_a_state_dict_alone_says_too_little(tmp_path: Path) -> None:
    file = tmp_path / "pytorch_model.bin"
    torch.save({"state_dict": {"a": torch.zeros(1)}}, file)
    with pytest.raises(ModelError, match=r"is no checkpoint of pyannote.audio: it has no 'pyannote.audio'"):
        open_segmentation(file, "x")


def test_parameters_have_to_fit(damaged: Path) -> None:
    from diar.models.segmentation.pyannet import PyanNet

    weights = PyanNet(PyanNetSettings(lstm_size=64)).state_dict()
    write_folder(damaged, segmentation=weights)
    with pytest.raises(ModelError, match=r"segmentation/pytorch_model.bin does not fit.*as pyannote.audio"):
        open_pipeline(str(damaged))


def test_a_damaged_checkpoint_is_named(damaged: Path) -> None:
    (damaged / EMBEDDING).write_bytes(b"nothing")
    with pytest.raises(ModelError, match=r"embedding/pytorch_model.bin cannot be read as a PyTorch checkp"):
        open_pipeline(str(damaged))


def test_neither_a_folder_nor_an_id() -> None:
    with pytest.raises(DiarError, match=r"`pipeline=community-2`: no such directory"):
        open_pipeline("community-2")


def test_a_record_keeps_fields_and_nothing_else() -> None:
    record = Noted()
    record.__setstate__({"duration": 10.0})
    assert record.attributes == {"duration": 10.0}
    record.__setstate__("anything")
    assert record.attributes == {}


def test_without_specifications_a_segmentation_is_not_guessed(tmp_path: Path) -> None:
    file = tmp_path / "pytorch_model.bin"
    own = {"architecture": {"class": "PyanNet", "module": "m"}, "specifications": None}
    given = {"sincnet": {"stride": 10}, "lstm": {"hidden_size": 4, "num_layers": 1}, "linear": {}}
    state = {"a": torch.from_numpy(np.zeros(1, np.float32))}
    torch.save({"state_dict": state, "hyper_parameters": given, "pyannote.audio": own}, file)
    with pytest.raises(ModelError, match="describes no segmentation network: KeyError"):
        open_segmentation(file, "x")
