"""Open a WeSpeaker model directory: `config.yaml` and `avg_model.pt`.

Read from `config.yaml`, as WeSpeaker's training writes it:

    model: ResNet34                    # a name in ARCHITECTURES, else one that the wespeaker package knows
    model_args: {feat_dim: 80, …}      # the constructor's arguments
    dataset_args:
      frontend: fbank                  # where missing; tfmel with ReDimNet2, w2vbert with W2VBert_Adapter_MFA
      resample_rate: 16000
      cmvn: true                       # the mean over the frames is subtracted
      fbank_args: {num_mel_bins: 80, frame_length: 25, frame_shift: 10, window_type: hamming}
      tfmel_args: {n_mels: 72, hop_length: 160, win_length: 400, n_fft: 512, …}

WeSpeaker trains on samples as 16-bit integers (scale 32768) and a Hamming window; 3D-Speaker, whose CAM++
weights have the same names, on samples in ±1 and Kaldi's Povey window. So `window_type: povey` means a scale
of 1.0, and anything else 32768, unless `fbank_args` has `waveform_scale`, which is our own addition.

With `tfmel`, WeSpeaker runs ReDimNet2 alone, and needs `cmvn: false`: the front end has subtracted the mean
over the frames already, and its features are (mels, frames), so that `cmvn` would subtract the mean over the
mels. What `tfmel_args` holds for training, or under names that WeSpeaker's front end ignores, is ignored
here, too. `W2VBert_Adapter_MFA` has another front end, and keys of its own: see `w2vbert/opening.py`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from diar.errors import explain
from diar.models.encoders import campplus, ecapa, eres2net, redimnet, redimnet2, resnet, simam_resnet
from diar.models.encoders.base import ModelError, SpeakerEncoder
from diar.models.encoders.foreign import build_foreign
from diar.models.encoders.w2vbert import opening as w2vbert
from diar.models.encoders.w2vbert.network import W2VBertAdapterMFA
from diar.models.features import FbankSettings, FrontEndSettings
from diar.models.tfmel import TfMelSettings, without_buffers
from diar.models.weights.checkpoint import load_strictly, read_state_dict
from diar.models.weights.checksum import file_sha256
from diar.models.weights.empty import WithoutInitialValues
from diar.texts import read_yaml

CONFIG_FILE = "config.yaml"
WEIGHTS_FILE = "avg_model.pt"
_MELS = frozenset({"feat_dim", "acoustic_dim"})  # what constructors call the number of mels
TRAINING_HEAD = "projection."  # the classifier that training leaves in a checkpoint

# the names that `model:` may have → what takes its `model_args`
ARCHITECTURES: dict[str, Callable[..., SpeakerEncoder]] = {
    "ResNet18": resnet.ResNet18,
    "ResNet34": resnet.ResNet34,
    "ResNet50": resnet.ResNet50,
    "ResNet101": resnet.ResNet101,
    "ResNet152": resnet.ResNet152,
    "ResNet221": resnet.ResNet221,
    "ResNet293": resnet.ResNet293,
    "SimAM_ResNet34_ASP": simam_resnet.SimAM_ResNet34_ASP,
    "SimAM_ResNet100_ASP": simam_resnet.SimAM_ResNet100_ASP,
    "CAMPPlus": campplus.CAMPPlus,
    "ECAPA_TDNN_c512": ecapa.ECAPA_TDNN_c512,
    "ECAPA_TDNN_GLOB_c512": ecapa.ECAPA_TDNN_GLOB_c512,
    "ECAPA_TDNN_c1024": ecapa.ECAPA_TDNN_c1024,
    "ECAPA_TDNN_GLOB_c1024": ecapa.ECAPA_TDNN_GLOB_c1024,
    "ERes2Net34_Base": eres2net.ERes2Net34_Base,
    "ERes2Net34_Large": eres2net.ERes2Net34_Large,
    "ERes2Net34_aug": eres2net.ERes2Net34_aug,
    "ERes2NetV2": eres2net.ERes2NetV2,
    "ReDimNetB0": redimnet.ReDimNetB0,
    "ReDimNetB1": redimnet.ReDimNetB1,
    "ReDimNetB2": redimnet.ReDimNetB2,
    "ReDimNetB3": redimnet.ReDimNetB3,
    "ReDimNetB4": redimnet.ReDimNetB4,
    "ReDimNetB5": redimnet.ReDimNetB5,
    "ReDimNetB6": redimnet.ReDimNetB6,
    "ReDimNet2B0": redimnet2.ReDimNet2B0,
    "ReDimNet2B1": redimnet2.ReDimNet2B1,
    "ReDimNet2B2": redimnet2.ReDimNet2B2,
    "ReDimNet2B3": redimnet2.ReDimNet2B3,
    "ReDimNet2B4": redimnet2.ReDimNet2B4,
    "ReDimNet2B5": redimnet2.ReDimNet2B5,
    "ReDimNet2B6": redimnet2.ReDimNet2B6,
    w2vbert.ARCHITECTURE: W2VBertAdapterMFA,
}
_ON_TFMEL = [name for name in ARCHITECTURES if name.startswith("ReDimNet2")]


@dataclass(frozen=True)
class SpeakerModel:
    """An encoder with the front end that it was trained with."""

    name: str
    encoder: SpeakerEncoder  # in eval mode, float32, on the CPU, no gradients
    fbank: FrontEndSettings
    sha256: str  # of the weights file
    architecture: str
    described: Mapping[str, Any] = field(default_factory=dict)  # what else decides embeddings, of config.yaml


def open_model_dir(path: Path, name: str | None = None) -> SpeakerModel:
    """Read a model directory; `name` is the directory's own where not given.

    Raises:
        ModelError: a file is missing or unreadable, is not what it should be, needs code to be run for
            loading, or asks for what is not supported.
    """
    path = Path(path)
    config_file, weights_file = path / CONFIG_FILE, path / WEIGHTS_FILE
    check_files(path)
    config = read_config(config_file)
    architecture = config["model"]
    described = w2vbert_described(config, config_file) if architecture == w2vbert.ARCHITECTURE else None
    fbank = front_end_settings(config, config_file) if described is None else w2vbert.FBANK
    encoder: SpeakerEncoder
    with ThreadPoolExecutor(1) as beside:
        sha256 = beside.submit(file_sha256, weights_file)
        if described is None:
            encoder = build_encoder(architecture, config["model_args"], fbank.num_mel_bins, config_file)
            parameters = read_state_dict(weights_file)
            if isinstance(fbank, TfMelSettings):
                parameters = without_buffers(parameters, fbank, weights_file)
            load_weights(encoder, parameters, weights_file)
        else:
            given = without_head(read_state_dict(weights_file))
            encoder = w2vbert.open_network(described, given, weights_file)
    encoder.eval().requires_grad_(False)
    name = name or path.resolve().name
    numbers = {} if described is None else described.numbers()
    return SpeakerModel(name, encoder, fbank, sha256.result(), architecture, numbers)


def w2vbert_described(config: Mapping[str, Any], file: Path) -> w2vbert.Described:
    """Return what a configuration of W2VBert_Adapter_MFA says.

    Raises:
        ModelError: it asks for what is not supported.
    """
    return w2vbert.describe(config, section(config["dataset_args"], "w2vbert_args", file), file)


def check_files(path: Path) -> None:
    """Raise ModelError unless both files are there; say what is there instead."""
    if not path.is_dir():
        raise ModelError(
            f"model directory {path} does not exist; give a folder with {CONFIG_FILE} and {WEIGHTS_FILE}"
        )
    for file in (CONFIG_FILE, WEIGHTS_FILE):
        if (path / file).is_file():
            continue
        others = sorted(entry.name for entry in path.iterdir() if entry.suffix == Path(file).suffix)
        hint = f"; rename one of {', '.join(others)} if it is the one" if others else ""
        raise ModelError(f"model directory {path} has no {file}{hint}")


def read_config(file: Path) -> dict[str, Any]:
    """Read `config.yaml`: `model`, and `model_args` and `dataset_args`, which are empty where missing."""
    try:
        config = read_yaml(file)
    except OSError as error:
        raise ModelError(explain(error)) from None
    except ValueError as error:
        raise ModelError(f"{file} cannot be read as YAML: {error}") from None
    if not isinstance(config, dict) or not isinstance(config.get("model"), str):
        raise ModelError(f"{file} names no architecture; it needs a line like 'model: ResNet34'")
    return config | {key: section(config, key, file) for key in ("model_args", "dataset_args")}


def section(config: Mapping[str, Any], key: str, file: Path) -> dict[str, Any]:
    """Return a mapping within the configuration; empty where missing."""
    found = config.get(key) or {}
    if not isinstance(found, dict):
        raise ModelError(f"{file}: {key} must be a mapping, got {found!r}")
    return found


def front_end_settings(config: Mapping[str, Any], file: Path) -> FrontEndSettings:
    """Return the front end that the configuration describes; the module's docstring has the rules."""
    dataset = config["dataset_args"]
    frontend = dataset.get("frontend", "fbank")
    if not isinstance(frontend, str) or frontend not in _READERS:
        only = " and ".join(_READERS)
        raise ModelError(
            f"{file}: frontend {frontend!r} is not supported with {config['model']}, only {only} are"
        )
    given = section(dataset, f"{frontend}_args", file)
    try:
        settings = _READERS[frontend](config, given, file)
    except (ValueError, TypeError, OverflowError) as error:
        raise ModelError(f"{file}: dataset_args describe no filterbank: {error}") from error
    for key in sorted(_MELS):
        expected = config["model_args"].get(key, settings.num_mel_bins)
        if expected != settings.num_mel_bins:
            raise ModelError(
                f"{file}: {key} is {expected}, but {frontend}_args give {settings.num_mel_bins} mel bins"
            )
    return settings


