"""Checkpoints of DiariZen: `config.toml`, `pytorch_model.bin` and, for one's own pruning, its sizes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from diar.models.encoders.base import ModelError
from diar.models.segmentation.base import SegmentationModel
from diar.models.segmentation.broken import BROKEN, what_is_wrong
from diar.models.segmentation.wavlm.described import NAMED, pruned_sizes
from diar.models.segmentation.wavlm.loading import load
from diar.models.segmentation.wavlm.names import DIARIZEN
from diar.models.segmentation.wavlm.settings import ConformerSettings, WavLMConformerSettings, WavLMSettings
from diar.models.weights.checkpoint import read_checkpoint
from diar.texts import from_json, read_toml

WEIGHTS_FILE, CONFIG_FILE, PRUNED_FILE = "pytorch_model.bin", "config.toml", "pruned_config.json"
PREFIX = "wavlm_model."  # of parameters in such a checkpoint, and in no other
TERMS = (
    "the weights that DiariZen publishes are under CC BY-NC 4.0: research and other non-commercial use only, "
    "and name the authors"
)
_ONLY = {"use_posi": False, "output_activate_function": False}  # what of its options is supported
_DEFAULTS = {  # of its network
    "attention_in": 256,
    "ffn_hidden": 1024,
    "num_head": 4,
    "num_layer": 4,
    "kernel_size": 31,
    "max_speakers_per_chunk": 4,
    "max_speakers_per_frame": 2,
    "chunk_size": 5,
}


def open_diarizen(path: Path, name: str) -> SegmentationModel:
    """Open a model directory of DiariZen; nothing in the files is executed.

    Raises:
        ModelError: a file is missing, unreadable, or does not fit the others.
    """
    settings = read_settings(path)
    weights = path / WEIGHTS_FILE
    described = f"{CONFIG_FILE} or {PRUNED_FILE}" if (path / PRUNED_FILE).is_file() else CONFIG_FILE
    given = read_checkpoint(weights).parameters
    return load(given, settings, DIARIZEN, weights, described, name, TERMS)


def read_settings(path: Path) -> WavLMConformerSettings:
    """Read the sizes of the network in a model directory.

    Raises:
        ModelError: a file is missing, incomplete, or describes what is not supported.
    """
    file = path / CONFIG_FILE
    if not file.is_file():
        raise ModelError(
            f"{path} holds weights of DiariZen, but no {CONFIG_FILE}, which says how long it hears"
        )
    try:
        config = read_toml(file)
        given = config["model"]["args"]
        args = _DEFAULTS | given
        for key, supported in _ONLY.items():
            if args.get(key, supported) != supported:
                raise ValueError(f"{key} is {args[key]!r}, only {supported!r} is supported")
        conformer = ConformerSettings(
            size=int(args["attention_in"]),
            num_heads=int(args["num_head"]),
            hidden=int(args["ffn_hidden"]),
            num_layers=int(args["num_layer"]),
            taps=int(args["kernel_size"]),
        )
        return WavLMConformerSettings(
            seg_window_seconds=_seg_window_seconds(config, args),
            num_local_speakers=int(args["max_speakers_per_chunk"]),
            max_simultaneous=int(args["max_speakers_per_frame"]),
            wavlm=_wavlm(path, str(args["wavlm_src"])),
            conformer=conformer,
            projected=True,
            softmax=False,
        )
    except BROKEN as error:
        raise ModelError(f"{file} describes no network of DiariZen: {what_is_wrong(error)}") from error


def _seg_window_seconds(config: Mapping[str, Any], args: Mapping[str, Any]) -> float:
    """Return what DiariZen's own pipeline shows the network at once, else what it was trained on."""
    inference = config.get("inference", {}).get("args", {})
    return float(inference.get("seg_duration", args["chunk_size"]))


def _wavlm(path: Path, source: str) -> WavLMSettings:
    file = path / PRUNED_FILE
    if file.is_file():
        try:
            return pruned_sizes(from_json(file.read_bytes()))
        except BROKEN as error:
            raise ModelError(f"{file} describes no pruned WavLM: {what_is_wrong(error)}") from error
    if source.lower() not in NAMED:
        raise ModelError(
            f"{path / CONFIG_FILE}: wavlm_src is {source!r}; names are {', '.join(NAMED)}. For a pruning of "
            f"your own, put the {PRUNED_FILE} that DiariZen's apply_pruning.py wrote beside it"
        )
    return NAMED[source.lower()]
