"""A pipeline folder in pyannote.audio's layout with made-up weights, and audio of made-up voices.

Weights come from NumPy's generator, so they are the same everywhere. pyannote.audio opens such a folder too,
where it is installed: the checkpoints then hold its own `Specifications`, else a class of that name.
"""

from __future__ import annotations

import enum
import sys
import types
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from diar.models.encoders.pyannote_resnet import PYANNOTE_RESNETS
from diar.models.segmentation.pyannet import PyanNet, PyanNetSettings

RATE = 16_000
DIMENSION, PLDA_DIMENSION = 256, 128
CONFIG = {
    "dependencies": {"pyannote.audio": "4.0.0"},
    "pipeline": {
        "name": "pyannote.audio.pipelines.SpeakerDiarization",
        "params": {
            "clustering": "VBxClustering",
            "segmentation": "$model/segmentation",
            "segmentation_batch_size": 8,
            "embedding": "$model/embedding",
            "embedding_batch_size": 8,
            "embedding_exclude_overlap": True,
            "plda": "$model/plda",
        },
    },
    "params": {
        "clustering": {"threshold": 0.6, "Fa": 0.07, "Fb": 0.8},
        "segmentation": {"min_duration_off": 0.0},
    },
}
_SEGMENTATION_ARGUMENTS = {
    "sample_rate": RATE,
    "num_channels": 1,
    "sincnet": {"stride": 10, "sample_rate": RATE},
    "lstm": {"hidden_size": 128, "num_layers": 4, "bidirectional": True, "monolithic": True, "dropout": 0.0},
    "linear": {"hidden_size": 128, "num_layers": 2},
}
_EMBEDDING_ARGUMENTS = {
    "sample_rate": RATE,
    "num_channels": 1,
    "num_mel_bins": 80,
    "frame_length": 25,
    "frame_shift": 10,
    "dither": 0.0,
    "window_type": "hamming",
    "use_energy": False,
}
_MODELS = "pyannote.audio.models"
# Of the made-up segmentation's classes, so that each is the likeliest now and then, and one voice more often
_CLASS_BIAS = (3.9, -0.4, 4.5, -2.6, -0.1, -3.3, 2.6)


def write_folder(
    folder: Path,
    *,
    bias: np.ndarray | None = None,
    config: Mapping[str, Any] = CONFIG,
    segmentation: Mapping[str, torch.Tensor] | None = None,
    seed: int = 0,
) -> Path:
    """Write all files of a pipeline.

    Args:
        folder: that is made.
        bias: (256,) of the encoder's last layer; None = zeros.
        config: content of `config.yaml`.
        segmentation: parameters of a PyanNet, in place of made-up ones.
        seed: of the made-up weights.
    """
    for name in ("segmentation", "embedding", "plda"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "config.yaml").write_text(yaml.safe_dump(dict(config)), encoding="utf-8")
    rng = np.random.default_rng(seed)
    made = _segmentation_weights(rng)
    architecture = {"module": f"{_MODELS}.segmentation.PyanNet", "class": "PyanNet"}
    _save(
        folder / "segmentation" / "pytorch_model.bin",
        dict(segmentation or made),
        _SEGMENTATION_ARGUMENTS,
        architecture,
        {"problem": 1, "resolution": 1, "duration": 10.0, "classes": ["a", "b", "c"], "max": 2},
    )
    weights = _embedding_weights(rng)
    if bias is not None:
        weights["resnet.seg_1.bias"] = torch.from_numpy(np.asarray(bias, np.float32))
    architecture = {"module": f"{_MODELS}.embedding.wespeaker", "class": "WeSpeakerResNet34"}
    _save(
        folder / "embedding" / "pytorch_model.bin",
        weights,
        _EMBEDDING_ARGUMENTS,
        architecture,
        {"problem": 3, "resolution": 2, "duration": 5.0, "classes": None, "max": None},
    )
    write_plda(folder / "plda", seed)
    return folder


def made_up_voices(seconds: float, seed: int = 0) -> np.ndarray:
    """(n,) float32: voices as resonances over pulses, one after the other, pauses and some overlap."""
    rng = np.random.default_rng(seed)
    samples = rng.standard_normal(round(seconds * RATE)) * 1e-3
    voices = [(pitch, rng.uniform(300, 3500, 3)) for pitch in (95, 130, 180, 240)]
    now = 0.4
    while now < seconds - 0.5:
        length = min(rng.uniform(0.8, 3.0), seconds - now - 0.1)
        pitch, formants = voices[rng.integers(len(voices))]
        sound = _voice(round(length * RATE), pitch * rng.uniform(0.95, 1.05), formants, rng)
        start = round(now * RATE)
        samples[start : start + len(sound)] += sound
        now += length + (-0.5 if rng.random() < 0.25 else rng.uniform(0.1, 0.7))
    return np.clip(samples, -1, 1).astype(np.float32)


