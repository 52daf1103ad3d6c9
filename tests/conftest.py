"""Fixtures shared by all tests: real data where `../shared` lies beside the checkout, weights by name."""

import os
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import settings

from diar.demo.espeak import speak_all
from diar.demo.sentences import SENTENCES
from diar.demo.voices import VOICES
from diar.models.weights import hub
from tests.commands import RATE

# The same examples each time; no deadline: how long one takes says more of the machine
settings.register_profile("diar", derandomize=True, deadline=None)
# Other examples each time (launch/fuzz.sh); what failed is kept in .hypothesis and tried first the next time
settings.register_profile("search", derandomize=False, deadline=None, print_blob=True)
settings.load_profile("diar")

CONVERSATION_SECONDS = 70

ROOT = Path(__file__).resolve().parent.parent


SHARED = Path(os.environ.get("DIAR_SHARED", ROOT.parent / "shared"))


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """The folder with real speech and reference arrays; tests that need it skip without it."""
    if not SHARED.is_dir():
        pytest.skip(f"no real data: {SHARED} does not exist (DIAR_SHARED names another place)")
    return SHARED


@pytest.fixture(scope="session")
def campplus_dir() -> Path:
    """The default encoder's model directory."""
    return named_weights("campplus-zh-en")


@pytest.fixture(scope="session")
def segmentation_dir() -> Path:
    """The segmentation model's directory."""
    return named_weights("segmentation-3.0")


def named_weights(name: str) -> Path:
    """Model directory from `../shared`, else fetched by name into the cache."""
    folder = SHARED / "models" / name
    return folder if (folder / "config.yaml").is_file() else hub.fetch(name)


@pytest.fixture(scope="session")
def tiny_model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A WeSpeaker model directory with a very small CAM++ of random weights: the real code path, quickly."""
    import torch

    from diar.models.encoders.campplus import CAMPPlus

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("tiny-model")
    arguments = {"feat_dim": 16, "embed_dim": 16, "growth_rate": 4, "init_channels": 16}
    torch.save(CAMPPlus(**arguments).state_dict(), folder / "avg_model.pt")
    front_end = {"resample_rate": 16000, "fbank_args": {"num_mel_bins": 16}}
    content = {"model": "CAMPPlus", "model_args": arguments, "dataset_args": front_end}
    (folder / "config.yaml").write_text(yaml.safe_dump(content))
    return folder


@pytest.fixture(scope="session")
def tiny_wavlm_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model directory as DiariZen's, with a very small network of random weights; it hears 4 s at once."""
    from tests.models.segmentation.wavlm.cases import write_diarizen

    folder = tmp_path_factory.mktemp("tiny-wavlm")
    write_diarizen(folder, "diarizen-base")
    return folder


@pytest.fixture(scope="session")
def tiny_sortformer_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model directory as transformers saves it, with a very small Sortformer of random weights."""
    from tests.models.segmentation.sortformer.cases import write

    folder = tmp_path_factory.mktemp("tiny-sortformer")
    write(folder, "eight")
    return folder


@pytest.fixture(scope="session")
def conversation() -> np.ndarray:
    """(n,) float32, 70 s of two voices in turn: pauses of 0.8 s, every third turn overlaps the one before."""
    voices = [next(voice for voice in VOICES if voice.name == name) for name in ("gustave", "iven")]
    turns = speak_all([(voices[number % 2], text) for number, text in enumerate(SENTENCES[:28])])
    mixed, at = np.zeros((CONVERSATION_SECONDS + 10) * RATE, np.float32), RATE // 2
    for number, turn in enumerate(turns):
        mixed[at : at + len(turn)] += turn[: max(0, len(mixed) - at)]
        at += len(turn) + round((-1.0 if number % 3 == 1 else 0.8) * RATE)
    assert at > CONVERSATION_SECONDS * RATE
    floor = 1e-4 * np.random.default_rng(0).standard_normal(len(mixed)).astype(np.float32)
    return (0.5 * mixed / np.abs(mixed).max() + floor)[: CONVERSATION_SECONDS * RATE]
