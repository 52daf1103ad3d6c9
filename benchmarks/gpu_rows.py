"""What the tables of `gpu.py` are about: audio and models."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import soundfile as sf
import torch
import yaml
from sample_audio import RATE, SUFFIXES, speech_like, write_archive

from diar.models.defaults import DEFAULT_ENCODER
from diar.models.encoders.wespeaker import ARCHITECTURES
from diar.models.weights import hub

DEFAULT = "campplus"
Row = dict[str, Any]
_DISTINCT = 3  # recordings; the others are links to them


def speech(folder: Path | None, seconds: float, number: int = 0) -> np.ndarray:
    """Return (n,) float32: a folder's recordings after each other and again, or noise like speech.

    Args:
        folder: of audio at 16 kHz.
        seconds: how much.
        number: each begins 10 s further on.
    """
    if folder is None:
        return speech_like(seconds, number)
    files = sorted(file for file in folder.iterdir() if file.suffix.lower() in (".wav", ".flac"))
    together = np.concatenate([sf.read(file, dtype="float32", always_2d=True)[0][:, 0] for file in files])
    return np.resize(np.roll(together, -10 * RATE * number), round(seconds * RATE))


def write_speech(folder: Path, kind: str, source: Path | None, seconds: float, count: int) -> None:
    """Write an archive of `count` recordings of so many seconds, links to a few distinct ones."""
    if source is None:
        write_archive(folder, kind, seconds, count)
        return
    folder.mkdir(parents=True)
    container, subtype = SUFFIXES[kind]
    for index in range(count):
        file = folder / f"{index:06d}.{kind}"
        if index < _DISTINCT:
            sf.write(file, speech(source, seconds, index), RATE, format=container, subtype=subtype)
        else:
            os.link(folder / f"{index % _DISTINCT:06d}.{kind}", file)


def model_directory(name: str, given: Path | None, work: Path) -> Path:
    """Return a model directory: the default encoder's, or an architecture with random weights."""
    if name == DEFAULT:
        return given or hub.resolve(DEFAULT_ENCODER)
    arguments: dict[str, Any] = {"embed_dim": 256}
    if not name.startswith("SimAM"):
        arguments["feat_dim"] = 80
    folder = work / name
    if folder.exists():
        return folder
    folder.mkdir()
    torch.manual_seed(0)
    torch.save(ARCHITECTURES[name](**arguments).state_dict(), folder / "avg_model.pt")
    front_end = {"resample_rate": RATE, "fbank_args": {"num_mel_bins": 80}}
    content = {"model": name, "model_args": arguments, "dataset_args": front_end}
    (folder / "config.yaml").write_text(yaml.safe_dump(content))
    return folder
