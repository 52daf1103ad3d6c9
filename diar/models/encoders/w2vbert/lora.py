"""LoRA weights of a checkpoint, merged into the products that they were trained beside.

Hu et al., "LoRA", arXiv:2106.09685: a product by W becomes one by W + α / r · B A. Names are those of PEFT,
by which WeSpeaker trains.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

_OURS, _PEFT = "frontend.encoder.", "frontend.encoder.base_model.model."
_A, _B = "lora_A.default.weight", "lora_B.default.weight"


@dataclass(frozen=True)
class Lora:
    """How LoRA weights were trained.

    Attributes:
        rank: r.
        alpha: α.
        targets: ends of the names of the layers that have some.
    """

    rank: int
    alpha: float
    targets: tuple[str, ...]


def checkpoint_names(network: nn.Module, lora: Lora) -> dict[str, Tensor]:
    """Return names of the checkpoint with tensors of the shapes that it has.

    Raises:
        ValueError: a target is no layer of the w2v-BERT, or another than a linear layer.
    """
    layers = _target_layers(network, lora)
    expected: dict[str, Tensor] = {}
    for name, tensor in network.state_dict().items():
        layer, _, parameter = name.rpartition(".")
        if layer not in layers:
            expected[_peft_name(name)] = tensor
            continue
        expected[f"{_peft_name(layer)}.base_layer.{parameter}"] = tensor
        if parameter == "weight":
            outputs, inputs = tensor.shape
            expected[f"{_peft_name(layer)}.{_A}"] = torch.empty(lora.rank, inputs, device="meta")
            expected[f"{_peft_name(layer)}.{_B}"] = torch.empty(outputs, lora.rank, device="meta")
    return expected


def merge(given: Mapping[str, Tensor], network: nn.Module, lora: Lora) -> dict[str, Tensor]:
    """Return a checkpoint's parameters by our names, LoRA weights merged in fp32.

    Args:
        given: with the names and shapes of `checkpoint_names`.
        network: whose parameters they become.
        lora: how they were trained.
    """
    layers = _target_layers(network, lora)
    merged = {}
    for name in network.state_dict():
        layer, _, parameter = name.rpartition(".")
        if layer not in layers:
            merged[name] = given[_peft_name(name)]
            continue
        own = _peft_name(layer)
        weight = given[f"{own}.base_layer.{parameter}"].float()
        if parameter == "weight":
            product = given[f"{own}.{_B}"].float() @ given[f"{own}.{_A}"].float()
            weight = weight + product * (lora.alpha / lora.rank)
        merged[name] = weight
    return merged


def has_lora(names: Mapping[str, Tensor]) -> bool:
    """Tell whether a checkpoint was saved with LoRA weights that are not merged."""
    return any(name.startswith(_PEFT) for name in names)


def _peft_name(name: str) -> str:
    return name.replace(_OURS, _PEFT, 1) if name.startswith(_OURS) else name


def _target_layers(network: nn.Module, lora: Lora) -> set[str]:
    """Return the names of the layers that have LoRA weights."""
    modules = {name: module for name, module in network.named_modules() if name.startswith(_OURS)}
    found: set[str] = set()
    for target in lora.targets:
        named = [name for name in modules if f".{name}".endswith(f".{target}")]
        others = [name for name in named if not isinstance(modules[name], nn.Linear)]
        if not named or others:
            what = f"{others[0]}, which is no linear layer" if others else "no layer of the w2v-BERT"
            raise ValueError(f"target_modules has {target!r}: {what}")
        found.update(named)
    return found