def _fbank_settings(config: Mapping[str, Any], given: Mapping[str, Any], file: Path) -> FbankSettings:
    dataset = config["dataset_args"]
    if not dataset.get("cmvn", True) or section(dataset, "cmvn_args", file).get("norm_var", False):
        raise ModelError(f"{file}: only models with the mean, and not the variance, normalised are supported")
    window_type = given.get("window_type", "hamming")
    return FbankSettings(
        sample_rate=int(dataset.get("resample_rate", 16000)),
        num_mel_bins=int(given.get("num_mel_bins", 80)),
        frame_length_ms=float(given.get("frame_length", 25)),
        frame_shift_ms=float(given.get("frame_shift", 10)),
        window_type=window_type,
        waveform_scale=float(given.get("waveform_scale", 1.0 if window_type == "povey" else 32768.0)),
    )


_TFMEL_ARGS: dict[str, Callable[[Any], Any]] = {
    **dict.fromkeys(("n_fft", "win_length", "hop_length"), int),
    **dict.fromkeys(("f_min", "f_max", "eps"), float),
    **dict.fromkeys(("norm_signal", "do_preemph"), bool),
}


def _tfmel_settings(config: Mapping[str, Any], given: Mapping[str, Any], file: Path) -> TfMelSettings:
    dataset, architecture = config["dataset_args"], config["model"]
    if architecture not in _ON_TFMEL:
        raise ModelError(
            f"{file}: frontend 'tfmel' is not supported for {architecture}, only for {', '.join(_ON_TFMEL)}"
        )
    if dataset.get("cmvn", True):
        raise ModelError(
            f"{file}: frontend 'tfmel' needs 'cmvn: false': where cmvn is true, or missing, WeSpeaker also "
            "subtracts the mean over the mel bins, which is not supported"
        )
    rate = int(dataset.get("resample_rate", 16000))
    if int(given.get("sample_rate", rate)) != rate:
        raise ValueError(f"sample_rate in tfmel_args is {given['sample_rate']}, but resample_rate {rate}")
    more: dict[str, Any] = {name: kind(given[name]) for name, kind in _TFMEL_ARGS.items() if name in given}
    return TfMelSettings(rate, int(given.get("n_mels", 80)), **more)


