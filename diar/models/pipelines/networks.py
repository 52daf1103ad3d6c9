"""pyannote.audio's checkpoints: what they say of a network, and the network.

A checkpoint (`pytorch_model.bin`, written by Lightning) holds `state_dict`, `hyper_parameters`, the arguments
of the network's constructor, and under `pyannote.audio` its class and its specifications: how long a
seg_window is, and how many local speakers there may be. Nothing in it is executed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from diar.models.encoders.base import ModelError
from diar.models.encoders.pyannote_resnet import PYANNOTE_RESNETS
from diar.models.encoders.wespeaker import SpeakerModel
from diar.models.features import FbankSettings
from diar.models.segmentation.pyannet import PyanNet, PyanNetSettings, SegmentationModel
from diar.models.segmentation.sincnet import SAMPLE_RATE
from diar.models.weights import checkpoint
from diar.models.weights.checkpoint import load_strictly
from diar.models.weights.checksum import file_sha256
from diar.models.weights.empty import WithoutInitialValues
from diar.models.weights.inert import Noted

_RESNET_PREFIX = "resnet."
_SEGMENTATION_CLASS = "PyanNet"
_REMEDY = "Take the folder as pyannote.audio publishes it, without changes"


@dataclass(frozen=True)
class Checkpoint:
    """What one of pyannote.audio's checkpoints says."""

    file: Path
    parameters: dict[str, Tensor]
    architecture: str  # the class
    given: Mapping[str, Any]  # the constructor's arguments
    specifications: Mapping[str, Any]


def read_checkpoint(file: Path) -> Checkpoint:
    """Read a checkpoint.

    Raises:
        ModelError: the file is unreadable, or not one of pyannote.audio's.
    """
    read = checkpoint.read_checkpoint(file)
    content = read.about
    try:
        own = content["pyannote.audio"]
        architecture, given = own["architecture"]["class"], content["hyper_parameters"]
        specifications = own["specifications"]
    except (KeyError, TypeError) as error:
        raise ModelError(
            f"{file} is no checkpoint of pyannote.audio: it has no {error}; expected are `state_dict`, "
            "`hyper_parameters` and `pyannote.audio`"
        ) from None
    if not isinstance(given, dict) or not isinstance(architecture, str):
        raise ModelError(
            f"{file} is no checkpoint of pyannote.audio: its class or arguments are not readable"
        )
    fields = specifications.attributes if isinstance(specifications, Noted) else {}
    return Checkpoint(file, read.parameters, architecture, given, fields)


def open_segmentation(file: Path, name: str) -> SegmentationModel:
    """Open a PyanNet; it is not moved against the audio, as pyannote.audio does not move it.

    Raises:
        ModelError: the file is no checkpoint of one, or has parameters that do not fit.
    """
    found = read_checkpoint(file)
    if found.architecture != _SEGMENTATION_CLASS:
        raise ModelError(f"{file} is a {found.architecture}, a {_SEGMENTATION_CLASS} is expected")
    settings = _segmentation_settings(found)
    try:
        with WithoutInitialValues():
            network = PyanNet(settings)
    except (ValueError, RuntimeError, ZeroDivisionError) as error:
        raise ModelError(f"{file}: no network can be built from {settings}: {error}") from error
    load_strictly(network, found.parameters, file, _REMEDY)
    network.eval().requires_grad_(False)
    return SegmentationModel(name, network, settings, file_sha256(file))


def _segmentation_settings(found: Checkpoint) -> PyanNetSettings:
    try:
        sincnet, lstm, linear = (found.given[key] for key in ("sincnet", "lstm", "linear"))
        most = found.specifications["powerset_max_classes"]
        _check(found, "sample_rate", SAMPLE_RATE)
        _check(found, "num_channels", 1)
        for key in ("bidirectional", "monolithic"):
            if lstm.get(key, True) is not True:
                raise ModelError(f"{found.file}: lstm.{key} is {lstm[key]!r}, only True is supported")
        return PyanNetSettings(
            seg_window_seconds=float(found.specifications["duration"]),
            num_local_speakers=len(found.specifications["classes"]),
            max_simultaneous=None if most is None else int(most),
            sinc_stride=int(sincnet["stride"]),
            lstm_size=int(lstm["hidden_size"]),
            lstm_layers=int(lstm["num_layers"]),
            linear_size=int(linear["hidden_size"]),
            linear_layers=int(linear["num_layers"]),
            lead_seconds=(0.0, 0.0),
        )
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise ModelError(f"{found.file} describes no segmentation network: {error!r}") from error


def open_embedding(file: Path, name: str) -> SpeakerModel:
    """Open a ResNet of WeSpeaker with its front end.

    Raises:
        ModelError: the file is no checkpoint of one, or has parameters that do not fit.
    """
    found = read_checkpoint(file)
    if found.architecture not in PYANNOTE_RESNETS:
        known = ", ".join(PYANNOTE_RESNETS)
        raise ModelError(f"{file} is a {found.architecture}, expected is one of {known}")
    fbank = _fbank_settings(found)
    architecture, build = PYANNOTE_RESNETS[found.architecture]
    with WithoutInitialValues():
        encoder = build(feat_dim=fbank.num_mel_bins)
    given = {key.removeprefix(_RESNET_PREFIX): value for key, value in found.parameters.items()}
    load_strictly(encoder.weights(), given, file, _REMEDY)
    encoder.eval().requires_grad_(False)
    return SpeakerModel(name, encoder, fbank, file_sha256(file), architecture)


def _fbank_settings(found: Checkpoint) -> FbankSettings:
    for key, expected in (
        *(("num_channels", 1), ("dither", 0.0), ("use_energy", False)),
        *(("round_to_power_of_two", True), ("snip_edges", True), ("fbank_centering_span", None)),
    ):
        _check(found, key, expected)
    given = found.given
    try:
        return FbankSettings(
            sample_rate=int(given.get("sample_rate", SAMPLE_RATE)),
            num_mel_bins=int(given.get("num_mel_bins", 80)),
            frame_length_ms=float(given.get("frame_length", 25)),
            frame_shift_ms=float(given.get("frame_shift", 10)),
            window_type=str(given.get("window_type", "hamming")),
        )
    except (TypeError, ValueError, OverflowError) as error:
        raise ModelError(f"{found.file} describes no filterbank: {error}") from error


def _check(found: Checkpoint, key: str, expected: Any) -> None:
    """Refuse an argument of the constructor that is not what we compute."""
    value = found.given.get(key, expected)
    if value != expected:
        raise ModelError(f"{found.file}: {key} is {value!r}, only {expected!r} is supported")
