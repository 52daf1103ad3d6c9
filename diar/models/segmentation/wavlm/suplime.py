"""Checkpoints of SUPlime: one `pytorch_model.bin` of pyannote.audio, which says all of the network itself."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from diar.models.encoders.base import ModelError
from diar.models.segmentation.base import SAMPLE_RATE, SegmentationModel
from diar.models.segmentation.broken import BROKEN, what_is_wrong
from diar.models.segmentation.wavlm.described import torchaudio_sizes
from diar.models.segmentation.wavlm.loading import load
from diar.models.segmentation.wavlm.names import suplime_rules
from diar.models.segmentation.wavlm.settings import ConformerSettings, WavLMConformerSettings
from diar.models.weights.checkpoint import read_checkpoint
from diar.models.weights.inert import Noted

WEIGHTS_FILE = "pytorch_model.bin"
PREFIX = "wav2vec."  # of parameters in such a checkpoint, and in no other
TERMS = (
    "the weights that SUPlime publishes are under CC BY-NC 4.0: non-commercial use only, and name the authors"
)
_CONFORMER = {"num_heads": 4, "ffn_dim": 256, "num_layers": 4, "depthwise_conv_kernel_size": 31}  # defaults
_LINEAR = {"hidden_size": 128, "num_layers": 2}
_MOST_LINEAR = 20
_ONLY = {"wav2vec_layer": -1, "sample_rate": SAMPLE_RATE, "num_channels": 1}  # what is supported


def open_suplime(path: Path, name: str) -> SegmentationModel:
    """Open a model directory of SUPlime; nothing in the file is executed.

    Raises:
        ModelError: the file is unreadable, or its parameters are not those that it says it has.
    """
    file = path / WEIGHTS_FILE
    checkpoint = read_checkpoint(file)
    try:
        settings = settings_of(checkpoint.about)
    except BROKEN as error:
        raise ModelError(
            f"{file} has parameters as SUPlime's, but does not describe its network: {what_is_wrong(error)}"
        ) from error
    rules = suplime_rules(f"{PREFIX}model." if settings.wavlm.normalized else PREFIX)
    return load(checkpoint.parameters, settings, rules, file, "its hyper_parameters", name, TERMS)


def settings_of(about: Mapping[str, Any]) -> WavLMConformerSettings:
    """Return the sizes of the network by what stands beside its parameters.

    Raises:
        KeyError, TypeError, ValueError: something is missing, or not supported.
    """
    given = about["hyper_parameters"]
    for key, supported in _ONLY.items():
        if given.get(key, supported) != supported:
            raise ValueError(f"{key} is {given[key]!r}, only {supported!r} is supported")
    wavlm = torchaudio_sizes(given["wav2vec"], normalized=bool(given.get("normalize_waveform", False)))
    conformer = _CONFORMER | (given.get("conformer") or {})
    linear = _LINEAR | (given.get("linear") or {})
    if not 0 <= int(linear["num_layers"]) <= _MOST_LINEAR:
        raise ValueError(f"linear has {linear['num_layers']} layers")
    specifications = _specifications(about)
    classes = specifications["classes"]
    return WavLMConformerSettings(
        seg_window_seconds=float(specifications["duration"]),
        num_local_speakers=len(classes),
        max_simultaneous=specifications["powerset_max_classes"],
        wavlm=wavlm,
        conformer=ConformerSettings(
            size=wavlm.size,
            num_heads=int(conformer["num_heads"]),
            hidden=int(conformer["ffn_dim"]),
            num_layers=int(conformer["num_layers"]),
            taps=int(conformer["depthwise_conv_kernel_size"]),
        ),
        projected=False,
        softmax=True,
        linear=(int(linear["hidden_size"]),) * int(linear["num_layers"]),
    )


def _specifications(about: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what the network was trained to tell, as pyannote.audio saves it."""
    specifications = about["pyannote.audio"]["specifications"]
    if not isinstance(specifications, Noted):
        raise ValueError("its specifications are not pyannote.audio's")
    return specifications.attributes