_READERS: dict[str, Callable[[Mapping[str, Any], Mapping[str, Any], Path], FrontEndSettings]] = {
    "fbank": _fbank_settings,
    "tfmel": _tfmel_settings,
}


def build_encoder(
    architecture: str, model_args: dict[str, Any], num_mel_bins: int, file: Path
) -> SpeakerEncoder:
    """Build the encoder, its weights still to be loaded: ours, else the wespeaker package's."""
    constructor = ARCHITECTURES.get(architecture)
    try:
        if constructor is None:
            return build_foreign(architecture, model_args, num_mel_bins, supported=list(ARCHITECTURES))
        arguments = inspect.signature(constructor).bind(**model_args)
        arguments.apply_defaults()
        defaults = arguments.arguments.keys() - model_args.keys()  # what is given was compared before
        for key in _MELS & defaults:
            if arguments.arguments[key] != num_mel_bins:
                raise ModelError(
                    f"{file}: {key} of {architecture} is {arguments.arguments[key]} unless model_args have "
                    f"another, but fbank_args give {num_mel_bins} mel bins"
                )
        with WithoutInitialValues():
            return constructor(**model_args)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ModelError(
            f"{file}: {architecture} cannot be built from model_args {model_args}: {error}"
        ) from error


def load_weights(encoder: SpeakerEncoder, parameters: Mapping[str, Tensor], file: Path) -> None:
    """Load parameters by name; only those of a training head may be left over."""
    remedy = "Compare model and model_args with the training that wrote the file"
    load_strictly(encoder.weights(), without_head(parameters), file, remedy)


def without_head(parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return all parameters but those of a training head."""
    return {name: tensor for name, tensor in parameters.items() if not name.startswith(TRAINING_HEAD)}
