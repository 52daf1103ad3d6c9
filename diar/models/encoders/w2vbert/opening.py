"""Open a WeSpeaker model directory of W2VBert_Adapter_MFA.

Read from `config.yaml`, as WeSpeaker's training writes it:

    model: W2VBert_Adapter_MFA
    model_args: {feat_dim: 1024, …}       # the constructor's arguments
    dataset_args:
      resample_rate: 16000                # the only one there is
      frontend: w2vbert
      cmvn: false
      w2vbert_args:
        use_lora: false                   # true: LoRA weights stand beside the others, and are merged here
        lora_config_args: {r: 64, lora_alpha: 128, target_modules: [linear_q, linear_v]}
        model_config_file: config.json    # transformers' sizes, in the model directory; else w2v-BERT 2.0's

The other keys of `w2vbert_args` say where training took the weights from and what of them it changed;
`avg_model.pt` has all of them.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from diar.errors import explain
from diar.models.encoders.base import ModelError
from diar.models.encoders.w2vbert import lora as merging
from diar.models.encoders.w2vbert.lora import Lora
from diar.models.encoders.w2vbert.network import W2VBertAdapterMFA
from diar.models.encoders.w2vbert.settings import W2VBertSettings, read_settings
from diar.models.features import FbankSettings
from diar.models.weights.checkpoint import check_fit
from diar.models.weights.empty import WithoutInitialValues

ARCHITECTURE, FRONTEND = "W2VBert_Adapter_MFA", "w2vbert"
_RATE = 16000  # Hz
FBANK = FbankSettings(window_type="povey")  # of SeamlessM4TFeatureExtractor
_MASKING = "frontend.encoder.masked_spec_embed"  # of training; WeSpeaker drops it
# What WeSpeaker's create_lora_config takes where lora_config_args does not say
_LORA: dict[str, Any] = {"r": 16, "lora_alpha": 32, "target_modules": ["linear_q", "linear_v"]}
_LORA_OF_TRAINING = {"lora_dropout", "bias", "model_type"}
_OF_TRAINING = {"model_name", "download_dir", "frozen", "bnb_config_args"}
_READ = {"use_bnb", "use_lora", "lora_config_args", "model_config_file"}


@dataclass(frozen=True)
class Described:
    """What a configuration says.

    Attributes:
        model_args: of the constructor.
        trunk: sizes.
        lora: how LoRA weights in the checkpoint were trained; None: there are none.
        file: the configuration.
    """

    model_args: Mapping[str, Any]
    trunk: W2VBertSettings
    lora: Lora | None
    file: Path

    def numbers(self) -> dict[str, Any]:
        """Return what decides embeddings and is not seen in the weights."""
        lora = None if self.lora is None else asdict(self.lora)
        return {"model_args": dict(self.model_args), "trunk": asdict(self.trunk), "lora": lora}


def describe(config: Mapping[str, Any], args: Mapping[str, Any], file: Path) -> Described:
    """Return what a configuration says.

    Args:
        config: with `model_args` and `dataset_args`.
        args: its `w2vbert_args`.
        file: it comes from.

    Raises:
        ModelError: it asks for what is not supported.
    """
    dataset = config["dataset_args"]
    frontend = dataset.get("frontend", "fbank")
    if frontend != FRONTEND:
        raise ModelError(f"{file}: {ARCHITECTURE} needs `frontend: {FRONTEND}`, not {frontend!r}")
    if dataset.get("cmvn", True) is not False:
        raise ModelError(f"{file}: cmvn must be false, as {FRONTEND} normalises its features itself")
    if dataset.get("resample_rate", _RATE) != _RATE:
        raise ModelError(f"{file}: resample_rate is {dataset['resample_rate']!r}, {FRONTEND} needs {_RATE}")
    if unknown := sorted(args.keys() - _OF_TRAINING - _READ):
        raise ModelError(
            f"{file}: w2vbert_args has {unknown[0]!r}, which WeSpeaker's front end does not take"
        )
    if args.get("use_bnb", False):
        raise ModelError(f"{file}: use_bnb is on, but weights of 8 bits are not supported")
    try:
        lora = _read_lora(args.get("lora_config_args") or {}) if args.get("use_lora", False) else None
    except (ValueError, TypeError, AttributeError) as error:
        raise ModelError(f"{file}: lora_config_args cannot be used: {error}") from error
    return Described(config["model_args"], _sizes(args.get("model_config_file"), file), lora, file)


def _sizes(name: Any, file: Path) -> W2VBertSettings:
    """Return the trunk's sizes: of the file of that name beside `config.yaml`, else of w2v-BERT 2.0."""
    if name is None:
        return W2VBertSettings()
    sizes = file.parent / Path(str(name)).name
    try:
        return read_settings(sizes)
    except (OSError, ValueError, TypeError) as error:
        reason = explain(error) if isinstance(error, OSError) else str(error)
        raise ModelError(
            f"{file}: model_config_file names {name!r}; {sizes} gives no sizes of a w2v-BERT: {reason}"
        ) from error


def _read_lora(given: Mapping[str, Any]) -> Lora:
    if unknown := sorted(given.keys() - _LORA.keys() - _LORA_OF_TRAINING):
        raise ValueError(f"{unknown[0]!r} is unknown")
    found = _LORA | {key: value for key, value in given.items() if value is not None}
    rank, alpha, targets = int(found["r"]), float(found["lora_alpha"]), found["target_modules"]
    if not isinstance(targets, list) or not targets or not all(isinstance(one, str) for one in targets):
        raise ValueError(f"target_modules must be a list of names, got {targets!r}")
    if rank < 1:
        raise ValueError(f"r must be above 0, got {rank}")
    return Lora(rank, alpha, tuple(targets))


def open_network(described: Described, given: Mapping[str, Tensor], weights_file: Path) -> W2VBertAdapterMFA:
    """Return the network with the parameters of a checkpoint, float32.

    Args:
        described: by the configuration.
        given: of the checkpoint, without a training head; what masks features in training may be there.
        weights_file: that they come from.

    Raises:
        ModelError: they do not fit; names the first that do not.
    """
    given = {name: tensor for name, tensor in given.items() if name != _MASKING}
    network, lora = _empty(described), described.lora
    if merging.has_lora(given) != (lora is not None):
        there, said = ("has", "false") if lora is None else ("has no", "true")
        raise ModelError(
            f"{weights_file} {there} LoRA weights, but {described.file} says `use_lora: {said}`; take both "
            "from the same training, or correct use_lora where tools/merge_lora.py merged them"
        )
    try:
        expected = network.state_dict() if lora is None else merging.checkpoint_names(network, lora)
    except ValueError as error:
        raise ModelError(f"{described.file}: {error}") from error
    check_fit(expected, given, weights_file, "Compare model_args and w2vbert_args with the training")
    parameters = given if lora is None else merging.merge(given, network, lora)
    own = network.state_dict()
    network.load_state_dict(
        {name: tensor.to(own[name].dtype) for name, tensor in parameters.items()}, assign=True
    )
    return network


def _empty(described: Described) -> W2VBertAdapterMFA:
    """Return the network without memory for its parameters."""
    file, model_args = described.file, described.model_args
    try:
        inspect.signature(W2VBertAdapterMFA).bind(**model_args)
        if "trunk" in model_args:
            raise ValueError("'trunk' is not WeSpeaker's")
        with WithoutInitialValues(), torch.device("meta"):
            return W2VBertAdapterMFA(**model_args, trunk=described.trunk)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ModelError(
            f"{file}: {ARCHITECTURE} cannot be built from model_args {dict(model_args)}: {error}"
        ) from error
