"""Nemotron 3 Diarization as transformers saves it: `config.json`, `model.safetensors`, a processor."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from diar.models.encoders.base import ModelError
from diar.models.segmentation.base import SAMPLE_RATE, SegmentationModel
from diar.models.segmentation.broken import BROKEN, what_is_wrong
from diar.models.segmentation.sortformer.mels import FFT, HOP, WINDOW
from diar.models.segmentation.sortformer.network import Sortformer
from diar.models.segmentation.sortformer.settings import MelSettings, SortformerSettings
from diar.models.weights.checkpoint import check_fit
from diar.models.weights.checksum import file_sha256
from diar.models.weights.empty import WithoutInitialValues
from diar.models.weights.safetensors import read_safetensors
from diar.texts import from_json

WEIGHTS_FILE, CONFIG_FILE = "model.safetensors", "config.json"
PROCESSOR_FILES = ("processor_config.json", "preprocessor_config.json")  # the first that tells the front end
KIND = "nemotron3_diarization"
_LARGEST = 1_000_000  # bytes of a description
_SILENCE = "silence_embeds"  # fills the cache, which is not used: checked, and left
_FUSED, _PARTS = ".in_proj.weight", tuple(f".{one}_proj.weight" for one in "qkv")
_FRONT = {"sampling_rate": SAMPLE_RATE, "hop_length": HOP, "n_fft": FFT, "win_length": WINDOW}


def is_sortformer(folder: Path) -> bool:
    """Return whether a folder holds what transformers saves."""
    return (folder / CONFIG_FILE).is_file() or (folder / WEIGHTS_FILE).is_file()


def open_sortformer(folder: Path, name: str) -> SegmentationModel:
    """Open a model directory; nothing in the files is executed.

    Raises:
        ModelError: a file is missing, unreadable, or does not fit the others.
    """
    settings, file = read_settings(folder), folder / WEIGHTS_FILE
    if not file.is_file():
        raise ModelError(f"{folder} has no {WEIGHTS_FILE}")
    try:
        with WithoutInitialValues():
            network = Sortformer(settings)
    except (ValueError, RuntimeError) as error:
        raise ModelError(f"{folder}: no network can be built as {CONFIG_FILE} says: {error}") from error
    given, own = read_safetensors(file), network.state_dict()
    expected = published(own) | {_SILENCE: torch.empty(settings.size)}
    check_fit(expected, given, file, f"Take {WEIGHTS_FILE} and {CONFIG_FILE} from one model", CONFIG_FILE)
    network.load_state_dict({one: joined(given, one) for one in own})
    network.eval().requires_grad_(False)
    return SegmentationModel(name, network, settings, file_sha256(file))


def published(own: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return our parameters as transformers names them."""
    found: dict[str, Tensor] = {}
    for one, tensor in own.items():
        names = _names(one)
        found.update(zip(names, tensor.chunk(len(names)), strict=True))
    return found


def _names(own: str) -> list[str]:
    """Return what transformers calls a parameter of ours, or its parts row by row."""
    start = own.removesuffix(_FUSED)
    return [own] if start == own else [start + part for part in _PARTS]


def joined(given: Mapping[str, Tensor], own: str) -> Tensor:
    """Return the parameter of ours that is called `own`, from those that transformers names."""
    return torch.cat([given[name] for name in _names(own)])


def read_settings(folder: Path) -> SortformerSettings:
    """Read the sizes of the network in a model directory.

    Raises:
        ModelError: a file is missing, incomplete, or describes what is not supported.
    """
    file = folder / CONFIG_FILE
    if not file.is_file():
        raise ModelError(f"{folder} has a {WEIGHTS_FILE}, but no {CONFIG_FILE}, which says what it is")
    try:
        config = _read(file)
        _supported(config, {"model_type": KIND})
        settings = _settings(config["audio_config"], config["head_config"], _mels(folder, config))
    except BROKEN as error:
        raise ModelError(f"{file} describes no network that is supported: {what_is_wrong(error)}") from error
    return settings


def _settings(encoder: Mapping[str, Any], head: Mapping[str, Any], mels: MelSettings) -> SortformerSettings:
    size, num_heads, stacked = (
        _whole(encoder, key) for key in ("hidden_size", "num_attention_heads", "subsampling_factor")
    )
    derived = {"num_key_value_heads": num_heads, "head_dim": size // max(1, num_heads)}
    _supported(derived | _told(encoder), derived | {"hidden_act": "gelu"})
    _supported(head, {"audio_hidden_size": size, "subsampling_factor": stacked})
    plain: dict[str, Any] = {"rope_type": "default", "partial_rotary_factor": 1.0}
    positions = plain | dict(encoder["rope_parameters"])
    _supported(positions, plain)
    return SortformerSettings(
        mels=mels,
        stacked=stacked,
        size=size,
        num_heads=num_heads,
        hidden=_whole(encoder, "intermediate_size"),
        num_layers=_whole(encoder, "num_hidden_layers"),
        rotary_base=float(positions["rope_theta"]),
        narrow=_whole(head, "hidden_size"),
        num_local_speakers=_whole(head, "num_speakers"),
    )


def _mels(folder: Path, config: Mapping[str, Any]) -> MelSettings:
    """Return the front end, by the processor's settings where they are there.

    Raises:
        ModelError: they are not those of this front end.
    """
    bands = _whole(config["audio_config"], "num_mel_bins")
    for file in (folder / name for name in PROCESSOR_FILES):
        if not file.is_file():
            continue
        try:
            about = _read(file)
            if "feature_extractor" in about or "hop_length" in about:
                return _mels_of(about.get("feature_extractor", about), bands)
        except BROKEN as error:
            raise ModelError(
                f"{file} describes no front end that is supported: {what_is_wrong(error)}"
            ) from error
    return MelSettings(bands)


def _mels_of(about: Mapping[str, Any], bands: int) -> MelSettings:
    _supported(about, _FRONT | {"feature_size": bands})
    precision = about.get("mel_filters_dtype", "float32")
    if precision not in ("float32", "bfloat16"):
        raise ValueError(f"mel_filters_dtype is {precision!r}, only float32 and bfloat16 are supported")
    return MelSettings(bands, float(about["preemphasis"] or 0), precision == "bfloat16")


def _read(file: Path) -> dict[str, Any]:
    with file.open("rb") as opened:
        content = opened.read(_LARGEST + 1)
    if len(content) > _LARGEST:
        raise ValueError(f"over {_LARGEST:,} bytes")
    described = from_json(content)
    if not isinstance(described, dict):
        raise ValueError("it is no JSON object")
    return described


def _told(about: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is not left open."""
    return {key: value for key, value in about.items() if value is not None}


def _whole(about: Mapping[str, Any], key: str) -> int:
    if type(about[key]) is not int:
        raise ValueError(f"{key} is {about[key]!r}, not a whole number")
    number: int = about[key]
    return number


def _supported(about: Mapping[str, Any], only: Mapping[str, Any]) -> None:
    for key, value in only.items():
        if about[key] != value:
            raise ValueError(f"{key} is {about[key]!r}, only {value!r} is supported")