def _voice(count: int, pitch: float, formants: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    time = np.arange(count) / RATE
    phase = 2 * np.pi * pitch * (time + 0.002 * np.sin(2 * np.pi * 5 * time))
    sound = np.zeros(count)
    for number in range(1, 30):
        level = sum(np.exp(-((number * pitch - formant) ** 2) / 2e4) for formant in formants)
        sound += (level + 0.02) * np.sin(number * phase)
    syllables = 0.55 + 0.45 * np.sin(2 * np.pi * rng.uniform(3, 5) * time)
    return 0.08 * sound * syllables


def _segmentation_weights(rng: np.random.Generator) -> dict[str, torch.Tensor]:
    gains = {"lstm": 2.5, "linear": 2.0, "classifier": 6.0}
    weights = PyanNet(PyanNetSettings()).state_dict()
    for name, value in weights.items():
        part = name.partition(".")[0]
        if value.ndim >= 2 and "filterbank" not in name:
            spread = gains.get(part, 1.5) / np.sqrt(np.prod(value.shape[1:]))
            weights[name] = _normal(rng, value.shape, float(spread))
        elif part in gains:
            weights[name] = _normal(rng, value.shape, 0.1)
    weights["classifier.bias"] += torch.tensor(_CLASS_BIAS)
    return dict(weights)


def _embedding_weights(rng: np.random.Generator) -> dict[str, torch.Tensor]:
    weights = PYANNOTE_RESNETS["WeSpeakerResNet34"][1](feat_dim=80).state_dict()
    for name, value in weights.items():
        if value.ndim >= 2:
            weights[name] = _normal(rng, value.shape, float(np.sqrt(2 / np.prod(value.shape[1:]))))
        elif name.endswith("running_var"):
            weights[name] = torch.from_numpy(rng.uniform(0.8, 1.6, value.shape).astype(np.float32))
        elif name.endswith(("running_mean", "bias")):
            weights[name] = _normal(rng, value.shape, 0.1)
    weights["seg_1.weight"] *= 1e-3  # so that embeddings are a few long
    weights["seg_1.bias"] = torch.zeros(DIMENSION)
    return {f"resnet.{name}": value for name, value in weights.items()}


def _normal(rng: np.random.Generator, shape: tuple[int, ...], spread: float) -> torch.Tensor:
    return torch.from_numpy((spread * rng.standard_normal(tuple(shape))).astype(np.float32))


def write_plda(folder: Path, seed: int = 0) -> None:
    """Write the two files of a PLDA model."""
    rng = np.random.default_rng([seed, 1])
    lda = np.linalg.qr(rng.standard_normal((DIMENSION, PLDA_DIMENSION)))[0]
    mean1, mean2 = 0.02 * rng.standard_normal(DIMENSION), 0.1 * rng.standard_normal(PLDA_DIMENSION)
    np.savez(folder / "xvec_transform.npz", mean1=mean1, mean2=mean2, lda=lda)
    turned = np.linalg.qr(rng.standard_normal((PLDA_DIMENSION, PLDA_DIMENSION)))[0]
    psi = rng.permutation(np.geomspace(0.05, 10.0, PLDA_DIMENSION))  # unsorted, as files may be
    tr = turned * rng.uniform(2.0, 3.0, (PLDA_DIMENSION, 1))
    np.savez(folder / "plda.npz", mu=0.05 * rng.standard_normal(PLDA_DIMENSION), tr=tr, psi=psi)


def _save(
    file: Path,
    weights: Mapping[str, torch.Tensor],
    arguments: Mapping[str, Any],
    architecture: Mapping[str, str],
    specified: Mapping[str, Any],
) -> None:
    with _task_module() as task:
        specifications = task.Specifications(
            problem=task.Problem(specified["problem"]),
            resolution=task.Resolution(specified["resolution"]),
            duration=specified["duration"],
            classes=specified["classes"],
            powerset_max_classes=specified["max"],
            permutation_invariant=True,
        )
        own = {"versions": {"pyannote.audio": "4.0.0"}, "architecture": dict(architecture)}
        content = {
            "epoch": 0,
            "global_step": 0,
            "pytorch-lightning_version": "2.0.0",
            "state_dict": dict(weights),
            "hyper_parameters": dict(arguments),
            "pyannote.audio": own | {"specifications": specifications},
        }
        torch.save(content, file)


@contextmanager
def _task_module() -> Iterator[Any]:
    """Give `pyannote.audio.core.task`, or something that pickles as if it were."""
    name = "pyannote.audio.core.task"
    try:
        from pyannote.audio.core import task  # type: ignore[import-not-found]
    except ImportError:
        pass
    else:
        yield task
        return
    made = _stand_in(name)
    before = {key: sys.modules.get(key) for key in ("pyannote.audio", "pyannote.audio.core", name)}
    sys.modules.update({key: types.ModuleType(key) for key in before} | {name: made})
    try:
        yield made
    finally:
        for key, module in before.items():
            if module is None:
                del sys.modules[key]
            else:
                sys.modules[key] = module


def _stand_in(name: str) -> Any:
    made: Any = types.ModuleType(name)

    class Specifications:
        def __init__(self, **fields: Any) -> None:
            self.__dict__.update(fields)

    made.Specifications = Specifications
    made.Problem = enum.Enum("Problem", [(f"P{number}", number) for number in range(5)])
    made.Resolution = enum.Enum("Resolution", [("FRAME", 1), ("CHUNK", 2)])
    for kind in (made.Specifications, made.Problem, made.Resolution):
        kind.__module__, kind.__qualname__ = name, kind.__name__
    return made
