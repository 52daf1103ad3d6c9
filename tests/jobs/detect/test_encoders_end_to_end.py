"""Encoders with random weights through both stages: recordings of two lengths share passes of the trunk."""

from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
import torch
import yaml

from diar.outputs.turns import recording_folder
from diar.store.reader import load_index
from tests.commands import RATE, detect, extract
from tests.jobs.extract.comparison import assert_same_extraction
from tests.models.cases import CASES, build
from tests.models.encoders.w2vbert import cases as w2vbert
from tests.models.tfmel_cases import write_directory

LENGTHS = {"a.wav": 2.77, "b.wav": 5.3}  # seconds


def write_model(folder: Path, case: str, frontend: str) -> int:
    """Write a model directory, and return the numbers in an embedding."""
    if frontend == "w2vbert":
        w2vbert.write(folder, case)
        return w2vbert.ARGUMENTS["embed_dim"]
    if frontend == "tfmel":
        write_directory(folder, case)
        return CASES[case][1]["embed_dim"]
    architecture, model_args = CASES[case]
    front_end = {"fbank_args": {"num_mel_bins": model_args["feat_dim"]}}
    config = {"model": architecture, "model_args": model_args, "dataset_args": front_end}
    folder.mkdir()
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    torch.save(build(case).state_dict(), folder / "avg_model.pt")
    return model_args["embed_dim"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "case, frontend",
    [
        *(("ReDimNetB0", "fbank"), ("ReDimNet2B0", "fbank"), ("ReDimNet2B0", "tfmel")),
        *((case, "w2vbert") for case in w2vbert.CASES),
    ],
)
def test_both_stages(
    case: str, frontend: str, segmentation_dir: Path, conversation: np.ndarray, tmp_path: Path
) -> None:
    dimensions = write_model(tmp_path / "model", case, frontend)
    (tmp_path / "archive").mkdir()
    for name, seconds in LENGTHS.items():
        samples = conversation[5 * RATE : 5 * RATE + round(seconds * RATE)]
        sf.write(tmp_path / "archive" / name, samples, RATE, subtype="PCM_16")
    models = ("--model_dir", tmp_path / "model", "--segmentation", segmentation_dir, "--workers", 1)
    for output, options in (("E", ()), ("alone", ("--batch_seconds", 1))):
        done = extract(tmp_path / "archive", tmp_path / output, *models, "--precision", "fp32", *options)
        assert done.returncode == 0, done.stderr
    assert_same_extraction(tmp_path / "E", tmp_path / "alone")
    assert load_index(str(tmp_path / "E")).embedding.shape == (2, dimensions)
    done = detect(tmp_path / "E", tmp_path / "R", "--task", "turns", "--processes", 1)
    assert done.returncode == 0, done.stderr
    for name in LENGTHS:
        assert list((tmp_path / "R" / recording_folder(name)).glob("*.rttm"))
